import type { NatsOptions } from './adapters/nats/options.ts';
import type { RedisOptions } from './adapters/redis/options.ts';
import type { ScyllaOptions } from './adapters/scylla/options.ts';
import { choice, integer, optional, password, type Setting, text } from './setting.ts';
import {
  addressMap,
  certificates,
  contactPoints,
  keyspace,
  natsCredentials,
  natsServers,
  redisUrl,
  roles,
} from './setting-cluster.ts';

/** The settings that make a process part of a cluster, and what must hold between them. */

export const MODE_SETTINGS = {
  roles: roles('ROLES', 'Parts of the server that this process runs; not all is for a cluster.'),
  store: choice(
    'STORE',
    ['lmdb', 'scylla'],
    'lmdb',
    'Where messages are kept: embedded in this process, or in ScyllaDB or Cassandra.',
  ),
  bus: choice('BUS', ['memory', 'nats'], 'memory', 'How edges and sequencers talk to one another.'),
  presence: choice('PRESENCE', ['memory', 'redis'], 'memory', 'Where presence is kept for others to see.'),
};

export const SCYLLA_SETTINGS = {
  scyllaContactPoints: optional(
    contactPoints('SCYLLA_CONTACT_POINTS', 'Nodes of the store to ask first; port 9042 if none is said.'),
  ),
  scyllaKeyspace: keyspace('SCYLLA_KEYSPACE', 'carillon', 'Keyspace that holds all tables.'),
  scyllaLocalDc: text(
    'SCYLLA_LOCAL_DC',
    'datacenter1',
    'Data centre of the store that is spoken to, as the store calls it.',
  ),
  scyllaUser: optional(text('SCYLLA_USER', undefined, 'User at the store. With SCYLLA_PASSWORD.')),
  scyllaPassword: optional(password('SCYLLA_PASSWORD', 'Password of SCYLLA_USER.')),
  scyllaTlsCa: optional(
    certificates('SCYLLA_TLS_CA', 'Authorities (PEM) that sign the certificates of the store: uses TLS.'),
  ),
  scyllaAddressMap: optional(
    addressMap(
      'SCYLLA_ADDRESS_MAP',
      'Where nodes of the store are reached that tell an address of their own; for proxies.',
    ),
  ),
};

const NATS_SETTINGS = {
  natsUrl: optional(natsServers('NATS_URL', 'Servers of the bus. Those that they tell of are not used.')),
  natsUser: optional(text('NATS_USER', undefined, 'User at the bus. With NATS_PASSWORD.')),
  natsPassword: optional(password('NATS_PASSWORD', 'Password of NATS_USER.')),
  natsCreds: optional(
    natsCredentials('NATS_CREDS', "Instead of NATS_USER: a file with a user's JWT and seed."),
  ),
  natsTlsCa: optional(
    certificates('NATS_TLS_CA', 'Authorities (PEM) that sign the certificates of the bus: demands TLS.'),
  ),
};

const REDIS_SETTINGS = {
  redisUrl: optional(redisUrl('REDIS_URL', 'Server that keeps presence.')),
};

const LEASE_SETTINGS = {
  leaseTimeoutMs: integer(
    'LEASE_TIMEOUT_MS',
    1_000,
    60_000,
    '4000',
    'How long a sequencer may give no sign of life before others take over. The same on all nodes.',
  ),
};

export const CLUSTER_SETTINGS = {
  ...SCYLLA_SETTINGS,
  ...NATS_SETTINGS,
  ...REDIS_SETTINGS,
  ...LEASE_SETTINGS,
};

export type SettingValues<S> = {
  readonly [K in keyof S]: S[K] extends Setting<infer T> ? T : never;
};
type ModeValues = SettingValues<typeof MODE_SETTINGS>;
type ScyllaValues = SettingValues<typeof SCYLLA_SETTINGS>;
type ClusterValues = SettingValues<typeof CLUSTER_SETTINGS>;

/** What a process of a cluster stands on. */
export interface ClusterConfig {
  readonly scylla: ScyllaOptions;
  readonly nats: NatsOptions;
  /** undefined: presence stays in the processes. */
  readonly redis: RedisOptions | undefined;
  readonly leaseTimeoutMs: number;
}

/** `isGiven` tells, of a name, whether the user set it. A value that was wrong already is neither choice. */
export function checkCluster(
  values: ModeValues & ClusterValues,
  isGiven: (name: string) => boolean,
  problems: string[],
): void {
  const { store, bus, presence } = values;
  checkMode(values, problems);
  const unused = (
    settings: Readonly<Record<string, { readonly name: string }>>,
    why: string,
    cure: string,
  ) => {
    for (const { name } of Object.values(settings)) {
      if (isGiven(name))
        problems.push(`CARILLON_${name} is set, but ${why}; set ${cure}, or leave CARILLON_${name} out`);
    }
  };
  if (store === 'scylla') checkScylla(values, problems);
  else if (store === 'lmdb') {
    unused(SCYLLA_SETTINGS, 'CARILLON_STORE=lmdb is embedded', 'CARILLON_STORE=scylla');
    unused(LEASE_SETTINGS, 'CARILLON_STORE=lmdb has no leases', 'CARILLON_STORE=scylla');
  }
  if (bus === 'nats') checkNats(values, problems);
  else if (bus === 'memory') unused(NATS_SETTINGS, 'CARILLON_BUS=memory uses no server', 'CARILLON_BUS=nats');
  if (presence === 'redis' && values.redisUrl === undefined)
    problems.push(
      'CARILLON_PRESENCE=redis needs CARILLON_REDIS_URL: where Redis is, such as redis://10.0.0.1:6379',
    );
  if (presence === 'memory')
    unused(REDIS_SETTINGS, 'CARILLON_PRESENCE=memory uses no server', 'CARILLON_PRESENCE=redis');
}

function checkMode({ roles, store, bus, presence }: ModeValues, problems: string[]): void {
  if (store === 'scylla' && bus === 'memory')
    problems.push('CARILLON_STORE=scylla needs CARILLON_BUS=nats: the nodes of a cluster talk over it');
  if (store !== 'lmdb') return;
  const oneProcess = 'CARILLON_STORE=lmdb, the embedded store, is for one process alone';
  if (bus === 'nats') problems.push(`CARILLON_BUS=nats needs CARILLON_STORE=scylla: ${oneProcess}`);
  if (presence === 'redis')
    problems.push(`CARILLON_PRESENCE=redis needs CARILLON_STORE=scylla and CARILLON_BUS=nats: ${oneProcess}`);
  if (roles.edge !== roles.sequencer) {
    const role = roles.edge ? 'edge' : 'sequencer';
    problems.push(
      `CARILLON_ROLES=${role} needs CARILLON_STORE=scylla and CARILLON_BUS=nats: ${oneProcess}; or set CARILLON_ROLES=all`,
    );
  }
}

export function checkScylla(values: ScyllaValues, problems: string[]): void {
  if (values.scyllaContactPoints === undefined)
    problems.push(
      'CARILLON_SCYLLA_CONTACT_POINTS is missing: name one or more nodes of the store, such as 10.0.0.1,10.0.0.2',
    );
  checkLogin('SCYLLA', values.scyllaUser, values.scyllaPassword, problems);
}

function checkNats(values: ClusterValues, problems: string[]): void {
  const { natsUrl, natsUser, natsPassword, natsCreds } = values;
  if (natsUrl === undefined)
    problems.push(
      'CARILLON_NATS_URL is missing: name one or more servers of the bus, such as nats://10.0.0.1:4222',
    );
  if (natsCreds === undefined) checkLogin('NATS', natsUser, natsPassword, problems);
  else if (natsUser !== undefined || natsPassword !== undefined)
    problems.push(
      'CARILLON_NATS_CREDS names its user itself: leave CARILLON_NATS_USER and CARILLON_NATS_PASSWORD out, or it',
    );
}

function checkLogin(
  of: string,
  user: string | undefined,
  secret: string | undefined,
  problems: string[],
): void {
  if ((user === undefined) !== (secret === undefined))
    problems.push(`CARILLON_${of}_USER and CARILLON_${of}_PASSWORD go together: set both or neither`);
}

/** Of values that passed checkCluster; undefined: embedded. */
export function composeCluster(values: ModeValues & ClusterValues): ClusterConfig | undefined {
  if (values.store !== 'scylla') return undefined;
  const { natsUrl, natsUser, natsPassword, natsCreds, natsTlsCa, presence, redisUrl, leaseTimeoutMs } =
    values;
  if (natsUrl === undefined) throw new Error('checkNats lets no bus without servers pass');
  return {
    scylla: composeScylla(values),
    nats: {
      servers: natsUrl,
      user: natsUser,
      password: natsPassword,
      credentials: natsCreds,
      tlsCa: natsTlsCa,
    },
    redis: presence === 'redis' && redisUrl !== undefined ? { url: redisUrl } : undefined,
    leaseTimeoutMs,
  };
}

export function composeScylla(values: ScyllaValues): ScyllaOptions {
  const contactPoints = values.scyllaContactPoints;
  if (contactPoints === undefined) throw new Error('checkScylla lets no store without contact points pass');
  return {
    contactPoints,
    keyspace: values.scyllaKeyspace,
    localDc: values.scyllaLocalDc,
    user: values.scyllaUser,
    password: values.scyllaPassword,
    tlsCa: values.scyllaTlsCa,
    addressMap: values.scyllaAddressMap,
  };
}
