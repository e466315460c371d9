import { randomUUID } from 'node:crypto';
import test, { after } from 'node:test';
import type { ScyllaStore } from '../../src/adapters/scylla/store.ts';
import type { AppendOutcome } from '../../src/core/actor.ts';
import type { AppendListener, MessageStore, ProjectionStore } from '../../src/core/ports.ts';
import type { AppendBatch } from '../../src/core/rows.ts';
import {
  cassandraMissing,
  migrate,
  openScylla,
  type TestCassandra,
  testCassandra,
} from '../support/scylla.ts';
import { leaseTableSuite } from './lease-table.suite.ts';
import { logTableSuite } from './log-table.suite.ts';
import { projectionStoreSuite } from './projection-store.suite.ts';
import type { StoreUnderTest } from './store-fixtures.ts';

const missing = cassandraMissing();
if (missing === undefined) runSuites();
else test('scylla: contract suites', { skip: missing });

function runSuites(): void {
  let cassandra: Promise<TestCassandra> | undefined;
  let store: Promise<ScyllaStore> | undefined;
  const start = async (): Promise<TestCassandra> => {
    const started = await testCassandra();
    await migrate(started.options);
    return started;
  };
  const options = async () => (await (cassandra ??= start())).options;
  const open = async (): Promise<ScyllaStore> => await (store ??= options().then((each) => openScylla(each)));
  after(async () => {
    await (await store)?.close();
    await (await cassandra)?.stop();
  });
  leaseTableSuite('scylla', open);
  logTableSuite('scylla', open);
  projectionStoreSuite('scylla', async () => {
    const own = await options();
    return new OneNode(() => openScylla(own), await openScylla(own));
  });
}

/**
 * As much of a MessageStore as the projection suite needs, of one node that owns everything, on the cluster's
 * tables. It shows that what `ProjectionStore.dirty` is to the embedded store, marks by slot and `dirtyFrom` are
 * to the cluster.
 */
class OneNode implements StoreUnderTest {
  readonly #connect: () => Promise<ScyllaStore>;
  readonly #store: ScyllaStore;
  readonly #term: Term;
  #open = true;
  #next: StoreUnderTest | undefined;

  constructor(
    connect: () => Promise<ScyllaStore>,
    store: ScyllaStore,
    term: Term = { node: randomUUID(), fence: 1, dirtyFrom: 0, dirtyTo: -1 },
  ) {
    this.#connect = connect;
    this.#store = store;
    this.#term = term;
  }

  get messages(): MessageStore {
    const unused = (): never => {
      throw new Error('the projection suite reads no messages');
    };
    return {
      append: (batch, listener) => this.#append(batch, listener),
      head: async (conv) => (await this.#store.log.rowsBackward(conv, 1, 4_096, 1))[0]?.seq ?? 0,
      read: unused,
      lookUp: unused,
    };
  }

  get projections(): ProjectionStore {
    const { projections, leases } = this.#store;
    const term = this.#term;
    return {
      conversation: (conv) => projections.conversation(conv),
      members: (conv) => projections.members(conv),
      inbox: (user) => projections.inbox(user),
      inboxRow: (user, conv) => projections.inboxRow(user, conv),
      write: (writes) => projections.write(writes),
      async dirty() {
        const convs = new Set<string>();
        for (let slot = term.dirtyFrom; slot <= term.dirtyTo; slot++)
          for (const conv of await leases.dirty(term.node, slot)) convs.add(conv);
        return [...convs];
      },
      async clearDirty(slot) {
        term.dirtyFrom = Math.max(term.dirtyFrom, slot);
      },
    };
  }

  get ownership(): StoreUnderTest['ownership'] {
    const claim = async (): Promise<{ t: 'owned'; fence: number }> => ({
      t: 'owned',
      fence: this.#term.fence,
    });
    return { claim, confirmed: () => true, letGo: () => undefined };
  }

  async reopen(): Promise<StoreUnderTest> {
    this.#open = false;
    await this.#store.close();
    const term = { ...this.#term, fence: this.#term.fence + 1 };
    this.#next = new OneNode(this.#connect, await this.#connect(), term);
    return this.#next;
  }

  async close(): Promise<void> {
    if (this.#open) await this.#store.close();
    await this.#next?.close();
  }

  #append(batch: AppendBatch, listener: AppendListener): void {
    const told = (outcome: AppendOutcome) => listener.appended(batch, outcome);
    this.#write(batch).then(told, () => told('timedOutUnknown'));
  }

  async #write({ conv, fence, c, rows, establish, dirtySlot }: AppendBatch): Promise<AppendOutcome> {
    const { log, leases } = this.#store;
    const term = this.#term;
    if (establish !== undefined && (await log.establish(establish)) !== 'written') return 'timedOutUnknown';
    if (dirtySlot !== 0) {
      if (term.dirtyTo < 0) term.dirtyFrom = dirtySlot;
      term.dirtyTo = Math.max(term.dirtyTo, dirtySlot);
      if ((await leases.markDirty(term.node, dirtySlot, [{ conv, fence }])) !== 'written')
        return 'timedOutUnknown';
    }
    const written = await log.write(
      conv,
      rows.map((row) => ({ ...row, fence, c, x: 0 })),
    );
    return written === 'written' ? 'committed' : 'timedOutUnknown';
  }
}

interface Term {
  readonly node: string;
  readonly fence: number;
  dirtyFrom: number;
  dirtyTo: number;
}
