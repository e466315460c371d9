import { Acquirer } from '../../cluster/acquire.ts';
import { Barrier } from '../../cluster/barrier.ts';
import { CommittedLog } from '../../cluster/committed-log.ts';
import { CommittedReader } from '../../cluster/committed-reader.ts';
import { DedupIndexer } from '../../cluster/dedup-indexer.ts';
import { DirtyMarks } from '../../cluster/dirty-marks.ts';
import { Term } from '../../cluster/term.ts';
import { Watcher } from '../../cluster/watcher.ts';
import { realSystem } from '../../src/adapters/system.ts';
import { NO_BEAT } from '../../src/core/cluster-ports.ts';
import { uuidV7 } from '../../src/core/ids.ts';
import { pause } from '../../src/core/patience.ts';
import type { Tables } from './cluster-tables.fixtures.ts';
import { type LogUnderTest, silent } from './store-fixtures.ts';

const LEASE_MS = 4_000;
const LOOK_MS = 5;

/** The log of a cluster as one node uses it, over its tables; `reopen` ends the node's term, and another begins. */
export async function openCommittedLog(tables: Tables): Promise<LogUnderTest> {
  const { leases, log: table, projections } = tables;
  const system = realSystem();
  const node = uuidV7(system.now(), system.random(10));
  const term = new Term(leases, {
    node,
    addr: '',
    roles: 'sequencer',
    leaseTimeoutMs: LEASE_MS,
    system,
    logger: silent,
    busUp: () => true,
    beat: () => ({ ...NO_BEAT, bus: true }),
  });
  const watcher = new Watcher(leases, LEASE_MS, system, silent);
  const shared = { leases, log: table, barrier: new Barrier(leases, term, system) };
  const reader = new CommittedReader(table);
  const dedup = new DedupIndexer(table, reader, system, silent);
  const log = new CommittedLog({
    ...shared,
    reader,
    term,
    acquirer: new Acquirer({ ...shared, me: node, watcher, counts: { takeovers: 0 } }),
    dirty: new DirtyMarks(leases, node, system),
    dedup,
    system,
  });
  await term.start();
  await watcher.start();
  let next: LogUnderTest | undefined;
  const end = async (): Promise<void> => {
    await term.end();
    watcher.stop();
    dedup.stop();
  };
  return {
    messages: log,
    projections,
    ownership: log,
    async indexed(conv) {
      log.hurry(conv);
      while (!log.isIndexed(conv)) await pause(system, LOOK_MS);
    },
    async reopen() {
      await end();
      next = await openCommittedLog(tables);
      return next;
    },
    async close() {
      await (next === undefined ? end() : next.close());
    },
  };
}
