import type { Authenticator } from './authenticator.ts';
import { devAuthenticator } from './dev.ts';
import { jwtAuthenticator, type JwtOptions } from './jwt.ts';

export type AuthOptions = { readonly kind: 'dev' } | ({ readonly kind: 'jwt' } & JwtOptions);

/** `now` gives Unix ms. Throws if the key can't be used: the message names the file and what would be right. */
export function createAuthenticator(options: AuthOptions, now: () => number): Authenticator {
  return options.kind === 'dev' ? devAuthenticator : jwtAuthenticator(options, now);
}
