/** The real services that a bench of the cluster stands on. */
import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { type CassandraCluster, givenCassandra, startCassandra } from '../test/services/cassandra.ts';
import { CACHE_DIR } from '../test/services/cache.ts';
import { startNats } from '../test/services/nats.ts';
import { startRedis } from '../test/services/redis.ts';
import { hasTool } from '../test/services/service-process.ts';
import { connectScylla, migrate } from '../test/support/scylla.ts';
import type { AppendPlan, ServerProcess } from './plan.ts';
import type { Progress } from './scenarios/load.ts';

/** What the environment may name, to be used instead of our own. */
const GIVEN = {
  cassandra: 'CARILLON_TEST_CASSANDRA',
  nats: 'CARILLON_TEST_NATS',
  redis: 'CARILLON_TEST_REDIS',
} as const;

function given(name: string): string {
  return (process.env[name] ?? '').trim();
}

/** Why there can be no cluster here; undefined if there can. */
export function clusterLacks(): string | undefined {
  const needs: readonly [variable: string, tools: readonly string[]][] = [
    [GIVEN.cassandra, existsSync(CACHE_DIR) ? ['java'] : ['java', 'mvn']],
    [GIVEN.nats, existsSync(CACHE_DIR) ? [] : ['go']],
    [GIVEN.redis, hasTool('apt-get') ? [] : ['redis-server']],
  ];
  const missing = needs.flatMap(([variable, tools]) =>
    given(variable) === '' ? tools.filter((tool) => !hasTool(tool)) : [],
  );
  return missing.length === 0 ? undefined : `needs ${missing.join(' and ')}`;
}

/**
 * Starts Cassandra, as it is compiled for a long life, NATS and Redis, and ends them after `work`. The environment
 * names them meanwhile, which is where a stack looks. Those that it named before are used, and no process of them
 * is known.
 */
export async function withServices<T>(
  storeNodes: 1 | 3,
  progress: Progress,
  work: (processes: readonly ServerProcess[]) => Promise<T>,
): Promise<T> {
  const processes: ServerProcess[] = [];
  const stops: (() => Promise<unknown>)[] = [];
  const use = (variable: string, address: string, stop: () => Promise<unknown>): void => {
    process.env[variable] = address;
    stops.push(async () => {
      delete process.env[variable];
      await stop();
    });
  };
  progress('starting Cassandra, NATS and Redis');
  try {
    if (given(GIVEN.cassandra) === '') {
      const cassandra = await startCassandra({ nodes: storeNodes, longLived: true });
      use(GIVEN.cassandra, cassandra.contactPoints.join(','), () => cassandra.stop());
      processes.push(...storeProcesses(cassandra));
    }
    if (given(GIVEN.nats) === '') {
      const nats = await startNats();
      use(GIVEN.nats, nats.urls.join(','), () => nats.stop());
      for (const node of nats.nodes) processes.push({ name: 'NATS', pid: node.process.pid });
    }
    if (given(GIVEN.redis) === '') {
      const redis = await startRedis();
      use(GIVEN.redis, redis.url, () => redis.stop());
      processes.push({ name: 'Redis', pid: redis.process.pid });
    }
    return await work(processes);
  } finally {
    for (const stop of stops) await stop();
  }
}

/** Cassandra alone, with a keyspace per name that has the schema; all of it is gone after `work`. */
export async function withStore<T>(
  storeNodes: 1 | 3,
  names: readonly string[],
  progress: Progress,
  work: (stores: readonly AppendPlan['store'][]) => Promise<T>,
): Promise<T> {
  const address = given(GIVEN.cassandra);
  progress(address === '' ? 'starting Cassandra' : `using Cassandra at ${address}`);
  const cassandra =
    address === ''
      ? await startCassandra({ nodes: storeNodes, longLived: true })
      : await givenCassandra(address.split(','));
  const { contactPoints, localDc } = cassandra;
  const run = randomBytes(6).toString('hex');
  const processes = storeProcesses(cassandra);
  const stores = names.map((name) => ({
    contactPoints,
    localDc,
    keyspace: `bench_${name}_${run}`,
    processes,
  }));
  try {
    for (const store of stores) {
      progress(`applying the schema to ${store.keyspace}`);
      await migrate(store, storeNodes);
    }
    return await work(stores);
  } finally {
    if (processes.length === 0) for (const store of stores) await dropKeyspace(store);
    await cassandra.stop();
  }
}

function storeProcesses({ nodes }: CassandraCluster): ServerProcess[] {
  return nodes.map((node, i) => ({
    name: nodes.length === 1 ? 'Cassandra' : `Cassandra ${i + 1}`,
    pid: node.process.pid,
    java: true,
  }));
}

async function dropKeyspace(store: AppendPlan['store']): Promise<void> {
  const client = await connectScylla(store);
  await client.driver.execute(`DROP KEYSPACE IF EXISTS ${store.keyspace}`, [], { readTimeout: 30_000 });
  await client.close();
}
