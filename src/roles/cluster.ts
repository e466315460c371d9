import { MemoryPresence } from '../adapters/memory/presence.ts';
import { NatsBus } from '../adapters/nats/bus.ts';
import { RedisLink } from '../adapters/redis/link.ts';
import { RedisPresence } from '../adapters/redis/presence.ts';
import { schemaStatus } from '../adapters/scylla/migrate.ts';
import { openScyllaStore, type ScyllaStore } from '../adapters/scylla/store.ts';
import type { ClusterConfig } from '../config.ts';
import { askPatiently } from '../core/patience.ts';
import type { Presence } from '../core/presence-port.ts';
import type { Component } from '../lifecycle.ts';
import { EdgeRole } from './edge-role.ts';
import { SequencerRole } from './sequencer-role.ts';
import { AdminPort, MainPort } from './sockets.ts';
import { type EdgeFiles, httpOptions, type Roles, type Surroundings } from './surroundings.ts';

const LEASE_STATEMENT_MS_MAX = 1_000;

/** One process of several: an edge, a sequencer, or both beside one another. */
export async function clusterRoles(
  surroundings: Surroundings,
  files: EdgeFiles,
  cluster: ClusterConfig,
): Promise<Roles> {
  const { config, system, logger, metrics } = surroundings;
  const { leaseTimeoutMs } = cluster;
  const store = await openStore(surroundings, cluster);
  const components: Component[] = [storeComponent(store)];
  const natsMetrics = metrics.nats();
  const openBus = (name: string): NatsBus => {
    const bus = new NatsBus({ ...cluster.nats, name: `carillon-${name}` }, system, logger, natsMetrics);
    natsMetrics.watch(bus);
    return bus;
  };

  let sequencer: SequencerRole | undefined;
  if (config.roles.sequencer) {
    const addr = config.adminPort === undefined ? '' : `http://${config.host}:${config.adminPort}`;
    sequencer = new SequencerRole(surroundings, { store, bus: openBus('sequencer'), leaseTimeoutMs, addr });
    components.push(sequencer);
  }
  const node = (): string | null => sequencer?.node ?? edge?.id ?? null;
  let edge: EdgeRole | undefined;
  let main: MainPort | undefined;
  let presence: Presence | undefined;
  if (config.roles.edge) {
    const redis = openPresence(surroundings, cluster);
    presence = redis.presence;
    edge = new EdgeRole(surroundings, { files, store, bus: openBus('edge'), presence, leaseTimeoutMs });
    main = new MainPort(config, edge.edge, logger, httpOptions(surroundings, files.files, node, presence));
    components.push(...redis.components, edge);
  }
  const ring = sequencer?.ringControl ?? edge?.ringControl;
  const admin = new AdminPort(config, logger, httpOptions(surroundings, files.files, node, presence, ring));
  components.push(admin, ...(main === undefined ? [] : [main]));
  return { components, url: () => main?.url ?? admin.url };
}

async function openStore(
  { system, logger, metrics }: Surroundings,
  { scylla, leaseTimeoutMs }: ClusterConfig,
): Promise<ScyllaStore> {
  // A lease statement must have failed well before the node would be taken for dead.
  const options = { ...scylla, leaseTimeoutMs: Math.min(LEASE_STATEMENT_MS_MAX, leaseTimeoutMs / 4) };
  const scyllaMetrics = metrics.scylla();
  const store = await openScyllaStore(options, { system, logger, metrics: scyllaMetrics });
  scyllaMetrics.watch(store.client);
  const status = await askPatiently(() => schemaStatus(store.client), system, logger);
  if (status.state === 'current' || status.state === 'ahead') return store;
  await store.close();
  throw new Error(
    `the schema of the keyspace ${scylla.keyspace} is ${status.state} (version ${status.version} of ${status.latest}): run \`carillon schema apply\``,
  );
}

function storeComponent(store: ScyllaStore): Component {
  return {
    name: 'store',
    stop: () => store.close(),
    unready: () => (store.client.nodesUp === 0 ? 'no store node answers' : undefined),
  };
}

/** A lost Redis is no reason to be unready: nothing but presence is there. */
function openPresence(
  { system, logger, metrics }: Surroundings,
  { redis }: ClusterConfig,
): { presence: Presence; components: Component[] } {
  if (redis === undefined) return { presence: new MemoryPresence(system), components: [] };
  const redisMetrics = metrics.redis();
  const link = new RedisLink(redis, system, logger, redisMetrics);
  redisMetrics.watch(link);
  return {
    presence: new RedisPresence(link, system),
    components: [{ name: 'presence', stop: () => link.close() }],
  };
}
