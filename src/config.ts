import type { ScyllaOptions } from './adapters/scylla/options.ts';
import {
  CLUSTER_SETTINGS,
  type ClusterConfig,
  checkCluster,
  checkScylla,
  composeCluster,
  composeScylla,
  MODE_SETTINGS,
  SCYLLA_SETTINGS,
  type SettingValues,
} from './config-cluster.ts';
import {
  adminToken,
  choice,
  file,
  flag,
  integer,
  jwksUrl,
  LOOPBACK_HOST,
  nearest,
  optional,
  origins,
  type Setting,
  SWITCH,
  text,
} from './setting.ts';

/** Every setting: one table gives the flags, the variables, the checks and the help. */

const PREFIX = 'CARILLON_';

const SETTINGS = {
  host: text('HOST', '127.0.0.1', 'Address to listen on.'),
  port: integer(
    'PORT',
    0,
    65_535,
    '8080',
    'Port of sockets, HTTP and the page; 0 picks a free one. A sequencer alone has none.',
  ),
  adminPort: optional(
    integer(
      'ADMIN_PORT',
      0,
      65_535,
      undefined,
      'Port of /metrics, /healthz, /readyz and /ring alone. Off if not set.',
    ),
  ),
  adminToken: optional(
    adminToken(
      'ADMIN_TOKEN',
      'Lets whoever gives it ask /ring on the admin port. Not set: this machine alone.',
    ),
  ),
  dataDir: text('DATA_DIR', './data', 'Directory of the embedded store; made if missing.'),
  ...MODE_SETTINGS,
  auth: choice(
    'AUTH',
    ['dev', 'jwt'],
    'dev',
    'How users prove who they are. dev takes the token dev:<user> of anyone, so only on loopback.',
  ),
  jwtKey: optional(
    file('JWT_KEY', 'Key that checks JWTs: a PEM public key, a JWK, or a shared secret of 32 bytes or more.'),
  ),
  jwtJwksUrl: optional(jwksUrl('JWT_JWKS_URL', 'Instead of JWT_KEY: where the issuer publishes its keys.')),
  jwtIssuer: optional(text('JWT_ISSUER', undefined, 'The `iss` that JWTs must carry.')),
  jwtAudience: optional(text('JWT_AUDIENCE', undefined, 'The `aud` that JWTs must carry.')),
  tlsCert: optional(file('TLS_CERT', 'Certificate chain (PEM): serves https and wss. With TLS_KEY.')),
  tlsKey: optional(file('TLS_KEY', 'Private key (PEM) of TLS_CERT.')),
  trustProxy: flag(
    'TRUST_PROXY',
    'false',
    'Take the client address from X-Forwarded-For, as set by a proxy in front.',
  ),
  origins: optional(
    origins(
      'ORIGINS',
      'Web origins whose pages may connect, separated by commas; * for all (jwt only). Not set: the own page alone.',
    ),
  ),
  sockets: choice(
    'SOCKETS',
    ['auto', 'uws', 'ws'],
    'auto',
    'WebSocket library; auto is uws where its binary loads, else ws.',
  ),
  sendsPerSecond: integer(
    'SENDS_PER_SECOND',
    1,
    1_000_000,
    '1000',
    'Sends per second that a user may keep up.',
  ),
  sendBurst: integer('SEND_BURST', 1, 10_000_000, '2000', 'Sends that a user may make at once.'),
  connectionsMax: integer(
    'CONNECTIONS_MAX',
    1,
    10_000_000,
    '100000',
    'Open sockets; more are refused with 503.',
  ),
  connectionsPerAddressMax: integer(
    'CONNECTIONS_PER_ADDRESS_MAX',
    1,
    10_000_000,
    '10000',
    'Open sockets of one client address (IPv6: one /64); this machine itself is exempt.',
  ),
  logLevel: choice(
    'LOG_LEVEL',
    ['trace', 'debug', 'info', 'warn', 'error', 'silent'],
    'info',
    'The least that is logged.',
  ),
  logFormat: choice('LOG_FORMAT', ['auto', 'json', 'text'], 'auto', 'auto is text on a terminal, else json.'),
  ...CLUSTER_SETTINGS,
};

type Table = Readonly<Record<string, Setting<unknown>>>;
type Values = SettingValues<typeof SETTINGS>;

/** Of the tests and the bench, not of the server. */
const ELSEWHERE = [
  'REQUIRE_SERVICES',
  'TEST_CASSANDRA',
  'TEST_NATS',
  'TEST_REDIS',
  'FUZZ_FRAMES',
  'FUZZ_SEED',
];

export type AuthConfig =
  | { readonly kind: 'dev' }
  | {
      readonly kind: 'jwt';
      readonly keys: { readonly file: string } | { readonly jwksUrl: string };
      readonly issuer: string;
      readonly audience: string;
    };

type Composed =
  | 'auth'
  | 'jwtKey'
  | 'jwtJwksUrl'
  | 'jwtIssuer'
  | 'jwtAudience'
  | 'tlsCert'
  | 'tlsKey'
  | Exclude<keyof typeof MODE_SETTINGS, 'roles'>
  | keyof typeof CLUSTER_SETTINGS;

export interface Config extends Readonly<Omit<Values, Composed>> {
  readonly auth: AuthConfig;
  readonly tls: { readonly certFile: string; readonly keyFile: string } | undefined;
  /** undefined: embedded, all in one process. */
  readonly cluster: ClusterConfig | undefined;
}

export type Loaded<T> =
  | { readonly ok: true; readonly config: T; readonly warnings: readonly string[] }
  | { readonly ok: false; readonly problems: readonly string[]; readonly warnings: readonly string[] };

export type LoadedConfig = Loaded<Config>;

export type { ClusterConfig } from './config-cluster.ts';

type Environment = Readonly<Record<string, string | undefined>>;

interface Given {
  /** As the user wrote its name. */
  readonly label: string;
  readonly text: string;
}

/**
 * Reads the settings from flags (`--data-dir X`, `--data-dir=X`; a switch alone is true), else from
 * CARILLON_* variables (an empty one counts as not set). All problems are told at once.
 */
export function loadConfig(args: readonly string[], env: Environment): LoadedConfig {
  const { values, isGiven, problems, warnings } = read<Values>(SETTINGS, args, env);
  checkAuth(values, problems, warnings);
  checkPorts(values, problems, warnings);
  checkCluster(values, isGiven, problems);
  if (problems.length > 0) return { ok: false, problems, warnings };
  return { ok: true, config: compose(values), warnings };
}

/** Reads in the same way what is set of the cluster's store alone, for what works on it without a server. */
export function loadScylla(args: readonly string[], env: Environment): Loaded<ScyllaOptions> {
  const { values, problems, warnings } = read<SettingValues<typeof SCYLLA_SETTINGS>>(
    SCYLLA_SETTINGS,
    args,
    env,
  );
  checkScylla(values, problems);
  if (problems.length > 0) return { ok: false, problems, warnings };
  return { ok: true, config: composeScylla(values), warnings };
}

/** The settings for people, two lines each. */
export function settingsHelp(): string {
  const left = (setting: Setting<unknown>): string => `  ${flagOf(setting.name)} <${setting.type}>`;
  const settings: readonly Setting<unknown>[] = Object.values(SETTINGS);
  const width = Math.max(...settings.map((setting) => left(setting).length)) + 2;
  const lines = settings.map((setting) => {
    const fallback = setting.default === undefined ? 'not set' : setting.default;
    return `${left(setting).padEnd(width)}${PREFIX}${setting.name} (${fallback})\n      ${setting.help}`;
  });
  return lines.join('\n');
}

/** A setting as a flag of the command line. */
export interface SettingFlag {
  /** Without the dashes. */
  readonly name: string;
  readonly value: string;
  readonly help: string;
}

/** The flags that loadScylla takes. */
export function scyllaFlags(): readonly SettingFlag[] {
  return Object.values(SCYLLA_SETTINGS).map(({ name, type, help }) => ({
    name: flagOf(name).slice(2),
    value: type,
    help: `${help} (${PREFIX}${name})`,
  }));
}

interface Reading<V> {
  /** A wrong value is there as the text that it is, so that what is wrong beside it is told too. */
  readonly values: V;
  readonly isGiven: (name: string) => boolean;
  readonly problems: string[];
  readonly warnings: string[];
}

function read<V>(table: Table, args: readonly string[], env: Environment): Reading<V> {
  const problems: string[] = [];
  const warnings: string[] = [];
  const given = new Map<string, Given>();
  readVariables(table, env, given, warnings);
  readFlags(table, args, given, problems);
  const values: Record<string, unknown> = {};
  for (const [key, setting] of Object.entries(table)) {
    const { label, text } = given.get(setting.name) ?? {
      label: PREFIX + setting.name,
      text: setting.default,
    };
    if (text === undefined) continue;
    const parsed = setting.parse(text);
    if ('must' in parsed) {
      const shown = setting.secret ? label : `${label}=${JSON.stringify(text)}`;
      problems.push(`${shown}: must be ${parsed.must}`);
    }
    values[key] = 'value' in parsed ? parsed.value : text;
  }
  return { values: values as V, isGiven: (name) => given.has(name), problems, warnings };
}

function readVariables(table: Table, env: Environment, given: Map<string, Given>, warnings: string[]): void {
  const names = Object.values(table).map((setting) => setting.name);
  const all = Object.values(SETTINGS).map((setting) => setting.name);
  for (const [variable, text] of Object.entries(env)) {
    if (!variable.startsWith(PREFIX) || text === undefined || text === '') continue;
    const name = variable.slice(PREFIX.length);
    if (names.includes(name)) given.set(name, { label: variable, text });
    else if (!all.includes(name) && !ELSEWHERE.includes(name))
      warnings.push(`${variable} is no setting; did you mean ${PREFIX}${nearest(name, names)}?`);
  }
}

function readFlags(
  table: Table,
  args: readonly string[],
  given: Map<string, Given>,
  problems: string[],
): void {
  const settings = Object.values(table);
  for (let i = 0; i < args.length; i++) {
    const argument = args[i] as string;
    if (!argument.startsWith('--')) {
      problems.push(`${argument}: settings are given as --name value`);
      continue;
    }
    const equals = argument.indexOf('=');
    const label = equals < 0 ? argument : argument.slice(0, equals);
    const setting = settings.find(({ name }) => flagOf(name) === label);
    if (setting === undefined) {
      problems.push(
        `${label} is no setting; did you mean ${nearest(
          label,
          settings.map(({ name }) => flagOf(name)),
        )}?`,
      );
      // Its value, if any, is no mistake of its own.
      if (equals < 0 && args[i + 1]?.startsWith('--') === false) i++;
      continue;
    }
    let text = equals < 0 ? undefined : argument.slice(equals + 1);
    if (text === undefined && args[i + 1]?.startsWith('--') === false) text = args[++i];
    if (text === undefined && setting.type === SWITCH) text = 'true';
    if (text === undefined) problems.push(`${label}: a value is missing`);
    else given.set(setting.name, { label, text });
  }
}

function checkAuth(values: Values, problems: string[], warnings: string[]): void {
  const { auth, host, jwtKey, jwtJwksUrl, jwtIssuer, jwtAudience } = values;
  if (auth === 'dev') {
    if (!LOOPBACK_HOST.test(host)) {
      problems.push(
        'CARILLON_AUTH=dev lets anyone be anybody, so CARILLON_HOST must be a loopback address ' +
          `(127.0.0.1, ::1, localhost), not ${host}; to be reached from elsewhere, set CARILLON_AUTH=jwt`,
      );
    }
    for (const [name, value] of Object.entries({ JWT_KEY: jwtKey, JWT_JWKS_URL: jwtJwksUrl })) {
      if (value === undefined) continue;
      problems.push(
        `CARILLON_${name} is set, but CARILLON_AUTH=dev checks no key; set CARILLON_AUTH=jwt, or leave the key out`,
      );
    }
    if (values.origins?.includes('*')) {
      problems.push(
        'CARILLON_ORIGINS=* would open a CARILLON_AUTH=dev server to every web page; name the origins',
      );
    }
    if (values.trustProxy === true) {
      warnings.push('CARILLON_TRUST_PROXY with CARILLON_AUTH=dev: whoever reaches the proxy can be anybody');
    }
  } else if (auth === 'jwt') {
    if ((jwtKey === undefined) === (jwtJwksUrl === undefined)) {
      problems.push(
        'CARILLON_AUTH=jwt needs one of CARILLON_JWT_KEY (a file) and CARILLON_JWT_JWKS_URL, not both',
      );
    }
    if (jwtIssuer === undefined)
      problems.push('CARILLON_AUTH=jwt needs CARILLON_JWT_ISSUER: the `iss` of your tokens');
    if (jwtAudience === undefined)
      problems.push('CARILLON_AUTH=jwt needs CARILLON_JWT_AUDIENCE: the `aud` of your tokens');
  }
}

function checkPorts(values: Values, problems: string[], warnings: string[]): void {
  const { tlsCert, tlsKey, port, adminPort, roles } = values;
  if ((tlsCert === undefined) !== (tlsKey === undefined)) {
    problems.push('CARILLON_TLS_CERT and CARILLON_TLS_KEY go together: set both or neither');
  }
  const sequencerAlone = roles.sequencer && !roles.edge;
  if (adminPort === port && port !== 0 && !sequencerAlone)
    problems.push(`CARILLON_ADMIN_PORT must differ from CARILLON_PORT (${port})`);
  if (adminPort === undefined && sequencerAlone)
    warnings.push('without CARILLON_ADMIN_PORT a sequencer alone has no /readyz, /healthz and /metrics');
}

function compose(values: Values): Config {
  const { auth, jwtKey, jwtJwksUrl, jwtIssuer, jwtAudience, tlsCert, tlsKey } = values;
  return {
    ...plain(values),
    auth: auth === 'dev' ? { kind: 'dev' } : jwtConfig(jwtKey, jwtJwksUrl, jwtIssuer, jwtAudience),
    tls: tlsCert !== undefined && tlsKey !== undefined ? { certFile: tlsCert, keyFile: tlsKey } : undefined,
    cluster: composeCluster(values),
  };
}

/** What is in the config as it was read. */
function plain(values: Values): Omit<Values, Composed> {
  const { host, port, adminPort, adminToken: token, dataDir, roles, trustProxy, origins } = values;
  const { sockets, logLevel, logFormat } = values;
  const { sendsPerSecond, sendBurst, connectionsMax, connectionsPerAddressMax } = values;
  return {
    ...{ host, port, adminPort, adminToken: token, dataDir, roles, trustProxy, origins },
    ...{ sockets, logLevel, logFormat },
    ...{ sendsPerSecond, sendBurst, connectionsMax, connectionsPerAddressMax },
  };
}

function jwtConfig(file?: string, jwksUrl?: string, issuer?: string, audience?: string): AuthConfig {
  if (issuer === undefined || audience === undefined)
    throw new Error('checkAuth lets no jwt without them pass');
  if (file !== undefined) return { kind: 'jwt', keys: { file }, issuer, audience };
  if (jwksUrl !== undefined) return { kind: 'jwt', keys: { jwksUrl }, issuer, audience };
  throw new Error('checkAuth lets no jwt without a key pass');
}

function flagOf(name: string): string {
  return `--${name.toLowerCase().replaceAll('_', '-')}`;
}
