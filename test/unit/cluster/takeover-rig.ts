import assert from 'node:assert/strict';
import { NO_BEAT } from '../../../src/core/cluster-ports.ts';
import { Acquirer } from '../../../cluster/acquire.ts';
import { Barrier } from '../../../cluster/barrier.ts';
import { CommittedLog } from '../../../cluster/committed-log.ts';
import { CommittedReader } from '../../../cluster/committed-reader.ts';
import { DedupIndexer } from '../../../cluster/dedup-indexer.ts';
import { DirtyMarks } from '../../../cluster/dirty-marks.ts';
import { Term } from '../../../cluster/term.ts';
import { Watcher } from '../../../cluster/watcher.ts';
import {
  MemoryLeaseTable,
  MemoryLogTable,
  type TableFault,
} from '../../../src/adapters/memory/cluster-tables.ts';
import { MemoryStore } from '../../../src/adapters/memory/store.ts';
import type { AppendOutcome } from '../../../src/core/actor.ts';
import { type Claim, StoreUnavailable } from '../../../src/core/ports.ts';
import type { AppendBatch } from '../../../src/core/rows.ts';
import { NodeSystem } from '../../sim/node-system.ts';
import { VirtualSystem } from '../../sim/virtual-system.ts';

export const LEASE_MS = 4_000;
const SILENT = { info: () => {}, warn: () => {}, error: () => {} };

/** Shared tables, whose operations fail as the test says. */
export class Stage {
  readonly system = new VirtualSystem(7);
  readonly faults: { operation: string; fault: TableFault }[] = [];
  readonly operations: string[] = [];
  readonly leases: MemoryLeaseTable;
  readonly log: MemoryLogTable;
  /** Every operation is refused while the store is away. */
  away = false;

  constructor() {
    const fault = (operation: string): TableFault | undefined => {
      this.operations.push(operation);
      if (this.away) return 'unavailable';
      const at = this.faults.findIndex((planned) => planned.operation === operation);
      return at < 0 ? undefined : this.faults.splice(at, 1)[0]?.fault;
    };
    this.leases = new MemoryLeaseTable(this.system, { fault });
    this.log = new MemoryLogTable(this.system, new MemoryStore(this.system), { fault });
  }

  async node(name: string): Promise<Node> {
    const node = new Node(this, name);
    const starting = node.start();
    await this.system.advance(50);
    await starting;
    return node;
  }

  /** Lets time pass until the promise settles. */
  async wait<T>(promise: Promise<T>, msMax = 20_000): Promise<T> {
    let settled = false;
    const done = promise.finally(() => {
      settled = true;
    });
    for (let ms = 0; ms < msMax && !settled; ms += 10) await this.system.advance(10);
    assert.ok(settled, 'it takes too long');
    return done;
  }
}

/** A sequencer process without actors. */
export class Node {
  readonly system: NodeSystem;
  readonly term: Term;
  readonly watcher: Watcher;
  readonly acquirer: Acquirer;
  readonly log: CommittedLog;
  buriesFirst = true;
  isRush = false;
  readonly buried: (readonly [node: string, isFirst: boolean])[] = [];

  constructor(stage: Stage, node: string) {
    const { leases, log } = stage;
    const system = new NodeSystem(stage.system);
    this.system = system;
    const busUp = (): boolean => true;
    this.term = new Term(leases, {
      node,
      addr: '',
      roles: 'sequencer',
      leaseTimeoutMs: LEASE_MS,
      system,
      logger: SILENT,
      busUp,
      beat: () => ({ ...NO_BEAT, bus: true }),
    });
    this.watcher = new Watcher(leases, LEASE_MS, system, SILENT);
    const barrier = new Barrier(leases, this.term, system);
    const counts = { takeovers: 0 };
    const { watcher } = this;
    const buriesFirst = (): boolean => this.buriesFirst;
    const buried = (other: string, isFirst: boolean): void => void this.buried.push([other, isFirst]);
    this.acquirer = new Acquirer({ me: node, leases, log, watcher, barrier, buriesFirst, buried, counts });
    const reader = new CommittedReader(log);
    const dirty = new DirtyMarks(leases, node, system);
    const dedup = new DedupIndexer(log, reader, system, SILENT, () => this.isRush);
    this.log = new CommittedLog({
      leases,
      log,
      reader,
      term: this.term,
      barrier,
      acquirer: this.acquirer,
      dirty,
      dedup,
      system,
    });
  }

  async start(): Promise<void> {
    await this.term.start();
    await this.watcher.start();
  }

  /** As whoever serves what is claimed. */
  async claim(conv: string): Promise<Claim> {
    const claim = await this.log.claim(conv);
    if (claim.t !== 'owned') return claim;
    const { ready, ...said } = claim;
    try {
      await ready;
      return said;
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
      return { t: 'unavailable', retryAfterMs: 0, again: true };
    }
  }

  append(batch: AppendBatch): Promise<AppendOutcome> {
    return new Promise((resolve) =>
      this.log.append(batch, { appended: (_batch, outcome) => resolve(outcome) }),
    );
  }
}
