import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test, { after } from 'node:test';
import { type Config, loadConfig, loadScylla, scyllaFlags, settingsHelp } from '../../src/config.ts';

const aFile = fileURLToPath(import.meta.url);
const certFile = fileURLToPath(new URL('../contract/fixtures/localhost-cert.pem', import.meta.url));
const scratch = mkdtempSync(join(tmpdir(), 'carillon-config-'));
after(() => rmSync(scratch, { recursive: true }));

/** The least that a node of a cluster must be told. */
const CLUSTER = {
  CARILLON_STORE: 'scylla',
  CARILLON_BUS: 'nats',
  CARILLON_SCYLLA_CONTACT_POINTS: '10.0.0.1',
  CARILLON_NATS_URL: 'nats://10.0.0.2:4222',
};

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
  const { host, port, adminPort, dataDir, auth, tls, sendsPerSecond, sendBurst, roles, cluster } = config([]);
  assert.deepEqual(
    { host, port, adminPort, dataDir, auth, tls, sendsPerSecond, sendBurst, roles, cluster },
    {
      host: '127.0.0.1',
      port: 8080,
      adminPort: undefined,
      dataDir: './data',
      auth: { kind: 'dev' },
      tls: undefined,
      sendsPerSecond: 1000,
      sendBurst: 2000,
      roles: { edge: true, sequencer: true },
      cluster: undefined,
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
    CARILLON_STORE: 'scyla',
    CARILLON_ROLES: 'edge,push',
    CARILLON_TLS_CERT: '/nowhere/cert.pem',
    CARILLON_SEND_BURST: '0',
  });
  const expected = [
    /^--data-dri is no setting; did you mean --data-dir\?$/,
    /^stray: settings are given as --name value$/,
    /^--log-level: a value is missing$/,
    /^--port="80a": must be a whole number from 0 to 65535$/,
    /^CARILLON_ROLES="edge,push": must be all, or edge and sequencer .* does not support push yet$/,
    /^CARILLON_STORE="scyla": must be one of lmdb, scylla$/,
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

test('unknown variables warn with the nearest name', () => {
  const loaded = loadConfig([], {
    CARILLON_PROT: '1',
    CARILLON: 'x',
    PATH: '/bin',
  });
  assert.deepEqual(loaded.warnings, ['CARILLON_PROT is no setting; did you mean CARILLON_PORT?']);
});

test('an admin token is long, has no blanks, and is not shown when it is wrong', () => {
  assert.equal(config(['--admin-token', 'x'.repeat(16)]).adminToken, 'x'.repeat(16));
  assert.equal(config([]).adminToken, undefined);
  const [problem] = problems(['--admin-token', 'hush hush hush hush']);
  assert.match(problem ?? '', /16 or more printable ASCII characters/);
  assert.doesNotMatch(problem ?? '', /hush/);
});

test('the help lists every setting with its default', () => {
  const help = settingsHelp();
  for (const key of [
    '--host <text>',
    'CARILLON_PORT (8080)',
    'CARILLON_ADMIN_PORT (not set)',
    '--store <lmdb | scylla>',
    'CARILLON_ROLES (all)',
    'CARILLON_SCYLLA_KEYSPACE (carillon)',
    'CARILLON_LEASE_TIMEOUT_MS (4000)',
    ...['CONTACT_POINTS', 'LOCAL_DC', 'USER', 'PASSWORD', 'TLS_CA', 'ADDRESS_MAP'].map(
      (name) => `CARILLON_SCYLLA_${name} (`,
    ),
    ...['URL', 'USER', 'PASSWORD', 'CREDS', 'TLS_CA'].map((name) => `CARILLON_NATS_${name} (`),
    'CARILLON_REDIS_URL (',
  ]) {
    assert.ok(help.includes(key), key);
  }
});

test('a cluster: the defaults, and all that can be set', () => {
  const { cluster, roles } = config([], CLUSTER);
  assert.deepEqual(roles, { edge: true, sequencer: true });
  assert.deepEqual(defined(cluster), {
    scylla: { contactPoints: ['10.0.0.1'], keyspace: 'carillon', localDc: 'datacenter1' },
    nats: { servers: ['nats://10.0.0.2:4222'] },
    leaseTimeoutMs: 4_000,
  });
  const credsFile = join(scratch, 'user.creds');
  const creds = ['NATS USER JWT', 'USER NKEY SEED'].map((what) => `-----BEGIN ${what}-----\nx\n`).join('');
  writeFileSync(credsFile, creds);
  const pem = readFileSync(certFile, 'utf8');
  const all = config(['--lease-timeout-ms', '1000'], {
    ...CLUSTER,
    CARILLON_ROLES: 'sequencer, edge',
    CARILLON_PRESENCE: 'redis',
    CARILLON_SCYLLA_CONTACT_POINTS: 'a.example, 10.0.0.1:19042,[::1]:9042,fe80::1',
    CARILLON_SCYLLA_KEYSPACE: 'chat_2',
    CARILLON_SCYLLA_LOCAL_DC: 'eu-west',
    CARILLON_SCYLLA_USER: 'ann',
    CARILLON_SCYLLA_PASSWORD: 'p@ss',
    CARILLON_SCYLLA_TLS_CA: certFile,
    CARILLON_SCYLLA_ADDRESS_MAP: '10.0.0.1=127.0.0.1:1, 10.0.0.2:7=localhost',
    CARILLON_NATS_URL: 'nats://n1:4222,tls://n2',
    CARILLON_NATS_CREDS: credsFile,
    CARILLON_NATS_TLS_CA: certFile,
    CARILLON_REDIS_URL: 'rediss://:secret@r:6380/2',
  });
  assert.deepEqual(all.roles, { edge: true, sequencer: true });
  assert.deepEqual(defined(all.cluster), {
    scylla: {
      contactPoints: ['a.example', '10.0.0.1:19042', '[::1]:9042', 'fe80::1'],
      keyspace: 'chat_2',
      localDc: 'eu-west',
      user: 'ann',
      password: 'p@ss',
      tlsCa: pem,
      addressMap: new Map([
        ['10.0.0.1:9042', '127.0.0.1:1'],
        ['10.0.0.2:7', 'localhost:9042'],
      ]),
    },
    nats: { servers: ['nats://n1:4222', 'tls://n2'], credentials: creds, tlsCa: pem },
    redis: { url: 'rediss://:secret@r:6380/2' },
    leaseTimeoutMs: 1_000,
  });
  const login = { CARILLON_NATS_USER: 'u', CARILLON_NATS_PASSWORD: 'p' };
  const { nats } = config([], { ...CLUSTER, ...login }).cluster ?? {};
  assert.deepEqual([nats?.user, nats?.password], ['u', 'p']);
});

/** Without the fields that are undefined: set or not, they mean the same. */
function defined<T extends object>(value: T | undefined): unknown {
  const entries = Object.entries(value ?? {}).filter(([, field]) => field !== undefined);
  return Object.fromEntries(
    entries.map(([key, field]) => [key, field?.constructor === Object ? defined(field) : field]),
  );
}

test('roles: each alone, in a cluster only', () => {
  for (const [text, edge, sequencer] of [
    ['edge', true, false],
    ['sequencer', false, true],
    ['edge,sequencer', true, true],
    ['all', true, true],
  ] as const) {
    assert.deepEqual(config(['--roles', text], CLUSTER).roles, { edge, sequencer });
    if (edge && sequencer) assert.deepEqual(config(['--roles', text]).roles, { edge, sequencer });
    else {
      const [told] = problems(['--roles', text]);
      assert.match(told ?? '', new RegExp(`^CARILLON_ROLES=${text} needs CARILLON_STORE=scylla and`));
      assert.match(told ?? '', /or set CARILLON_ROLES=all$/);
    }
  }
  for (const text of ['all,edge', 'edge,', 'owner', 'EDGE'])
    assert.match(problems(['--roles', text], CLUSTER)[0] ?? '', /must be all, or edge and sequencer/);
});

test('a sequencer alone has no main port, and is told when nothing can probe it', () => {
  const alone = loadConfig(['--roles', 'sequencer'], CLUSTER);
  assert.ok(alone.ok);
  assert.deepEqual(alone.warnings, [
    'without CARILLON_ADMIN_PORT a sequencer alone has no /readyz, /healthz and /metrics',
  ]);
  const probed = loadConfig(['--roles=sequencer', '--admin-port=8080'], CLUSTER);
  assert.ok(probed.ok);
  assert.deepEqual([probed.config.adminPort, probed.warnings], [8080, []]);
  assert.match(problems(['--roles=edge', '--admin-port=8080'], CLUSTER)[0] ?? '', /must differ/);
  assert.match(problems(['--roles=sequencer', '--host=0.0.0.0'], CLUSTER)[0] ?? '', /set CARILLON_AUTH=jwt$/);
});

test('a cluster that could not keep the promises, or lacks something, is refused', () => {
  const { CARILLON_SCYLLA_CONTACT_POINTS: _, ...noPoints } = CLUSTER;
  const { CARILLON_NATS_URL: __, ...noUrl } = CLUSTER;
  const cases: readonly (readonly [env: Record<string, string>, ...told: RegExp[]])[] = [
    [{ ...noUrl, CARILLON_BUS: 'memory' }, /^CARILLON_STORE=scylla needs CARILLON_BUS=nats: /],
    [
      { CARILLON_BUS: 'nats', CARILLON_NATS_URL: 'nats://n' },
      /^CARILLON_BUS=nats needs CARILLON_STORE=scylla: CARILLON_STORE=lmdb, .* for one process/,
    ],
    [
      { CARILLON_PRESENCE: 'redis', CARILLON_REDIS_URL: 'redis://r' },
      /^CARILLON_PRESENCE=redis needs CARILLON_STORE=scylla and CARILLON_BUS=nats: /,
    ],
    [{ ...CLUSTER, CARILLON_PRESENCE: 'redis' }, /^CARILLON_PRESENCE=redis needs CARILLON_REDIS_URL: /],
    [noPoints, /^CARILLON_SCYLLA_CONTACT_POINTS is missing: .* such as 10\.0\.0\.1/],
    [noUrl, /^CARILLON_NATS_URL is missing: .* such as nats:\/\//],
    [
      { ...CLUSTER, CARILLON_SCYLLA_USER: 'u' },
      /^CARILLON_SCYLLA_USER and CARILLON_SCYLLA_PASSWORD go together/,
    ],
    [{ ...CLUSTER, CARILLON_NATS_USER: 'u' }, /^CARILLON_NATS_USER and CARILLON_NATS_PASSWORD go together/],
    [
      { ...CLUSTER, CARILLON_NATS_PASSWORD: 'p' },
      /^CARILLON_NATS_USER and CARILLON_NATS_PASSWORD go together/,
    ],
    [
      { ...CLUSTER, CARILLON_NATS_USER: 'u', CARILLON_NATS_PASSWORD: 'p', CARILLON_NATS_CREDS: aFile },
      /^CARILLON_NATS_CREDS names its user itself: /,
    ],
    [
      { ...CLUSTER, CARILLON_LEASE_TIMEOUT_MS: '999' },
      /^CARILLON_LEASE_TIMEOUT_MS="999": .* from 1000 to 60000$/,
    ],
  ];
  for (const [env, ...told] of cases) {
    const all = problems([], env);
    for (const pattern of told)
      assert.ok(
        all.some((problem) => pattern.test(problem)),
        all.join('\n'),
      );
  }
});

test('what only another mode uses is refused, as a key is that nobody checks', () => {
  assert.deepEqual(problems([], { CARILLON_NATS_URL: 'nats://n', CARILLON_LEASE_TIMEOUT_MS: '5000' }), [
    'CARILLON_LEASE_TIMEOUT_MS is set, but CARILLON_STORE=lmdb has no leases; set CARILLON_STORE=scylla, or leave CARILLON_LEASE_TIMEOUT_MS out',
    'CARILLON_NATS_URL is set, but CARILLON_BUS=memory uses no server; set CARILLON_BUS=nats, or leave CARILLON_NATS_URL out',
  ]);
  assert.match(
    problems(['--scylla-keyspace', 'x'])[0] ?? '',
    /^CARILLON_SCYLLA_KEYSPACE is set, but CARILLON_STORE=lmdb is embedded; set CARILLON_STORE=scylla/,
  );
  assert.match(
    problems([], { ...CLUSTER, CARILLON_REDIS_URL: 'redis://r' })[0] ?? '',
    /^CARILLON_REDIS_URL is set, but CARILLON_PRESENCE=memory uses no server/,
  );
});

test('addresses, URLs and files of a cluster: what is wrong is told with what would be right', () => {
  const wrong: readonly (readonly [name: string, values: readonly string[], must: RegExp])[] = [
    [
      'SCYLLA_CONTACT_POINTS',
      ['10.0.0.1,', 'a b', 'a:0', 'a:65536', 'cql://a', '[::1]', '[x]:1'],
      /is none$/,
    ],
    ['SCYLLA_KEYSPACE', ['Chat', '2x', 'a-b', 'a'.repeat(49)], /must be 1 to 48 of a-z, 0-9 and _/],
    [
      'SCYLLA_ADDRESS_MAP',
      ['a', 'a=b=c', '=b', 'a=b,', 'a=b:0'],
      /pairs of theirs=ours, such as .* is none$/,
    ],
    [
      'SCYLLA_TLS_CA',
      [aFile, scratch, '/nowhere/ca.pem'],
      /must be a file (with certificates|that can be read)/,
    ],
    ['NATS_CREDS', [aFile, '/nowhere/x'], /must be a file (with a user's JWT and seed|that can be read)/],
  ];
  for (const [name, values, must] of wrong) {
    for (const value of values) {
      const [told = '', ...more] = problems([], { ...CLUSTER, [`CARILLON_${name}`]: value });
      assert.ok(told.startsWith(`CARILLON_${name}=${JSON.stringify(value)}: must be `), told);
      assert.match(told, must);
      assert.deepEqual(more, []);
    }
  }
});

test('a wrong URL is not shown: a password may be in it', () => {
  const urls: readonly (readonly [name: string, values: readonly string[]])[] = [
    [
      'NATS_URL',
      ['nats://u:sesame@n', 'http://sesame', 'nats://n:99999', 'nats://sesame,', 'nats://a nats://b'],
    ],
    ['REDIS_URL', ['http://u:sesame@r', 'sesame', 'redis://', 'redis://r/sesame', 'redis://r:99999']],
  ];
  for (const [name, values] of urls) {
    for (const value of values) {
      const [told = '', ...more] = problems([], {
        ...CLUSTER,
        CARILLON_PRESENCE: 'redis',
        CARILLON_REDIS_URL: 'redis://r',
        [`CARILLON_${name}`]: value,
      });
      assert.match(told, new RegExp(`^CARILLON_${name}: must be (nats|redis)://host:port`), value);
      assert.ok(!told.includes('sesame'));
      assert.deepEqual(more, []);
    }
  }
});

test("the store's settings are read alone, beside those of a server", () => {
  const env = { ...CLUSTER, CARILLON_STORE: 'nonsense', CARILLON_PORT: 'x', CARILLON_SCYLA_USER: 'u' };
  const loaded = loadScylla(['--scylla-keyspace=chat'], env);
  assert.ok(loaded.ok);
  assert.deepEqual(defined(loaded.config), {
    contactPoints: ['10.0.0.1'],
    keyspace: 'chat',
    localDc: 'datacenter1',
  });
  assert.deepEqual(loaded.warnings, [
    'CARILLON_SCYLA_USER is no setting; did you mean CARILLON_SCYLLA_USER?',
  ]);
  const refused = loadScylla(['--port', '1'], { CARILLON_SCYLLA_PASSWORD: 'p' });
  assert.ok(!refused.ok);
  assert.equal(refused.problems.length, 3, refused.problems.join('\n'));
  assert.deepEqual(
    scyllaFlags().map(({ name }) => name),
    ['contact-points', 'keyspace', 'local-dc', 'user', 'password', 'tls-ca', 'address-map'].map(
      (name) => `scylla-${name}`,
    ),
  );
});
