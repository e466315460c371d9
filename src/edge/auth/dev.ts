import { isName } from '../../core/ids.ts';
import type { Authenticator } from './authenticator.ts';

const PREFIX = 'dev:';

/** Takes `dev:<user>` of anyone: for a server that only this machine can reach. */
export const devAuthenticator: Authenticator = {
  verify(token) {
    const user = token.slice(PREFIX.length);
    if (token.startsWith(PREFIX) && isName(user)) return { ok: true, user, expiresAt: undefined };
    const message = 'token must be dev:<user>, the user being 1–64 characters of A-Z a-z 0-9 . _ @ : -';
    return { ok: false, code: 'unauthenticated', message };
  },
};
