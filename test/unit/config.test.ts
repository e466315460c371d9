import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import test from 'node:test';
import { type Config, loadConfig, settingsHelp } from '../../src/config.ts';

const aFile = fileURLToPath(import.meta.url);

function config(args: readonly string[], env: Record<string, string> = {}): Config {
  const loaded = loadConfig(args, env);
  assert.ok(loaded.ok, JSON.stringify(loaded));
  return loaded.config;
}

function problems(args: readonly string[], env: Record<string, string> = {}): readonly string[] {
  const loaded = loadConfig(args, env);
  assert.ok(!loaded.ok, 'must be refused');
  return loaded.problems;
}

test('without settings it is a development server on loopback', () => {
  const { host, port, adminPort, dataDir, auth, tls, sendsPerSecond, sendBurst } = config([]);
  assert.deepEqual(
    { host, port, adminPort, dataDir, auth, tls, sendsPerSecond, sendBurst },
    {
      host: '127.0.0.1',
      port: 8080,
      adminPort: undefined,
      dataDir: './data',
      auth: { kind: 'dev' },
      tls: undefined,
      sendsPerSecond: 1000,
      sendBurst: 2000,
    },
  );
});

test('flags win over variables; an empty variable counts as not set', () => {
  const env = { CARILLON_PORT: '1', CARILLON_DATA_DIR: '/a', CARILLON_HOST: '', CARILLON_TRUST_PROXY: 'no' };
  const read = config(['--port=2', '--admin-port', '3', '--trust-proxy'], env);
  assert.deepEqual(
    [read.port, read.adminPort, read.dataDir, read.host, read.trustProxy],
    [2, 3, '/a', '127.0.0.1', true],
  );
});

test('origins are read as a list', () => {
  const { origins } = config(['--origins', 'https://a.example, http://localhost:3000']);
  assert.deepEqual(origins, ['https://a.example', 'http://localhost:3000']);
  assert.match(
    problems(['--origins', 'https://a.example/path'])[0] ?? '',
    /"https:\/\/a\.example\/path" is none/,
  );
});

test('all problems are told at once, each with the name, what was given and what would be right', () => {
  const told = problems(['--port', '80a', '--data-dri', 'x', '--host', '0.0.0.0', 'stray', '--log-level'], {
    CARILLON_STORE: 'scylla',
    CARILLON_ROLES: 'edge,push',
    CARILLON_TLS_CERT: '/nowhere/cert.pem',
    CARILLON_SEND_BURST: '0',
  });
  const expected = [
    /^--data-dri is no setting; did you mean --data-dir\?$/,
    /^stray: settings are given as --name value$/,
    /^--log-level: a value is missing$/,
    /^--port="80a": must be a whole number from 0 to 65535$/,
    /^CARILLON_ROLES="edge,push": must be all: this version does not support edge, push yet$/,
    /^CARILLON_STORE="scylla": must be lmdb: this version does not support scylla yet$/,
    /^CARILLON_TLS_CERT="\/nowhere\/cert\.pem": must be a file that can be read \(ENOENT/,
    /^CARILLON_SEND_BURST="0": must be a whole number from 1 to 10000000$/,
    /^CARILLON_AUTH=dev lets anyone be anybody, so CARILLON_HOST must be a loopback address .* not 0\.0\.0\.0/,
    /^CARILLON_TLS_CERT and CARILLON_TLS_KEY go together/,
  ];
  assert.equal(told.length, expected.length, told.join('\n'));
  for (const [i, pattern] of expected.entries()) assert.match(told[i] ?? '', pattern);
});

test('dev auth is refused off loopback, with a key, and with all origins', () => {
  for (const host of ['localhost', '::1', '127.0.0.9']) assert.equal(config(['--host', host]).host, host);
  for (const host of ['0.0.0.0', '::', '10.0.0.1', 'chat.example.com', '127.0.0.1.example.com']) {
    assert.match(problems(['--host', host])[0] ?? '', /set CARILLON_AUTH=jwt$/);
  }
  assert.match(
    problems(['--jwt-key', aFile])[0] ?? '',
    /CARILLON_JWT_KEY is set, but CARILLON_AUTH=dev checks no key/,
  );
  assert.match(problems(['--origins', '*'])[0] ?? '', /CARILLON_ORIGINS=\*/);
});

test('jwt auth needs exactly one source of keys, an issuer and an audience', () => {
  assert.equal(problems(['--auth', 'jwt']).length, 3);
  const claims = ['--auth', 'jwt', '--jwt-issuer', 'me', '--jwt-audience', 'you'];
  const url = 'https://issuer.example/jwks';
  assert.match(
    problems([...claims, '--jwt-key', aFile, '--jwt-jwks-url', url])[0] ?? '',
    /needs one of .* not both/,
  );
  assert.match(
    problems([...claims, '--jwt-jwks-url', 'http://issuer.example/jwks'])[0] ?? '',
    /must be an https: URL/,
  );
  const expected = { kind: 'jwt', keys: { jwksUrl: url }, issuer: 'me', audience: 'you' };
  const read = config([...claims, '--jwt-jwks-url', url, '--host', '0.0.0.0', '--origins', '*']);
  assert.deepEqual(read.auth, expected);
  assert.deepEqual(config([...claims, '--jwt-key', aFile]).auth, { ...expected, keys: { file: aFile } });
});

test('TLS takes both files; ports must differ', () => {
  assert.deepEqual(config(['--tls-cert', aFile, '--tls-key', aFile]).tls, {
    certFile: aFile,
    keyFile: aFile,
  });
  assert.match(problems(['--tls-key', aFile])[0] ?? '', /set both or neither/);
  assert.match(problems(['--admin-port', '8080'])[0] ?? '', /must differ from CARILLON_PORT \(8080\)/);
});

test('unknown variables warn with the nearest name, those of later versions say so', () => {
  const loaded = loadConfig([], {
    CARILLON_PROT: '1',
    CARILLON_NATS_URL: 'nats://x',
    CARILLON: 'x',
    PATH: '/bin',
  });
  assert.deepEqual(loaded.warnings, [
    'CARILLON_PROT is no setting; did you mean CARILLON_PORT?',
    'CARILLON_NATS_URL is not used by this version',
  ]);
});

test('the help lists every setting with its default', () => {
  const help = settingsHelp();
  for (const key of [
    '--host <text>',
    'CARILLON_PORT (8080)',
    'CARILLON_ADMIN_PORT (not set)',
    '--store <lmdb>',
  ]) {
    assert.ok(help.includes(key), key);
  }
});
