import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import test from 'node:test';
import {
  MemoryLeaseTable,
  MemoryLogTable,
  type TableFault,
} from '../../src/adapters/memory/cluster-tables.ts';
import { MemoryStore } from '../../src/adapters/memory/store.ts';
import { realSystem } from '../../src/adapters/system.ts';
import { StoreUnavailable } from '../../src/core/ports.ts';
import { VirtualSystem } from '../sim/virtual-system.ts';
import { clusterFaultsSuite } from './cluster-faults.suite.ts';
import { leaseRow, logRows, rowsOf, type TablesUnderTest } from './cluster-tables.fixtures.ts';
import { leaseTableSuite } from './lease-table.suite.ts';
import { openCommittedLog } from './committed-log.fixture.ts';
import { logTableSuite } from './log-table.suite.ts';
import { messageStoreSuite } from './message-store.suite.ts';
import { ALL, rowOf } from './store-fixtures.ts';

/** One set of tables: the clock that counts is theirs, and faults are what everybody meets while they last. */
async function open(): Promise<TablesUnderTest> {
  const system = realSystem();
  let fault: TableFault | undefined;
  const options = { fault: () => fault };
  const projections = new MemoryStore(system);
  const tables = {
    leases: new MemoryLeaseTable(system, options),
    log: new MemoryLogTable(system, projections, options),
    projections,
  };
  return {
    ...tables,
    skewed: async () => tables,
    faulty: async () => ({
      ...tables,
      mute: () => void (fault = 'answerLost'),
      cut: async () => void (fault = 'unavailable'),
      heal: async () => void (fault = undefined),
    }),
  };
}

leaseTableSuite('memory', open);
logTableSuite('memory', open);
clusterFaultsSuite('memory', open);
messageStoreSuite('cluster on memory', async () => openCommittedLog(await open()));

test('memory: faults come out as they say, and take effect as they say', async () => {
  let fault: TableFault | undefined;
  const options = { fault: () => fault };
  const leases = new MemoryLeaseTable(realSystem(), options);
  const log = new MemoryLogTable(realSystem(), new MemoryStore(realSystem()), options);
  const [row, conv] = [leaseRow(randomUUID()), randomUUID()];
  for (const each of ['unavailable', 'lost', 'answerLost'] as const) {
    fault = each;
    const outcome = each === 'unavailable' ? each : 'unknown';
    assert.deepEqual(await leases.insertNode(row), { t: outcome });
    assert.equal(await log.write(conv, logRows(conv, 1, 2)), outcome);
    await assert.rejects(leases.node(row.node), StoreUnavailable);
    await assert.rejects(log.rows(conv, 1, 2, ALL), StoreUnavailable);
    assert.deepEqual(await log.lookUp(conv, 'ann', 'phone', randomUUID()), { t: 'unavailable' });
    fault = undefined;
    assert.equal((await leases.node(row.node)) !== undefined, each === 'answerLost');
    assert.equal((await rowsOf(log, conv, 1, 2)).length, each === 'answerLost' ? 2 : 0);
  }
});

test('memory: a crash loses the operation, or its answer alone', async () => {
  const system = new VirtualSystem();
  const leases = new MemoryLeaseTable(system);
  const [one, two] = [leaseRow(randomUUID()), leaseRow(randomUUID())];
  let answers = 0;
  void leases.insertNode(one).then(() => answers++);
  system.crash(); // not arrived
  void leases.insertNode(two).then(() => answers++);
  const turns: (() => void)[] = [];
  const half = new MemoryLeaseTable({ soon: (task) => turns.push(task), now: () => 0 });
  void half.insertNode(one).then(() => answers++);
  turns.shift()?.(); // arrived; the answer is on its way
  turns.length = 0;
  const seen = half.node(one.node);
  while (turns.length > 0) turns.shift()?.();
  assert.deepEqual(await seen, one);
  await system.settle();
  const nodes = leases.nodes();
  await system.settle();
  assert.deepEqual(await nodes, [two]);
  assert.equal(answers, 1);
});

test('memory: deduplication rows are kept for 30 days', async () => {
  const system = new VirtualSystem();
  const log = new MemoryLogTable(system, new MemoryStore(system));
  const conv = randomUUID();
  const row = rowOf({ conv, seq: 1 });
  const look = async (): Promise<string> => {
    const found = log.lookUp(conv, row.user, row.device, row.cmid);
    await system.settle();
    return (await found).t;
  };
  void log.writeDedup(conv, [row]);
  await system.settle();
  await system.advance(30 * 24 * 3_600_000 - 1_000);
  assert.equal(await look(), 'found');
  await system.advance(1_000);
  assert.equal(await look(), 'none');
});
