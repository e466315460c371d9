/** The services that the test files of one run share; what kills or slows a service starts one of its own. */
import { startCassandra } from './cassandra.ts';
import { startNats } from './nats.ts';
import { startRedis } from './redis.ts';

export interface SharedServices {
  /** CARILLON_TEST_* variables that name them. */
  readonly env: Readonly<Record<string, string>>;
  stop(): Promise<void>;
}

interface Shared {
  readonly variable: string;
  readonly start: () => Promise<{ readonly address: string; stop(): Promise<unknown> }>;
}

const SERVICES: readonly Shared[] = [
  {
    variable: 'CARILLON_TEST_CASSANDRA',
    start: async () => {
      const cassandra = await startCassandra();
      const [node] = cassandra.nodes;
      return { address: `${node?.host}:${node?.port}`, stop: () => cassandra.stop() };
    },
  },
  {
    variable: 'CARILLON_TEST_NATS',
    start: async () => {
      const nats = await startNats();
      return { address: nats.urls.join(','), stop: () => nats.stop() };
    },
  },
  {
    variable: 'CARILLON_TEST_REDIS',
    start: async () => {
      const redis = await startRedis();
      return { address: redis.url, stop: () => redis.stop() };
    },
  },
];

/** Starts those that the environment does not name already. */
export async function startShared(): Promise<SharedServices> {
  const wanted = SERVICES.filter(({ variable }) => (process.env[variable] ?? '') === '');
  const started = await Promise.all(
    wanted.map(async ({ variable, start }) => ({ variable, ...(await start()) })),
  );
  return {
    env: Object.fromEntries(started.map(({ variable, address }) => [variable, address])),
    async stop() {
      await Promise.all(started.map((service) => service.stop()));
    },
  };
}
