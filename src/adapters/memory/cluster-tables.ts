import { commonBucket } from '../../core/buckets.ts';
import type { LookUpOutcome } from '../../core/actor.ts';
import {
  type Beat,
  type Conditional,
  deadLease,
  type FloorRow,
  type HeadRow,
  type LeaseRow,
  type LeaseTable,
  type LogRow,
  type LogTable,
  type OwnerRow,
  type RowRange,
  type WriteOutcome,
} from '../../core/cluster-ports.ts';
import type { ConversationId, DeviceId, NodeId, Seq, UserId } from '../../core/ids.ts';
import { type ProjectionStore, type ReadLimits, StoreUnavailable, type System } from '../../core/ports.ts';
import type { AppendRow, DedupHit, Establishment, StoredRow } from '../../core/rows.ts';
import { LIMITS } from '../../protocol/limits.ts';
import { readU64, TS_AT } from '../../protocol/message-frame.ts';

/** What may happen to an operation instead of its plain success: refused, lost on the way, or its answer lost. */
export type TableFault = 'unavailable' | 'lost' | 'answerLost';

export interface ClusterTablesOptions {
  /** Asked when an operation arrives at the tables; undefined lets it pass. */
  readonly fault?: (operation: string) => TableFault | undefined;
}

type Surroundings = Pick<System, 'soon' | 'now'>;

/**
 * Operations on shared tables, each in two turns: in the first it arrives and takes effect, in the second its
 * answer does. In between others arrive, and a crash (System forgets its turns) loses the operation or the answer.
 */
class Table {
  readonly #system: Surroundings;
  readonly #fault: (operation: string) => TableFault | undefined;

  constructor(system: Surroundings, options: ClusterTablesOptions) {
    this.#system = system;
    this.#fault = options.fault ?? (() => undefined);
  }

  protected get now(): number {
    return this.#system.now();
  }

  protected read<T>(operation: string, effect: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#system.soon(() => {
        const fault = this.#fault(operation);
        const value = effect();
        this.#system.soon(() => {
          if (fault === undefined) resolve(value);
          else reject(new StoreUnavailable(`${operation}: the store is away (${fault})`));
        });
      });
    });
  }

  protected put(operation: string, effect: () => void): Promise<WriteOutcome> {
    return this.#change<WriteOutcome>(operation, 'unavailable', 'unknown', () => {
      effect();
      return 'written';
    });
  }

  protected conditional<T>(operation: string, effect: () => Conditional<T>): Promise<Conditional<T>> {
    return this.#change<Conditional<T>>(operation, UNAVAILABLE, UNKNOWN, effect);
  }

  #change<T>(operation: string, refused: T, unknown: T, effect: () => T): Promise<T> {
    return new Promise((resolve) => {
      this.#system.soon(() => {
        const fault = this.#fault(operation);
        let outcome = fault === 'unavailable' ? refused : unknown;
        if (fault === undefined) outcome = effect();
        else if (fault === 'answerLost') effect();
        this.#system.soon(() => resolve(outcome));
      });
    });
  }
}

const APPLIED = { t: 'applied' } as const;
const UNAVAILABLE = { t: 'unavailable' } as const;
const UNKNOWN = { t: 'unknown' } as const;

/** node_lease, node_dirty and conv_owner in memory. */
export class MemoryLeaseTable extends Table implements LeaseTable {
  readonly #nodes = new Map<NodeId, LeaseRow>();
  readonly #owners = new Map<ConversationId, OwnerRow>();
  readonly #dirty = new Map<string, Set<ConversationId>>();

  constructor(system: Surroundings, options: ClusterTablesOptions = {}) {
    super(system, options);
  }

  insertNode(row: LeaseRow): Promise<Conditional<LeaseRow>> {
    return this.#lease('insertNode', row.node, (present) => (present === undefined ? row : undefined));
  }
  heartbeat(node: NodeId, hb: number, beat: Beat): Promise<Conditional<LeaseRow>> {
    return this.#lease('heartbeat', node, (row) => row?.state === 'live' && { ...row, ...beat, hb });
  }
  markDead(node: NodeId, seen: number | 'dead'): Promise<Conditional<LeaseRow>> {
    return this.#lease(
      'markDead',
      node,
      (row) =>
        row !== undefined && (seen === 'dead' ? row.state : row.hb) === seen && { ...row, state: 'dead' },
    );
  }
  insertDead(node: NodeId): Promise<Conditional<LeaseRow>> {
    return this.#lease('insertDead', node, (present) =>
      present === undefined ? deadLease(node) : undefined,
    );
  }
  markWalked(node: NodeId): Promise<Conditional<LeaseRow>> {
    return this.#lease('markWalked', node, (row) => row?.state === 'dead' && { ...row, walked: true });
  }
  nodes(): Promise<LeaseRow[]> {
    return this.read('nodes', () => [...this.#nodes.values()]);
  }
  node(node: NodeId): Promise<LeaseRow | undefined> {
    return this.read('node', () => this.#nodes.get(node));
  }
  barrier(node: NodeId): Promise<LeaseRow | undefined> {
    return this.read('barrier', () => this.#nodes.get(node));
  }

  owner(conv: ConversationId): Promise<OwnerRow | undefined> {
    return this.read('owner', () => this.#owners.get(conv));
  }
  ownerOnce(conv: ConversationId): Promise<OwnerRow | undefined> {
    return this.read('ownerOnce', () => this.#owners.get(conv));
  }
  insertOwner(conv: ConversationId, owner: NodeId): Promise<Conditional<OwnerRow>> {
    return this.#own('insertOwner', conv, (row) => row === undefined && { owner, fence: 1, head: 0 });
  }
  claim(conv: ConversationId, from: NodeId, fence: number, to: NodeId): Promise<Conditional<OwnerRow>> {
    return this.#own(
      'claim',
      conv,
      (row) => row?.owner === from && row.fence === fence && { ...row, owner: to, fence: fence + 1 },
    );
  }
  release(
    conv: ConversationId,
    me: NodeId,
    fence: number,
    next: NodeId,
    head: Seq,
  ): Promise<Conditional<OwnerRow>> {
    return this.#own(
      'release',
      conv,
      (row) => row?.owner === me && row.fence === fence && { owner: next, fence: fence + 1, head },
    );
  }

  markDirty(
    node: NodeId,
    slot: number,
    marks: readonly { readonly conv: ConversationId; readonly fence: number }[],
  ): Promise<WriteOutcome> {
    return this.put('markDirty', () => {
      const key = `${node} ${slot}`;
      const convs = this.#dirty.get(key) ?? new Set();
      for (const { conv } of marks) convs.add(conv);
      if (convs.size > 0) this.#dirty.set(key, convs);
    });
  }
  dirty(node: NodeId, slot: number): Promise<ConversationId[]> {
    return this.read('dirty', () => [...(this.#dirty.get(`${node} ${slot}`) ?? [])]);
  }

  #lease(
    operation: string,
    node: NodeId,
    change: (row: LeaseRow | undefined) => LeaseRow | false | undefined,
  ): Promise<Conditional<LeaseRow>> {
    return this.conditional(operation, () => apply(this.#nodes, node, change));
  }

  #own(
    operation: string,
    conv: ConversationId,
    change: (row: OwnerRow | undefined) => OwnerRow | false | undefined,
  ): Promise<Conditional<OwnerRow>> {
    return this.conditional(operation, () => apply(this.#owners, conv, change));
  }
}

/** Puts what `change` makes of the row; where it makes nothing, the condition did not hold. */
function apply<K, T>(
  rows: Map<K, T>,
  key: K,
  change: (row: T | undefined) => T | false | undefined,
): Conditional<T> {
  const row = rows.get(key);
  const next = change(row);
  if (next === false || next === undefined) return { t: 'notApplied', row };
  rows.set(key, next);
  return APPLIED;
}

interface StampedHit extends DedupHit {
  readonly writtenAt: number;
}

/** messages, dedup, conv_floor and conv_head in memory; conversations and members go to a ProjectionStore. */
export class MemoryLogTable extends Table implements LogTable {
  readonly #projections: Pick<ProjectionStore, 'write'>;
  /** By bucket, then seq; the rows of a seq by falling fence. */
  readonly #buckets = new Map<string, Map<Seq, StoredRow[]>>();
  readonly #dedup = new Map<string, StampedHit>();
  readonly #floors = new Map<ConversationId, FloorRow>();
  readonly #heads = new Map<ConversationId, HeadRow>();

  constructor(
    system: Surroundings,
    projections: Pick<ProjectionStore, 'write'>,
    options: ClusterTablesOptions = {},
  ) {
    super(system, options);
    this.#projections = projections;
  }

  async write(conv: ConversationId, rows: readonly LogRow[]): Promise<WriteOutcome> {
    const [first] = rows;
    if (first === undefined) return 'written';
    const key = bucketKey(conv, first.seq, (rows.at(-1) as LogRow).seq);
    return this.put('write', () => {
      const bucket = this.#buckets.get(key) ?? new Map<Seq, StoredRow[]>();
      this.#buckets.set(key, bucket);
      for (const row of rows) addRow(bucket, row);
    });
  }

  async rows(conv: ConversationId, from: Seq, to: Seq, limits: ReadLimits): Promise<RowRange> {
    const key = bucketKey(conv, from, to);
    return this.read('rows', () => range(this.#buckets.get(key), from, to, limits));
  }

  async rowsBackward(conv: ConversationId, from: Seq, to: Seq, limits: ReadLimits): Promise<RowRange> {
    const key = bucketKey(conv, from, to);
    return this.read('rowsBackward', () => range(this.#buckets.get(key), to, from, limits));
  }

  writeDedup(conv: ConversationId, rows: readonly AppendRow[]): Promise<WriteOutcome> {
    return this.put('writeDedup', () => {
      for (const { user, device, cmid, seq, env, hash } of rows) {
        const hit = { seq, ts: readU64(env, TS_AT), hash, writtenAt: this.now };
        if (cmid !== '') this.#dedup.set(`${conv} ${user} ${device} ${cmid}`, hit);
      }
    });
  }

  lookUp(conv: ConversationId, user: UserId, device: DeviceId, cmid: string): Promise<LookUpOutcome> {
    const look = (): LookUpOutcome => {
      const found = this.#dedup.get(`${conv} ${user} ${device} ${cmid}`);
      if (found === undefined || found.writtenAt <= this.now - LIMITS.dedupWindowMs) return { t: 'none' };
      return { t: 'found', hit: { seq: found.seq, ts: found.ts, hash: found.hash } };
    };
    return this.read('lookUp', look).catch((error: unknown) => {
      if (error instanceof StoreUnavailable) return { t: 'unavailable' };
      throw error;
    });
  }

  floor(conv: ConversationId): Promise<FloorRow | undefined> {
    return this.read('floor', () => this.#floors.get(conv));
  }
  writeFloor(conv: ConversationId, floor: FloorRow): Promise<WriteOutcome> {
    return this.put('writeFloor', () => {
      if (floor.fence > (this.#floors.get(conv)?.fence ?? -1)) this.#floors.set(conv, floor);
    });
  }

  head(conv: ConversationId): Promise<HeadRow | undefined> {
    return this.read('head', () => this.#heads.get(conv));
  }
  writeHead(conv: ConversationId, row: HeadRow): Promise<WriteOutcome> {
    return this.put('writeHead', () => {
      if (row.head > (this.#heads.get(conv)?.head ?? -1)) this.#heads.set(conv, row);
    });
  }

  async establish({ conversation, members }: Establishment): Promise<WriteOutcome> {
    let written: Promise<void> | undefined;
    const outcome = await this.put('establish', () => {
      written = this.#projections.write([
        { conv: conversation.conv, fence: 0, conversation, members, inbox: [] },
      ]);
    });
    await written;
    return outcome;
  }
}

/** What is there already stays: (conv, seq, fence) -> the rest never changes. */
function addRow(bucket: Map<Seq, StoredRow[]>, { seq, fence, c, m, x, env }: LogRow): void {
  const rows = bucket.get(seq) ?? [];
  bucket.set(seq, rows);
  const at = rows.findIndex((row) => row.fence <= fence);
  if (at >= 0 && rows[at]?.fence === fence) return;
  rows.splice(at < 0 ? rows.length : at, 0, { seq, fence, c, m, x, env });
}

/** From the seq `first` up, or down, to `last`. */
function range(
  bucket: Map<Seq, StoredRow[]> | undefined,
  first: Seq,
  last: Seq,
  { rowsMax, bytesMax }: ReadLimits,
): RowRange {
  const rows: StoredRow[] = [];
  const step = first <= last ? 1 : -1;
  let bytes = 0;
  for (let seq = first; seq !== last + step; seq += step) {
    const ofSeq = bucket?.get(seq) ?? [];
    for (const row of ofSeq) bytes += row.env.length;
    const fits = rows.length + ofSeq.length <= rowsMax && bytes <= bytesMax;
    if (!fits && rows.length > 0 && ofSeq.length > 0) return { rows, more: true };
    rows.push(...ofSeq);
  }
  return { rows, more: false };
}

function bucketKey(conv: ConversationId, from: Seq, to: Seq): string {
  return `${conv} ${commonBucket(from, to)}`;
}
