import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { after, type TestContext } from 'node:test';
import { nkeys } from 'nats';
import type { NatsOptions } from '../../src/adapters/nats/options.ts';
import { lacking } from '../services/lacking.ts';
import { startNats } from '../services/nats.ts';
import { Inbox, numbered, waitFor } from './bus.suite.ts';
import { connectedClient, newClient } from './nats-bus.fixture.ts';

const dir = mkdtempSync(join(tmpdir(), 'carillon-nats-access-'));
after(() => rmSync(dir, { recursive: true, force: true }));

async function startWith(t: TestContext, config: string): Promise<string> {
  const path = join(dir, `${createHash('sha1').update(config).digest('hex')}.conf`);
  writeFileSync(path, config);
  const cluster = await startNats(1, ['-c', path]);
  t.after(() => cluster.stop());
  return cluster.urls[0] as string;
}

async function letsIn(t: TestContext, options: NatsOptions): Promise<void> {
  const clients = [await connectedClient(options), await connectedClient(options)] as const;
  const inbox = new Inbox(clients[0].bus, 's');
  t.after(() => Promise.all(clients.map(({ bus }) => bus.close())));
  await clients[0].bus.flush();
  clients[1].bus.publish('s', numbered(1));
  await inbox.count(1);
}

async function keepsOut(t: TestContext, options: NatsOptions): Promise<void> {
  const { bus, tally } = newClient(options);
  t.after(() => bus.close());
  await waitFor('refusals', () => tally.get('connectFailed') >= 2);
  assert.equal(bus.connected, false);
}

test('nats bus: user and password', { skip: lacking('go') }, async (t) => {
  const url = await startWith(t, 'authorization { user: carillon, password: "s3cret" }\n');
  await letsIn(t, { servers: [url], user: 'carillon', password: 's3cret' });
  await keepsOut(t, { servers: [url], user: 'carillon', password: 'other' });
  await keepsOut(t, { servers: [url] });
});

test('nats bus: what a user may not do is counted, and the rest goes on', {
  skip: lacking('go'),
}, async (t) => {
  const url = await startWith(
    t,
    'authorization { users: [{ user: u, password: p, permissions: { publish: "e.>", subscribe: "e.>" } }] }\n',
  );
  const options = { servers: [url], user: 'u', password: 'p' };
  const [{ bus, tally }, { bus: to }] = [await connectedClient(options), await connectedClient(options)];
  t.after(() => Promise.all([bus.close(), to.close()]));
  const inbox = new Inbox(to, 'e.1');
  await to.flush();
  bus.subscribe('n.1', () => assert.fail('not allowed'));
  bus.publish('n.1', numbered(1));
  bus.publish('e.1', numbered(2));
  await inbox.count(1);
  await waitFor('both errors', () => tally.get('failed PERMISSIONS_VIOLATION') === 2);
  assert.equal(bus.connected, true);
});

test('nats bus: a server that takes too small messages is not used', { skip: lacking('go') }, async (t) => {
  await keepsOut(t, { servers: [await startWith(t, 'max_payload: 512KB\n')] });
});

test('nats bus: TLS, by name and by address, under our authority alone', {
  skip: lacking('go', 'openssl'),
}, async (t) => {
  const ca = authority('ours');
  const other = authority('other');
  const { cert, key } = certificate('ours', 'DNS:localhost,IP:127.0.0.1');
  const url = await startWith(t, `tls { cert_file: "${cert}", key_file: "${key}" }\n`);
  await letsIn(t, { servers: [url], tlsCa: ca });
  await letsIn(t, { servers: [url.replace('127.0.0.1', 'localhost')], tlsCa: ca });
  await keepsOut(t, { servers: [url], tlsCa: other });
  await keepsOut(t, { servers: [url] });
  const named = certificate('ours', 'DNS:elsewhere.example');
  const misnamed = await startWith(t, `tls { cert_file: "${named.cert}", key_file: "${named.key}" }\n`);
  await keepsOut(t, { servers: [misnamed], tlsCa: ca });
  const plain = await startWith(t, 'server_name: plain\n');
  await keepsOut(t, { servers: [plain], tlsCa: ca });
});

test('nats bus: a credentials file', { skip: lacking('go') }, async (t) => {
  const { operator, accounts, system, credentials, strangers } = keyring();
  const url = await startWith(
    t,
    `operator: ${operator}
system_account: ${system}
resolver: MEMORY
resolver_preload: { ${accounts} }
`,
  );
  await letsIn(t, { servers: [url], credentials });
  await keepsOut(t, { servers: [url], credentials: strangers });
});

function openssl(...args: string[]): void {
  execFileSync('openssl', args, { cwd: dir, stdio: 'pipe' });
}

/** The PEM text of a new authority. */
function authority(name: string): string {
  openssl(
    'req',
    '-x509',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-days',
    '1',
    '-subj',
    `/CN=${name}`,
    '-keyout',
    `${name}-ca.key`,
    '-out',
    `${name}-ca.pem`,
  );
  return readFileSync(join(dir, `${name}-ca.pem`), 'utf8');
}

let certificates = 0;

function certificate(ca: string, names: string): { cert: string; key: string } {
  const base = `server${++certificates}`;
  writeFileSync(join(dir, `${base}.ext`), `subjectAltName=${names}\n`);
  openssl(
    'req',
    '-newkey',
    'rsa:2048',
    '-nodes',
    '-subj',
    '/CN=server',
    '-keyout',
    `${base}.key`,
    '-out',
    `${base}.csr`,
  );
  openssl(
    'x509',
    '-req',
    '-days',
    '1',
    '-in',
    `${base}.csr`,
    '-CA',
    `${ca}-ca.pem`,
    '-CAkey',
    `${ca}-ca.key`,
    '-CAcreateserial',
    '-extfile',
    `${base}.ext`,
    '-out',
    `${base}.pem`,
  );
  return { cert: join(dir, `${base}.pem`), key: join(dir, `${base}.key`) };
}

type KeyPair = ReturnType<typeof nkeys.createUser>;

/** An operator, its accounts, a user of one and one of an account that it does not know, as `nsc` would make them. */
function keyring(): Record<'operator' | 'accounts' | 'system' | 'credentials' | 'strangers', string> {
  const operator = nkeys.createOperator();
  const [account, system] = [nkeys.createAccount(), nkeys.createAccount()];
  const preload = (key: KeyPair): string =>
    `${key.getPublicKey()}: ${jwt(operator, key, 'account', ACCOUNT)}`;
  return {
    operator: jwt(operator, operator, 'operator', {}),
    accounts: [account, system].map(preload).join(', '),
    system: system.getPublicKey(),
    credentials: credentialsOf(account),
    strangers: credentialsOf(nkeys.createAccount()),
  };
}

const ACCOUNT = {
  limits: { subs: -1, data: -1, payload: -1, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1 },
};

function credentialsOf(account: KeyPair): string {
  const user = nkeys.createUser();
  const text = jwt(account, user, 'user', { subs: -1, data: -1, payload: -1 });
  const seed = new TextDecoder().decode(user.getSeed());
  return [
    '-----BEGIN NATS USER JWT-----',
    text,
    '------END NATS USER JWT------',
    '-----BEGIN USER NKEY SEED-----',
    seed,
    '------END USER NKEY SEED------',
    '',
  ].join('\n');
}

function jwt(issuer: KeyPair, subject: KeyPair, type: string, claims: object): string {
  const encode = (value: object): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  const body = {
    jti: subject.getPublicKey(),
    iat: Math.floor(Date.now() / 1_000),
    iss: issuer.getPublicKey(),
    name: type,
    sub: subject.getPublicKey(),
    nats: { ...claims, type, version: 2 },
  };
  const signed = `${encode({ typ: 'JWT', alg: 'ed25519-nkey' })}.${encode(body)}`;
  const signature = Buffer.from(issuer.sign(new TextEncoder().encode(signed))).toString('base64url');
  return `${signed}.${signature}`;
}
