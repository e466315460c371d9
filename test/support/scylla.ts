import { randomBytes } from 'node:crypto';
import { Client, policies } from 'cassandra-driver';
import { ScyllaClient } from '../../src/adapters/scylla/client.ts';
import { applySchema } from '../../src/adapters/scylla/migrate.ts';
import type { ScyllaMetrics } from '../../src/adapters/scylla/metrics.ts';
import type { ScyllaOptions } from '../../src/adapters/scylla/options.ts';
import { openScyllaStore, type ScyllaStore } from '../../src/adapters/scylla/store.ts';
import { realSystem } from '../../src/adapters/system.ts';
import { silent } from '../contract/store-fixtures.ts';
import { startCassandra } from '../services/cassandra.ts';
import { hasTool } from '../services/service-process.ts';

/** Why tests on Cassandra can't run here; undefined if they can, or must. */
export function cassandraMissing(): string | undefined {
  if (process.env.CARILLON_REQUIRE_SERVICES === '1' || process.env.CARILLON_TEST_CASSANDRA) return undefined;
  const tools = ['java', 'mvn'].filter((tool) => !hasTool(tool));
  return tools.length === 0
    ? undefined
    : `needs ${tools.join(' and ')}, or CARILLON_TEST_CASSANDRA=host:port`;
}

/** A cluster to test on, and a keyspace of this process's own in it. */
export interface TestCassandra {
  readonly options: ScyllaOptions;
  /** Stops the cluster if it was started for it, else drops the keyspace. */
  stop(): Promise<void>;
}

/** Starts a node, or uses CARILLON_TEST_CASSANDRA; the schema is not applied. */
export async function testCassandra(): Promise<TestCassandra> {
  const keyspace = `test_${randomBytes(6).toString('hex')}`;
  const given = process.env.CARILLON_TEST_CASSANDRA;
  if (given) {
    const options = { contactPoints: [given], keyspace, localDc: await dataCentreOf(given) };
    return {
      options,
      async stop() {
        const client = await connectScylla(options);
        await client.driver.execute(`DROP KEYSPACE IF EXISTS ${keyspace}`, [], { readTimeout: 30_000 });
        await client.close();
      },
    };
  }
  const cluster = await startCassandra();
  return {
    options: { contactPoints: cluster.contactPoints, keyspace, localDc: cluster.localDc },
    stop: () => cluster.stop(),
  };
}

export function connectScylla(options: ScyllaOptions, metrics?: ScyllaMetrics): Promise<ScyllaClient> {
  return ScyllaClient.connect(options, surroundings(metrics));
}

export function openScylla(options: ScyllaOptions, metrics?: ScyllaMetrics): Promise<ScyllaStore> {
  return openScyllaStore(options, surroundings(metrics));
}

export async function migrate(options: ScyllaOptions, replicationFactor = 1): Promise<void> {
  const client = await connectScylla(options);
  await applySchema(client, { replicationFactor, system: realSystem() });
  await client.close();
}

function surroundings(metrics: ScyllaMetrics | undefined) {
  return { system: realSystem(), logger: silent, ...(metrics && { metrics }) };
}

async function dataCentreOf(contactPoint: string): Promise<string> {
  const client = new Client({
    contactPoints: [contactPoint],
    policies: { loadBalancing: new policies.loadBalancing.RoundRobinPolicy() },
  });
  try {
    const { rows } = await client.execute('SELECT data_center FROM system.local');
    return rows[0]?.data_center as string;
  } finally {
    await client.shutdown();
  }
}
