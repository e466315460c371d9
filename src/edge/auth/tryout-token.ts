import { SignJWT } from 'jose';
import { isName } from '../../core/ids.ts';
import { readKeyFile } from './key-file.ts';

export interface TryoutToken {
  readonly user: string;
  /** A private key, or the shared secret that the server checks with. */
  readonly keyFile: string;
  readonly issuer: string;
  readonly audience: string;
  readonly lifetimeSeconds: number;
  /** Unix ms. */
  readonly now: number;
}

/** A JWT for trying a server out. Throws an Error that says what is wrong with the user or the key. */
export async function signTryoutToken(wanted: TryoutToken): Promise<string> {
  if (!isName(wanted.user)) throw new Error('user must be 1–64 characters of A-Z a-z 0-9 . _ @ : -');
  const { signing, algorithm } = readKeyFile(wanted.keyFile);
  if (signing === undefined) {
    throw new Error(
      `${wanted.keyFile}: holds a public key alone; signing needs the private key or the shared secret`,
    );
  }
  const issuedAt = Math.floor(wanted.now / 1000);
  return new SignJWT()
    .setProtectedHeader({ alg: algorithm, typ: 'JWT' })
    .setSubject(wanted.user)
    .setIssuer(wanted.issuer)
    .setAudience(wanted.audience)
    .setIssuedAt(issuedAt)
    .setExpirationTime(issuedAt + wanted.lifetimeSeconds)
    .sign(signing);
}
