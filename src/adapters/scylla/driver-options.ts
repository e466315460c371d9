import { auth, type ClientOptions, type DseClientOptions, policies } from 'cassandra-driver';
import { checkKeyspace, DEFAULTS, type ScyllaOptions } from './options.ts';
import { LeasesTwice, MappedAddresses } from './policies.ts';

const RECONNECT_FIRST_MS = 250;
const RECONNECT_MAX_MS = 1_000;
/** An idle connection is asked for a sign of life: a silently cut one is found before it is needed. */
const HEARTBEAT_MS = 5_000;
const CONNECT_MS_MAX = 5_000;

/** The driver's own options. No keyspace: statements name it, and so no connection ever has to change to it. */
export function driverOptions(options: ScyllaOptions): DseClientOptions {
  checkKeyspace(options.keyspace);
  const { user, password, tlsCa, addressMap } = options;
  return {
    contactPoints: [...options.contactPoints],
    localDataCenter: options.localDc,
    applicationName: 'carillon',
    monitorReporting: { enabled: false },
    policies: {
      reconnection: new policies.reconnection.ExponentialReconnectionPolicy(
        RECONNECT_FIRST_MS,
        RECONNECT_MAX_MS,
        false,
      ),
      speculativeExecution: new LeasesTwice(options.leaseTimeoutMs ?? DEFAULTS.leaseTimeoutMs),
      ...(addressMap !== undefined && { addressResolution: new MappedAddresses(addressMap) }),
    },
    pooling: {
      heartBeatInterval: HEARTBEAT_MS,
      maxRequestsPerConnection: options.requestsMax ?? DEFAULTS.requestsMax,
    },
    socketOptions: {
      connectTimeout: CONNECT_MS_MAX,
      readTimeout: options.readTimeoutMs ?? DEFAULTS.readTimeoutMs,
      tcpNoDelay: true,
    },
    ...(user !== undefined && {
      authProvider: new auth.PlainTextAuthProvider(user, password ?? ''),
    }),
    // The driver would accept any certificate by default.
    ...(tlsCa !== undefined && { sslOptions: { ca: [tlsCa], rejectUnauthorized: true } }),
  } satisfies ClientOptions & DseClientOptions;
}
