import {
  createPrivateKey,
  createPublicKey,
  createSecretKey,
  type JsonWebKey,
  type KeyObject,
} from 'node:crypto';
import { readFileSync } from 'node:fs';

const SECRET_BYTES_MIN = 32;

export interface JwtKey {
  readonly verifying: KeyObject;
  /** undefined: the file holds a public key alone. */
  readonly signing: KeyObject | undefined;
  /** The one algorithm that the key is used with. */
  readonly algorithm: string;
}

/**
 * Reads a PEM key or certificate, a JWK, or (any other content) a shared secret, without the newline at its end.
 * Throws an Error that names the file and says what is wrong, without a byte of its content.
 */
export function readKeyFile(file: string): JwtKey {
  let content: Buffer;
  try {
    content = readFileSync(file);
  } catch (error) {
    throw new Error(`the key file can't be read: ${error instanceof Error ? error.message : String(error)}`);
  }
  const text = content.toString('latin1').trim();
  if (text.includes('-----BEGIN')) return asymmetric(file, text);
  if (text.startsWith('{')) return fromJwk(file, text);
  return secret(file, content.subarray(0, content.length - trailingNewline(content)));
}

function fromJwk(file: string, text: string): JwtKey {
  let jwk: JsonWebKey;
  try {
    jwk = JSON.parse(text) as JsonWebKey;
  } catch {
    throw new Error(`${file}: starts with { but is not the JSON of a JWK`);
  }
  if (jwk.kty !== 'oct') return asymmetric(file, jwk);
  return secret(file, Buffer.from(String(jwk.k ?? ''), 'base64url'));
}

function secret(file: string, bytes: Uint8Array): JwtKey {
  if (bytes.length < SECRET_BYTES_MIN) {
    throw new Error(
      `${file}: a shared secret needs at least ${SECRET_BYTES_MIN} bytes, this has ${bytes.length}`,
    );
  }
  const key = createSecretKey(bytes);
  return { verifying: key, signing: key, algorithm: 'HS256' };
}

function asymmetric(file: string, source: string | JsonWebKey): JwtKey {
  const signing = privateKey(source);
  const verifying = publicKey(file, signing, source);
  return { verifying, signing, algorithm: algorithmOf(file, verifying) };
}

function privateKey(source: string | JsonWebKey): KeyObject | undefined {
  const isPrivate =
    typeof source === 'string' ? /-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(source) : source.d !== undefined;
  if (!isPrivate) return undefined;
  try {
    return typeof source === 'string'
      ? createPrivateKey(source)
      : createPrivateKey({ key: source, format: 'jwk' });
  } catch {
    // Encrypted or broken: `publicKey` fails on it too, and says so.
    return undefined;
  }
}

function publicKey(file: string, signing: KeyObject | undefined, source: string | JsonWebKey): KeyObject {
  try {
    if (signing !== undefined) return createPublicKey(signing);
    return typeof source === 'string'
      ? createPublicKey(source)
      : createPublicKey({ key: source, format: 'jwk' });
  } catch {
    // OpenSSL's message may quote the content.
    throw new Error(`${file}: no usable key; it must be an unencrypted PEM key or certificate, or a JWK`);
  }
}

function algorithmOf(file: string, key: KeyObject): string {
  const curve = key.asymmetricKeyDetails?.namedCurve;
  if (key.asymmetricKeyType === 'rsa') {
    if ((key.asymmetricKeyDetails?.modulusLength ?? 0) >= 2048) return 'RS256';
    throw new Error(`${file}: an RSA key needs at least 2048 bits`);
  }
  if (key.asymmetricKeyType === 'ed25519') return 'EdDSA';
  if (curve === 'prime256v1') return 'ES256';
  if (curve === 'secp384r1') return 'ES384';
  throw new Error(`${file}: the key must be RSA, EC (P-256 or P-384) or Ed25519`);
}

function trailingNewline(content: Buffer): number {
  if (content.at(-1) !== 0x0a) return 0;
  return content.at(-2) === 0x0d ? 2 : 1;
}
