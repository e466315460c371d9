import { randomBytes } from 'node:crypto';
import { errors, tracker, types } from 'cassandra-driver';
import { ScyllaClient } from '../../src/adapters/scylla/client.ts';
import { applySchema } from '../../src/adapters/scylla/migrate.ts';
import type { ScyllaMetrics } from '../../src/adapters/scylla/metrics.ts';
import type { ScyllaOptions } from '../../src/adapters/scylla/options.ts';
import { openScyllaStore, type ScyllaStore } from '../../src/adapters/scylla/store.ts';
import { realSystem } from '../../src/adapters/system.ts';
import { silent } from '../contract/store-fixtures.ts';
import { givenCassandra, startCassandra } from '../services/cassandra.ts';
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
    const options = { contactPoints: [given], keyspace, localDc: (await givenCassandra([given])).localDc };
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

/** Where its first contact point is. */
export function hostAndPort({ contactPoints }: ScyllaOptions): { host: string; port: number } {
  const [host = '', port = '9042'] = (contactPoints[0] as string).split(':');
  return { host, port: Number(port) };
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

/** A request of the driver's that was answered. */
export interface DriverRequest {
  readonly query: string;
  readonly consistency: number;
  readonly serial: number | undefined;
  readonly idempotent: boolean;
  readonly logged: boolean;
  readonly answerBytes: number;
  /** The server did not know the statement: it is prepared and sent again. */
  readonly unprepared: boolean;
}

type Told = Parameters<tracker.RequestTracker['onSuccess']>;

/** What the driver asks from now on, request by request. */
export function requestsOf(client: ScyllaClient): DriverRequest[] {
  const requests: DriverRequest[] = [];
  const add = (query: Told[1], options: Told[3], answerBytes: number, unprepared: boolean): void => {
    const isBatch = typeof query !== 'string';
    requests.push({
      query: isBatch ? query.map((each) => each.query).join(';') : query,
      consistency: options.getConsistency(),
      serial: options.getSerialConsistency(),
      idempotent: options.isIdempotent(),
      logged: isBatch && options.isBatchLogged(),
      answerBytes,
      unprepared,
    });
  };
  class Recorder extends tracker.RequestLogger {
    override onSuccess(...[, query, , options, , answerBytes]: Told): void {
      add(query, options, answerBytes, false);
    }
    override onError(...[, query, , options, , error]: Parameters<tracker.RequestTracker['onError']>): void {
      const { unprepared } = types.responseErrorCodes;
      if (error instanceof errors.ResponseError && error.code === unprepared) add(query, options, 0, true);
    }
  }
  (client.driver as unknown as { options: { requestTracker: object } }).options.requestTracker = new Recorder(
    {},
  );
  return requests;
}
