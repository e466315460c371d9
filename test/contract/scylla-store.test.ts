import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import test, { after } from 'node:test';
import { types } from 'cassandra-driver';
import type { ScyllaOptions } from '../../src/adapters/scylla/options.ts';
import type { ScyllaStore } from '../../src/adapters/scylla/store.ts';
import { StoreUnavailable } from '../../src/core/ports.ts';
import { CuttableProxy } from '../support/cuttable-proxy.ts';
import {
  cassandraMissing,
  hostAndPort,
  migrate,
  openScylla,
  type TestCassandra,
  testCassandra,
} from '../support/scylla.ts';
import { clusterFaultsSuite } from './cluster-faults.suite.ts';
import type { FaultyTables, TablesUnderTest } from './cluster-tables.fixtures.ts';
import { openCommittedLog } from './committed-log.fixture.ts';
import { leaseTableSuite } from './lease-table.suite.ts';
import { logTableSuite } from './log-table.suite.ts';
import { messageStoreSuite } from './message-store.suite.ts';
import { projectionStoreSuite } from './projection-store.suite.ts';
import {
  conversationRow,
  inboxRow,
  memberRow,
  projection,
  type ProjectionsUnderTest,
} from './store-fixtures.ts';

const missing = cassandraMissing();
if (missing === undefined) runSuites();
else test('scylla: contract suites', { skip: missing });

function runSuites(): void {
  let service: Promise<Service> | undefined;
  const opened = (): Promise<Service> => (service ??= Service.start());
  after(async () => (await service)?.stop());
  const open = async (): Promise<TablesUnderTest> => (await opened()).tables;
  leaseTableSuite('scylla', open);
  logTableSuite('scylla', open);
  clusterFaultsSuite('scylla', open);
  messageStoreSuite('cluster on scylla', async () => openCommittedLog(await open()));
  projectionStoreSuite('scylla', async () => projectionsOf((await opened()).options));

  test('scylla: projections whose answer is lost are there; written again they are the same', async () => {
    const { projections, faulty } = (await opened()).tables;
    const tables = await faulty();
    const write = (conv: string) => ({
      ...projection(conv, 1, { members: [memberRow('ann')], inbox: [inboxRow(conv, conv, 4, 2)] }),
      conversation: conversationRow(conv, 3),
    });
    await tables.projections.write([write(randomUUID())]);
    const conv = randomUUID();
    tables.mute();
    await assert.rejects(tables.projections.write([write(conv)]), StoreUnavailable);
    await tables.heal();
    assert.deepEqual(await projections.members(conv), [memberRow('ann')]);
    // These come after the members.
    assert.deepEqual((await projections.inbox(conv)).rows, []);
    assert.equal(await projections.conversation(conv), undefined);
    await tables.projections.write([write(conv)]);
    assert.deepEqual((await projections.inbox(conv)).rows, [inboxRow(conv, conv, 4, 2)]);
    assert.deepEqual(await projections.members(conv), [memberRow('ann')]);
    assert.deepEqual(await projections.conversation(conv), conversationRow(conv, 3));
  });
}

/** A keyspace of its own, and the ways to it that the suites ask for. */
class Service {
  readonly options: ScyllaOptions;
  readonly tables: TablesUnderTest;
  readonly #cassandra: TestCassandra;
  readonly #stores: ScyllaStore[];
  readonly #proxies: CuttableProxy[] = [];
  readonly #skewed = new Map<number, Promise<ScyllaStore>>();
  #faulty: Promise<FaultyTables> | undefined;

  private constructor(cassandra: TestCassandra, store: ScyllaStore) {
    this.#cassandra = cassandra;
    this.options = cassandra.options;
    this.#stores = [store];
    this.tables = {
      ...store,
      faulty: () => (this.#faulty ??= this.#openFaulty()),
      skewed: async (ms) => {
        const skewed = this.#skewed.get(ms) ?? this.#openSkewed(ms);
        this.#skewed.set(ms, skewed);
        return skewed;
      },
    };
  }

  static async start(): Promise<Service> {
    const cassandra = await testCassandra();
    await migrate(cassandra.options);
    return new Service(cassandra, await openScylla(cassandra.options));
  }

  async stop(): Promise<void> {
    await Promise.all(this.#stores.map((store) => store.close()));
    await Promise.all(this.#proxies.map((proxy) => proxy.stop()));
    await this.#cassandra.stop();
  }

  async #open(changes: Partial<ScyllaOptions> = {}): Promise<ScyllaStore> {
    const store = await openScylla({ ...this.options, ...changes });
    this.#stores.push(store);
    return store;
  }

  async #openFaulty(): Promise<FaultyTables> {
    const proxy = await CuttableProxy.start(hostAndPort(this.options));
    this.#proxies.push(proxy);
    const timeouts = { readTimeoutMs: 1_000, leaseTimeoutMs: 1_000 };
    const store = await this.#open({ contactPoints: [proxy.address], ...timeouts });
    const { leases, log, projections, client } = store;
    return {
      leases,
      log,
      projections,
      mute: () => proxy.swallowReplies(),
      async cut() {
        proxy.cut();
        await until(() => client.nodesUp === 0);
      },
      async heal() {
        proxy.heal();
        // Its connections end and are made anew: there is no moment to wait for but that they work.
        await until(() => log.head(randomUUID()).then(() => true, unavailable));
      },
    };
  }

  /** The driver stamps what has no timestamp of its own, by the clock of its machine. */
  async #openSkewed(ms: number): Promise<ScyllaStore> {
    const store = await this.#open();
    const { policies } = (store.client.driver as unknown as DriverWithPolicies).options;
    policies.timestampGeneration = { next: () => types.Long.fromNumber((Date.now() + ms) * 1_000) };
    return store;
  }
}

interface DriverWithPolicies {
  readonly options: { readonly policies: { timestampGeneration: { next(): types.Long } } };
}

/** A store as the suite of projections sees it: `reopen` is another node's view. */
async function projectionsOf(options: ScyllaOptions): Promise<ProjectionsUnderTest> {
  const opened = [await openScylla(options)];
  const underTest = ({ log, projections }: ScyllaStore): ProjectionsUnderTest => ({
    projections,
    async establish(establishment) {
      assert.equal(await log.establish(establishment), 'written');
    },
    async reopen() {
      const next = await openScylla(options);
      opened.push(next);
      return underTest(next);
    },
    async close() {
      await Promise.all(opened.map((store) => store.close()));
    },
  });
  return underTest(opened[0] as ScyllaStore);
}

function unavailable(error: unknown): boolean {
  if (error instanceof StoreUnavailable) return false;
  throw error;
}

async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (const deadline = performance.now() + 20_000; !(await holds()); ) {
    assert.ok(performance.now() < deadline, 'waited for too long');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
