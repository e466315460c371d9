import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import test from 'node:test';
import { type AppendFault, MemoryStore } from '../../src/adapters/memory/store.ts';
import { realSystem } from '../../src/adapters/system.ts';
import { StoreUnavailable } from '../../src/core/ports.ts';
import { messageStoreSuite } from './message-store.suite.ts';
import { dirtyStoreSuite } from './dirty-store.suite.ts';
import { embeddedLogSuite } from './embedded-log.suite.ts';
import { projectionStoreSuite } from './projection-store.suite.ts';
import { ALL, append, asProjections, batchOf, type StoreUnderTest } from './store-fixtures.ts';

async function open(): Promise<StoreUnderTest> {
  return underTest(new MemoryStore(realSystem()));
}

function underTest(store: MemoryStore): StoreUnderTest {
  return {
    messages: store.messages,
    projections: store.projections,
    dirty: store,
    ownership: store.ownership,
    async indexed() {}, // it is when it is committed
    async reopen() {
      store.restart();
      return underTest(store);
    },
    async close() {},
  };
}

messageStoreSuite('memory', open);
embeddedLogSuite('memory', open);
projectionStoreSuite('memory', async () => asProjections(await open()));
dirtyStoreSuite('memory', open);

test('memory: faults come out as they say, and take effect as they say', async () => {
  let fault: AppendFault | undefined;
  const store = new MemoryStore(realSystem(), { fault: () => fault });
  const conv = randomUUID();
  const batch = batchOf({ conv, fence: store.fence, c: 0, count: 2 });
  fault = 'unavailable';
  assert.equal(await append(store, batch), 'unavailable');
  fault = 'unknownLost';
  assert.equal(await append(store, batch), 'timedOutUnknown');
  assert.equal(await store.head(conv), 0);
  fault = 'unknownWritten';
  assert.equal(await append(store, batch), 'timedOutUnknown');
  assert.equal(await store.head(conv), 2);
  fault = undefined;
  assert.equal(await append(store, batch), 'committed');
  store.available = false;
  assert.equal(await append(store, batchOf({ conv, fence: store.fence, c: 2 })), 'unavailable');
  await assert.rejects(store.read(conv, 1, 2, false, ALL), StoreUnavailable);
  assert.deepEqual(await store.lookUp(conv, 'ann', 'phone', randomUUID()), { t: 'unavailable' });
});
