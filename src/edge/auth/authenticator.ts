import type { UserId } from '../../core/ids.ts';

export type Verdict =
  | {
      readonly ok: true;
      readonly user: UserId;
      /** Unix ms; undefined: the token never expires. */
      readonly expiresAt: number | undefined;
    }
  | {
      readonly ok: false;
      /** `unavailable`: the issuer's keys can't be had now; the same token may pass later. */
      readonly code: 'unauthenticated' | 'unavailable';
      /** Fit to be shown to the client: says what is wrong with the token, never anything about the key. */
      readonly message: string;
    };

/** Says whose a token is. Never throws or rejects. */
export interface Authenticator {
  verify(token: string): Verdict | Promise<Verdict>;
}
