/** A sequencer's way into the log, composed as src/roles/sequencer-term.ts does, without actors, bus and edges. */
import { NO_BEAT } from '../../src/core/cluster-ports.ts';
import { Acquirer } from '../../cluster/acquire.ts';
import { Barrier } from '../../cluster/barrier.ts';
import { CommittedLog } from '../../cluster/committed-log.ts';
import { CommittedReader } from '../../cluster/committed-reader.ts';
import { DedupIndexer } from '../../cluster/dedup-indexer.ts';
import { DirtyMarks } from '../../cluster/dirty-marks.ts';
import { DirtySlots } from '../../cluster/dirty-slots.ts';
import { Term } from '../../cluster/term.ts';
import { Watcher } from '../../cluster/watcher.ts';
import { openScyllaStore, type ScyllaStore } from '../../src/adapters/scylla/store.ts';
import { realSystem } from '../../src/adapters/system.ts';
import { uuidV7 } from '../../src/core/ids.ts';
import type { System } from '../../src/core/ports.ts';
import { createLogger, createMetrics, type Metrics } from '../../src/telemetry.ts';
import type { AppendPlan } from '../plan.ts';

const LEASE_TIMEOUT_MS = 4_000;

export interface Owner {
  readonly log: CommittedLog;
  readonly slots: DirtySlots;
  readonly system: System;
  readonly metrics: Metrics;
  stop(): Promise<void>;
}

/** A live term on its store. */
export async function openOwner({ contactPoints, localDc, keyspace }: AppendPlan['store']): Promise<Owner> {
  const system = realSystem();
  const metrics = createMetrics();
  const logger = createLogger({ level: 'warn', format: 'text' });
  const store = await openScyllaStore(
    { contactPoints, localDc, keyspace },
    { system, logger, metrics: metrics.scylla() },
  );
  const { leases, log } = store;
  const node = uuidV7(system.now(), system.random(10));
  const slots = new DirtySlots(system);
  const term = new Term(leases, {
    node,
    addr: '',
    roles: 'sequencer',
    leaseTimeoutMs: LEASE_TIMEOUT_MS,
    system,
    logger,
    busUp: () => true,
    beat: () => ({ ...NO_BEAT, bus: true, dirtyFrom: slots.current - 1 }),
  });
  const watcher = new Watcher(leases, LEASE_TIMEOUT_MS, system, logger);
  const { barrierSeconds, counts } = metrics.cluster();
  const barrier = new Barrier(leases, term, system, barrierSeconds);
  const reader = new CommittedReader(log);
  const dedup = new DedupIndexer(log, reader, system, logger);
  const committed = new CommittedLog({
    leases,
    log,
    barrier,
    reader,
    term,
    acquirer: new Acquirer({ leases, log, barrier, counts, me: node, watcher }),
    dirty: new DirtyMarks(leases, node, system),
    dedup,
    system,
  });
  await term.start();
  await watcher.start();
  return { log: committed, slots, system, metrics, stop: () => stop(term, watcher, dedup, store) };
}

async function stop(term: Term, watcher: Watcher, dedup: DedupIndexer, store: ScyllaStore): Promise<void> {
  await term.end();
  watcher.stop();
  dedup.stop();
  await store.close();
}
