import {
  createRemoteJWKSet,
  customFetch,
  errors,
  jwtVerify,
  type JWTPayload,
  type JWTVerifyOptions,
} from 'jose';
import { isName } from '../../core/ids.ts';
import { LIMITS } from '../../protocol/limits.ts';
import type { Authenticator, Verdict } from './authenticator.ts';
import { readKeyFile } from './key-file.ts';

export interface JwtOptions {
  readonly keys: { readonly file: string } | { readonly jwksUrl: string };
  readonly issuer: string;
  readonly audience: string;
}

/** What an issuer that publishes its keys may sign with. */
const JWKS_ALGORITHMS = ['RS256', 'PS256', 'ES256', 'ES384', 'EdDSA', 'Ed25519'];
const JWKS_BYTES_MAX = 256 * 1024;
const JWKS_TIMEOUT_MS = 5_000;
/** The least time between two fetches, however many tokens name unknown keys. */
const JWKS_COOLDOWN_MS = 30_000;
/** How long a key that the issuer has withdrawn may still pass. */
const JWKS_AGE_MS_MAX = 10 * 60_000;
const CLOCK_TOLERANCE_SECONDS = 5;

type Verify = (token: string, options: JWTVerifyOptions) => Promise<{ payload: JWTPayload }>;

export function jwtAuthenticator(options: JwtOptions, now: () => number): Authenticator {
  const { verify, algorithms } = keySource(options.keys);
  const checks = {
    issuer: options.issuer,
    audience: options.audience,
    algorithms,
    requiredClaims: ['exp', 'sub'],
    clockTolerance: CLOCK_TOLERANCE_SECONDS,
  };
  return {
    async verify(token) {
      if (token.length > LIMITS.tokenCharsMax)
        return refused(`token is longer than ${LIMITS.tokenCharsMax} characters`);
      try {
        const { payload } = await verify(token, { ...checks, currentDate: new Date(now()) });
        return verdictOn(payload);
      } catch (error) {
        return explain(error, algorithms);
      }
    },
  };
}

function keySource(keys: JwtOptions['keys']): { verify: Verify; algorithms: string[] } {
  if ('file' in keys) {
    const { verifying, algorithm } = readKeyFile(keys.file);
    return { verify: (token, options) => jwtVerify(token, verifying, options), algorithms: [algorithm] };
  }
  const published = createRemoteJWKSet(new URL(keys.jwksUrl), {
    timeoutDuration: JWKS_TIMEOUT_MS,
    cooldownDuration: JWKS_COOLDOWN_MS,
    cacheMaxAge: JWKS_AGE_MS_MAX,
    [customFetch]: fetchBounded,
  });
  return { verify: (token, options) => jwtVerify(token, published, options), algorithms: JWKS_ALGORITHMS };
}

async function fetchBounded(url: string, init: RequestInit): Promise<Response> {
  const response = await fetch(url, init);
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > JWKS_BYTES_MAX) throw new Error(`the key set is larger than ${JWKS_BYTES_MAX} bytes`);
    chunks.push(chunk);
  }
  return new Response(Buffer.concat(chunks), { status: response.status, headers: response.headers });
}

function verdictOn({ sub, exp }: JWTPayload): Verdict {
  if (sub === undefined || exp === undefined) return refused('token must carry "sub" and "exp"');
  if (!isName(sub)) return refused('"sub" must be a user name: 1–64 characters of A-Z a-z 0-9 . _ @ : -');
  return { ok: true, user: sub, expiresAt: exp * 1000 };
}

function refused(message: string): Verdict {
  return { ok: false, code: 'unauthenticated', message };
}

function explain(error: unknown, algorithms: readonly string[]): Verdict {
  if (error instanceof errors.JWTExpired) return refused('token has expired');
  if (error instanceof errors.JWTClaimValidationFailed) {
    if (error.reason === 'missing') return refused(`token lacks "${error.claim}"`);
    if (error.claim === 'nbf') return refused('token is not valid yet ("nbf")');
    return refused(`token's "${error.claim}" is not what this server takes`);
  }
  if (error instanceof errors.JOSEAlgNotAllowed)
    return refused(`token's "alg" must be ${algorithms.join(' or ')}`);
  if (error instanceof errors.JWSSignatureVerificationFailed) return refused("token's signature is wrong");
  if (error instanceof errors.JWKSNoMatchingKey || error instanceof errors.JWKSMultipleMatchingKeys) {
    return refused('token must name ("kid") a key that its issuer publishes');
  }
  if (error instanceof errors.JWSInvalid || error instanceof errors.JWTInvalid)
    return refused('token is no valid JWT');
  if (error instanceof errors.JOSENotSupported)
    return refused('token uses a JWT feature that is not supported');
  return { ok: false, code: 'unavailable', message: "the keys of the token's issuer can't be had now" };
}
