import { type CassandraCluster, givenCassandra, startCassandra } from './cassandra.ts';
import { givenNats, type NatsCluster, startNats } from './nats.ts';
import { givenRedis, type RedisServer, startRedis } from './redis.ts';

/** What the nodes stand on. */
export interface Services {
  readonly cassandra: CassandraCluster;
  readonly nats: NatsCluster;
  readonly redis: RedisServer;
}

export interface ServicesOptions {
  readonly storeNodes: 1 | 3;
  readonly natsNodes: 1 | 3;
  /** Megabytes of heap per node of Cassandra. */
  readonly heapMb?: number;
  /** Cassandra as CassandraOptions have it. */
  readonly longLived?: boolean;
  /** Start them even where the environment names some: for those who kill them. */
  readonly own: boolean;
  readonly progress: (line: string) => void;
}

/**
 * Starts all three side by side; where one fails, the others are stopped again. Those that the environment names
 * (CARILLON_TEST_CASSANDRA, _NATS, _REDIS: host:port or URLs, separated by commas) are used instead.
 */
export async function startServices(options: ServicesOptions): Promise<Services> {
  const { storeNodes, natsNodes, heapMb, longLived = false, own, progress } = options;
  const given = (name: string): string[] =>
    own ? [] : (process.env[`CARILLON_TEST_${name}`] ?? '').split(',').filter((each) => each.trim() !== '');
  const timed = async <T>(what: string, start: () => T | Promise<T>): Promise<T> => {
    progress(`${what}: starting`);
    const startedAt = performance.now();
    const service = await start();
    progress(`${what}: ready after ${((performance.now() - startedAt) / 1_000).toFixed(1)} s`);
    return service;
  };
  const [contactPoints, urls, [redisUrl]] = [given('CASSANDRA'), given('NATS'), given('REDIS')];
  const starting = [
    timed(named('Cassandra', storeNodes, contactPoints), () =>
      contactPoints.length > 0
        ? givenCassandra(contactPoints)
        : startCassandra({ nodes: storeNodes, longLived, ...(heapMb !== undefined && { heapMb }) }),
    ),
    timed(named('NATS', natsNodes, urls), () => (urls.length > 0 ? givenNats(urls) : startNats(natsNodes))),
    timed(named('Redis', 1, redisUrl === undefined ? [] : [redisUrl]), () =>
      redisUrl === undefined ? startRedis() : givenRedis(redisUrl),
    ),
  ] as const;
  try {
    const [cassandra, nats, redis] = await Promise.all(starting);
    return { cassandra, nats, redis };
  } catch (error) {
    const outcomes = await Promise.allSettled(starting);
    const started = outcomes.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
    await Promise.all(started.map((service) => service.stop()));
    throw error;
  }
}

function named(name: string, nodes: number, given: readonly string[]): string {
  if (given.length > 0) return `${name} at ${given.join(', ')}`;
  return nodes === 1 ? name : `${name}, ${nodes} nodes`;
}

export async function stopServices({ cassandra, nats, redis }: Services): Promise<void> {
  await Promise.all([cassandra.stop(), nats.stop(), redis.stop()]);
}

/** pid: null of a service that was given. */
export interface ServiceAddress {
  readonly address: string;
  readonly pid: number | null;
}

/** By name, as `npm run stack` tells them: nats, or nats1, nats2, nats3. */
export function describeServices({ cassandra, nats, redis }: Services): Record<string, ServiceAddress> {
  const given = (address: string): ServiceAddress => ({ address, pid: null });
  const stores = cassandra.nodes.map(({ host, port, process }) => ({
    address: `${host}:${port}`,
    pid: process.pid,
  }));
  const buses = nats.nodes.map(({ url, process }) => ({ address: url, pid: process.pid }));
  return {
    ...numbered('cassandra', stores.length > 0 ? stores : cassandra.contactPoints.map(given)),
    ...numbered('nats', buses.length > 0 ? buses : nats.urls.map(given)),
    redis: { address: redis.url, pid: redis.process?.pid ?? null },
  };
}

function numbered(name: string, all: readonly ServiceAddress[]): Record<string, ServiceAddress> {
  return Object.fromEntries(all.map((one, i) => [all.length === 1 ? name : `${name}${i + 1}`, one]));
}
