/** Whole sequencers (SequencerTerm) over shared memory tables and a memory bus, in virtual time. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { CommittedReader } from '../../../cluster/committed-reader.ts';
import { walkLog } from '../../../cluster/log-walk.ts';
import { newPeerMetrics } from '../../../cluster/peer/peer-metrics.ts';
import { Ring, ringNodes } from '../../../cluster/ring.ts';
import { Watcher } from '../../../cluster/watcher.ts';
import {
  MemoryLeaseTable,
  MemoryLogTable,
  type TableFault,
} from '../../../src/adapters/memory/cluster-tables.ts';
import { MemoryStore } from '../../../src/adapters/memory/store.ts';
import type { LeaseRow } from '../../../src/core/cluster-ports.ts';
import type { StoredRow } from '../../../src/core/rows.ts';
import { messageCmid, readU64, SEQ_AT } from '../../../src/protocol/message-frame.ts';
import { SequencerTerm } from '../../../src/roles/sequencer-term.ts';
import type { Surroundings } from '../../../src/roles/surroundings.ts';
import { drainMicrotasks, outsidePromises } from '../../sim/microtasks.ts';
import { NodeSystem } from '../../sim/node-system.ts';
import { VirtualSystem } from '../../sim/virtual-system.ts';
import { inShort } from '../actors/stage.ts';
import { EdgeNode } from '../peer/edge-node.ts';
import { SILENT } from '../peer/link-rig.ts';
import { type RoughBus, RoughNet } from '../peer/rough-bus.ts';

export const LEASE_MS = 4_000;
const WORK_MS = 30;

export class Sequencer {
  readonly system: NodeSystem;
  readonly bus: RoughBus;
  readonly term: SequencerTerm;
  readonly cluster = {
    counts: { takeovers: 0, stepDowns: 0, handoffs: 0 },
    gauges: { termState: 0, handoffsPending: 0, dirtyWalkPending: 0, projectionsPending: 0 },
    barrierSeconds: { observe: () => {} },
    handoffSeconds: { observe: (seconds: number) => void this.pauses.push(seconds) },
  };
  readonly host = {
    counts: { activations: 0, appendRows: 0, appendFailures: 0, overloaded: 0 },
    gauges: { actors: 0 },
    appendBatchRows: { observe: () => {} },
    appendSeconds: { observe: () => {} },
  };
  readonly pauses: number[] = [];
  isOver = false;
  isKilled = false;

  constructor(world: World) {
    this.system = new NodeSystem(world.system);
    this.bus = world.net.client();
    // Of its surroundings a term uses these alone.
    const surroundings = { system: this.system, logger: SILENT, metrics: this.host };
    this.term = new SequencerTerm(surroundings as unknown as Surroundings, {
      store: {
        leases: this.#untilKilled(world.leases),
        log: this.#untilKilled(world.log),
        projections: this.#untilKilled(world.store),
      },
      bus: this.bus,
      leaseTimeoutMs: LEASE_MS,
      peers: newPeerMetrics(),
      cluster: this.cluster,
      addr: '',
      over: () => {
        this.isOver = true;
      },
    });
  }

  get node(): string {
    return this.term.node;
  }

  /** kill -9. */
  kill(): void {
    this.isKilled = true;
    this.system.kill();
    this.bus.inner.disconnect();
  }

  /** Of a process that was killed no further operation comes, though its promises go on. */
  #untilKilled<T extends object>(table: T): T {
    return new Proxy(table, {
      get: (target, name) => {
        const member: unknown = Reflect.get(target, name, target);
        if (typeof member !== 'function') return member;
        return (...args: unknown[]): unknown =>
          this.isKilled ? new Promise(() => undefined) : Reflect.apply(member, target, args);
      },
    });
  }
}

export class World {
  readonly system: VirtualSystem;
  readonly net: RoughNet;
  readonly store: MemoryStore;
  /** What happens to operations on the tables, by name. */
  readonly faults = new Map<string, TableFault>();
  /** Asked for those of which `faults` says nothing. */
  fault: (operation: string) => TableFault | undefined = () => undefined;
  away = false;
  readonly leases: MemoryLeaseTable;
  readonly log: MemoryLogTable;
  readonly edges: EdgeNode[] = [];
  #ring = new Ring([]);
  #workedAt = 0;

  constructor(seed = 3) {
    this.system = new VirtualSystem(seed);
    this.net = new RoughNet(this.system, seed);
    this.store = new MemoryStore(this.system);
    const fault = (operation: string): TableFault | undefined =>
      this.away ? 'unavailable' : (this.faults.get(operation) ?? this.fault(operation));
    this.leases = new MemoryLeaseTable(this.system, { fault });
    this.log = new MemoryLogTable(this.system, this.store, { fault });
    const watcher = new Watcher(this.leases, LEASE_MS, this.system, SILENT);
    watcher.onLook(() => {
      const nodes = ringNodes(watcher.live);
      if (!this.#ring.isOf(nodes)) this.#ring = new Ring(nodes);
      const live = watcher.live.map((row) => row.node);
      for (const edge of this.edges) edge.owners.useSequencers(live);
    });
    void watcher.start();
    for (const i of [1, 2])
      this.edges.push(new EdgeNode(i, this.system, this.net, this.store, (conv) => this.#ring.ownerOf(conv)));
  }

  /** One that lives, as others see too. */
  async sequencer(ms = 400): Promise<Sequencer> {
    const sequencer = new Sequencer(this);
    const starting = sequencer.term.start();
    await this.pass(ms);
    await starting;
    return sequencer;
  }

  get a(): EdgeNode {
    return this.edges[0] as EdgeNode;
  }
  get b(): EdgeNode {
    return this.edges[1] as EdgeNode;
  }

  /** Lets time pass. */
  pass(ms: number): Promise<void> {
    return outsidePromises(() => this.system.run(ms, drainMicrotasks));
  }

  /** Lets time pass for clients too: who was refused tries again, less often than a lane holds back at least. */
  async live(ms: number): Promise<void> {
    for (let left = ms; left > 0; left -= 10) {
      if (this.system.monotonic() - this.#workedAt >= WORK_MS) {
        this.#workedAt = this.system.monotonic();
        for (const edge of this.edges) edge.work();
      }
      await this.pass(Math.min(10, left));
    }
  }

  /** Lives on until it is so. */
  async until(what: string, isSo: () => boolean, msMax = 10_000): Promise<void> {
    for (let ms = 0; !isSo(); ms += 10) {
      assert.ok(ms < msMax, `${what} within ${msMax} ms`);
      await this.live(10);
    }
  }

  async ask(edge: EdgeNode, request: Parameters<EdgeNode['ask']>[0], ms = 200): Promise<string> {
    const asked = edge.ask(request);
    await this.pass(ms);
    return inShort(edge.answered.get(asked));
  }

  /** What an operation on the tables comes to. */
  async result<T>(operation: Promise<T>): Promise<T> {
    await this.pass(0);
    return operation;
  }

  nodes(): Promise<LeaseRow[]> {
    return this.result(this.leases.nodes());
  }

  async ownerOf(conv: string): Promise<string | undefined> {
    return (await this.result(this.leases.owner(conv)))?.owner;
  }

  /** The whole log of the conversation, as it counts. */
  async logOf(conv: string): Promise<StoredRow[]> {
    const floor = await this.result(this.log.floor(conv));
    const walking = walkLog(this.log, conv, 0, floor);
    await this.pass(10);
    const { last } = await walking;
    if (last === 0) return [];
    const limits = { rowsMax: 100_000, bytesMax: 1e9 };
    const reading = new CommittedReader(this.log).read(conv, 1, last, false, limits);
    await this.pass(10);
    return reading;
  }

  /** P1 and P3: the log is dense, no message is in it twice, and what was acknowledged is where the ack said. */
  async checkLog(conv: string, acked: ReadonlyMap<string, number>): Promise<StoredRow[]> {
    const rows = await this.logOf(conv);
    const seqs = new Map<string, number>();
    rows.forEach(({ seq, env }, i) => {
      assert.deepEqual([seq, readU64(env, SEQ_AT)], [i + 1, i + 1], 'seqs are dense');
      const cmid = messageCmid(env);
      if (cmid === '') return;
      assert.ok(!seqs.has(cmid), `${cmid} is in the log at ${seqs.get(cmid)} and ${seq}`);
      seqs.set(cmid, seq);
    });
    for (const [cmid, seq] of acked) assert.equal(seqs.get(cmid), seq, `${cmid} was acknowledged as ${seq}`);
    return rows;
  }
}

/** Answers that are errors. */
export function refusals(edge: EdgeNode): string[] {
  return [...edge.answered.values()].flatMap((answer) => (answer.t === 'error' ? [answer.code] : []));
}

/** Of a message between nodes: what it is about. */
export function isMail(subject: string, bytes: Uint8Array, about: 'offer' | 'released' | 'drain'): boolean {
  return subject.startsWith('h.') && Buffer.from(bytes).subarray(0, 16).includes(about);
}
