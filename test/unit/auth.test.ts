import assert from 'node:assert/strict';
import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'node:test';
import { exportJWK, SignJWT } from 'jose';
import type { Verdict } from '../../src/edge/auth/authenticator.ts';
import { createAuthenticator } from '../../src/edge/auth/create-authenticator.ts';
import { signTryoutToken } from '../../src/edge/auth/tryout-token.ts';

const NOW = Date.UTC(2026, 0, 1);
const SECRET = 'the shared secret of this test file, long enough';
const directory = mkdtempSync(join(tmpdir(), 'carillon-auth-'));
test.after(() => rmSync(directory, { recursive: true }));

function keyFile(name: string, content: string | Buffer): string {
  const file = join(directory, name);
  writeFileSync(file, content);
  return file;
}

function pem(key: KeyObject): string {
  return key.export({ type: key.type === 'public' ? 'spki' : 'pkcs8', format: 'pem' }).toString();
}

const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
const ed = generateKeyPairSync('ed25519');
const secretFile = keyFile('secret', `${SECRET}\n`);
const claims = { issuer: 'me', audience: 'you' };

async function verify(
  keys: { file: string } | { jwksUrl: string },
  token: string,
  now = NOW,
): Promise<Verdict> {
  return createAuthenticator({ kind: 'jwt', keys, ...claims }, () => now).verify(token);
}

async function refusedWith(file: string, token: string): Promise<string> {
  const verdict = await verify({ file }, token);
  assert.ok(!verdict.ok, 'must be refused');
  assert.equal(verdict.code, 'unauthenticated');
  assert.ok(!verdict.message.includes(SECRET), 'the key must not show');
  return verdict.message;
}

function tryout(
  file: string,
  overrides: { user?: string; issuer?: string; audience?: string; now?: number } = {},
) {
  return signTryoutToken({
    user: 'ann',
    keyFile: file,
    ...claims,
    lifetimeSeconds: 60,
    now: NOW,
    ...overrides,
  });
}

/** A token of exactly these claims, signed with the secret. */
function signed(payload: Record<string, unknown>, alg = 'HS256'): Promise<string> {
  return new SignJWT(payload).setProtectedHeader({ alg }).sign(Buffer.from(SECRET));
}

const complete = { sub: 'ann', iss: 'me', aud: 'you', exp: NOW / 1000 + 60 };

test('dev tokens name any valid user', async () => {
  const { verify: check } = createAuthenticator({ kind: 'dev' }, () => NOW);
  assert.deepEqual(await check('dev:ann@example.com'), {
    ok: true,
    user: 'ann@example.com',
    expiresAt: undefined,
  });
  for (const token of ['', 'ann', 'dev:', 'dev:no spaces', `dev:${'x'.repeat(65)}`, 'DEV:ann']) {
    const verdict = await check(token);
    assert.ok(!verdict.ok && verdict.message.startsWith('token must be dev:<user>'), token);
  }
});

test('jwt: a try-out token passes with each kind of key file', async () => {
  const jwk = { kty: 'oct', k: Buffer.from(SECRET).toString('base64url') };
  const files: [string, string][] = [
    [secretFile, secretFile],
    [secretFile, keyFile('oct.jwk', JSON.stringify(jwk))],
    [keyFile('ec.pem', pem(ec.privateKey)), keyFile('ec.pub', pem(ec.publicKey))],
    [
      keyFile('rsa.pem', pem(rsa.privateKey)),
      keyFile('rsa.jwk', JSON.stringify(await exportJWK(rsa.publicKey))),
    ],
    [keyFile('ed.pem', pem(ed.privateKey)), keyFile('ed.pub', pem(ed.publicKey))],
    [keyFile('ec.pem', pem(ec.privateKey)), keyFile('ec.pem', pem(ec.privateKey))],
  ];
  for (const [signing, verifying] of files) {
    const verdict = await verify({ file: verifying }, await tryout(signing));
    assert.deepEqual(verdict, { ok: true, user: 'ann', expiresAt: NOW + 60_000 }, verifying);
  }
});

test('jwt: what a token lacks or has wrong is named', async () => {
  const late = await tryout(secretFile, { now: NOW - 120_000 });
  assert.equal(await refusedWith(secretFile, late), 'token has expired');
  assert.equal(
    await refusedWith(secretFile, await tryout(secretFile, { issuer: 'x' })),
    'token\'s "iss" is not what this server takes',
  );
  assert.equal(
    await refusedWith(secretFile, await tryout(secretFile, { audience: 'x' })),
    'token\'s "aud" is not what this server takes',
  );
  for (const claim of ['sub', 'iss', 'aud', 'exp']) {
    assert.equal(
      await refusedWith(secretFile, await signed({ ...complete, [claim]: undefined })),
      `token lacks "${claim}"`,
    );
  }
  assert.match(
    await refusedWith(secretFile, await signed({ ...complete, sub: 'not a name' })),
    /^"sub" must be a user name/,
  );
  assert.match(
    await refusedWith(secretFile, await signed({ ...complete, nbf: NOW / 1000 + 60 })),
    /not valid yet/,
  );
  assert.equal(await refusedWith(secretFile, 'no.jwt'), 'token is no valid JWT');
  assert.equal(await refusedWith(secretFile, ''), 'token is no valid JWT');
  assert.match(await refusedWith(secretFile, 'x'.repeat(9_000)), /longer than 8192/);
});

test('jwt: the algorithm is pinned to the key, and signatures are checked', async () => {
  const ecPublic = keyFile('pinned.pub', pem(ec.publicKey));
  // The classic confusion: the public key's text used as a shared secret.
  const confused = await new SignJWT(complete)
    .setProtectedHeader({ alg: 'HS256' })
    .sign(Buffer.from(pem(ec.publicKey)));
  assert.equal(await refusedWith(ecPublic, confused), 'token\'s "alg" must be ES256');
  const none = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${Buffer.from(JSON.stringify(complete)).toString('base64url')}.`;
  assert.equal(await refusedWith(ecPublic, none), 'token\'s "alg" must be ES256');
  assert.equal(
    await refusedWith(secretFile, await signed(complete, 'HS384')),
    'token\'s "alg" must be HS256',
  );
  const other = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const forged = await tryout(keyFile('other.pem', pem(other.privateKey)));
  assert.equal(await refusedWith(ecPublic, forged), "token's signature is wrong");
});

test('jwt: a key file that can not serve is refused by name, without its content', () => {
  const weak = generateKeyPairSync('rsa', { modulusLength: 1024 });
  const cases: [string, string | Buffer, RegExp][] = [
    ['short', 'too short a secret\n', /short: a shared secret needs at least 32 bytes, this has 18/],
    [
      'broken.pem',
      '-----BEGIN PUBLIC KEY-----\nsesame\n-----END PUBLIC KEY-----\n',
      /broken\.pem: no usable key/,
    ],
    ['broken.jwk', '{"kty": "sesame', /broken\.jwk: starts with \{ but is not the JSON of a JWK/],
    ['odd.jwk', '{"kty":"EC","crv":"sesame"}', /odd\.jwk: no usable key/],
    ['weak.pem', pem(weak.publicKey), /weak\.pem: an RSA key needs at least 2048 bits/],
  ];
  for (const [name, content, expected] of cases) {
    const file = keyFile(name, content);
    assert.throws(
      () => createAuthenticator({ kind: 'jwt', keys: { file }, ...claims }, () => NOW),
      (error: Error) => expected.test(error.message) && !error.message.includes('sesame'),
      name,
    );
  }
});

test('jwt: a published key set is fetched once, unknown keys are refused, an outage is no refusal', async (t) => {
  let fetches = 0;
  let body = JSON.stringify({
    keys: [{ ...(await exportJWK(ec.publicKey)), kid: 'k1', alg: 'ES256', use: 'sig' }],
  });
  const server = createServer((_, response) => {
    fetches++;
    response.setHeader('content-type', 'application/json').end(body);
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  t.after(() => server.close());
  const jwksUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`;
  const sign = (kid: string): Promise<string> =>
    new SignJWT(complete).setProtectedHeader({ alg: 'ES256', kid }).sign(ec.privateKey);

  const issuer = createAuthenticator({ kind: 'jwt', keys: { jwksUrl }, ...claims }, () => NOW);
  const token = await sign('k1');
  const verdicts = await Promise.all([issuer.verify(token), issuer.verify(token), issuer.verify(token)]);
  assert.ok(verdicts.every((verdict) => verdict.ok && verdict.user === 'ann'));
  assert.equal(fetches, 1);
  const unknown = await issuer.verify(await sign('k2'));
  assert.ok(!unknown.ok && unknown.code === 'unauthenticated', JSON.stringify(unknown));
  assert.equal(fetches, 1, 'unknown keys fetch nothing within the cooldown');

  body = 'x'.repeat(300 * 1024);
  const large = await verify({ jwksUrl }, token);
  assert.ok(!large.ok && large.code === 'unavailable');
  server.close();
  server.closeAllConnections();
  const away = await verify({ jwksUrl }, token);
  assert.ok(!away.ok && away.code === 'unavailable');
});

test('a try-out token needs a key that signs, and a user name', async () => {
  const ecPublic = keyFile('tryout.pub', pem(ec.publicKey));
  await assert.rejects(tryout(ecPublic), /tryout\.pub: holds a public key alone/);
  await assert.rejects(tryout(join(directory, 'nowhere')), /the key file can't be read: ENOENT/);
  await assert.rejects(tryout(secretFile, { user: 'no spaces' }), /user must be 1–64 characters/);
});
