import type { LookUpOutcome } from './actor.ts';
import type { ConversationId, DeviceId, NodeId, Seq, UserId } from './ids.ts';
import type { ProjectionStore, ReadLimits } from './ports.ts';
import type { AppendRow, Establishment, StoredRow } from './rows.ts';

/**
 * What the cluster asks of shared services: the tables of DESIGN section 6 and a bus. cluster/ makes the ports
 * of ports.ts out of them; an adapter knows statements and consistency levels, and nothing of the protocol.
 */

/** written: at a quorum. unavailable: certainly not applied anywhere. unknown: it may or may not have been. */
export type WriteOutcome = 'written' | 'unavailable' | 'unknown';

/**
 * A conditional write (LWT). notApplied carries the row as it is, undefined for none. unavailable: certainly not
 * applied, and never will be. unknown: it may be, now or later.
 */
export type Conditional<T> =
  | { readonly t: 'applied' }
  | { readonly t: 'notApplied'; readonly row: T | undefined }
  | { readonly t: 'unavailable' }
  | { readonly t: 'unknown' };

/** What a node says of itself with each heartbeat. */
export interface Beat {
  /** Whether the node's bus is up. */
  readonly bus: boolean;
  /** The oldest slot that may hold a conversation neither passivated nor listed later. */
  readonly dirtyFrom: number;
  /** It is to own nothing: the ring leaves it out, and it hands over what it owns. */
  readonly draining: boolean;
  /** Conversations in its memory, … */
  readonly owned: number;
  /** … those of them that the ring gives to others, … */
  readonly moving: number;
  /** … and those whose inbox rows, or whose members, are behind. */
  readonly lag: number;
}

/** A node's life: `live` once, `dead` once, never deleted. */
export interface LeaseRow extends Beat {
  readonly node: NodeId;
  readonly state: 'live' | 'dead';
  /** Rises by 1 with each heartbeat. */
  readonly hb: number;
  /** Where its admin port answers; '' if nowhere. */
  readonly addr: string;
  readonly roles: string;
  /** Of a dead node: whether its dirty conversations were all walked. */
  readonly walked: boolean;
}

/** Of a node that has said nothing yet. */
export const NO_BEAT: Beat = { bus: false, dirtyFrom: 0, draining: false, owned: 0, moving: 0, lag: 0 };

/** Of a node that has no row: it has claimed nothing, so there is nothing of it to walk. */
export function deadLease(node: NodeId): LeaseRow {
  return { ...NO_BEAT, node, state: 'dead', hb: 0, addr: '', roles: '', walked: true };
}

/** Who owns a conversation, since which fence, and from where its log must be looked at. */
export interface OwnerRow {
  readonly owner: NodeId;
  readonly fence: number;
  /** A committed seq: 0, or what a release wrote. */
  readonly head: Seq;
}

/** Rows at or above `start` of a fence below `fence` are void. */
export interface FloorRow {
  readonly fence: number;
  readonly start: Seq;
}

export interface HeadRow {
  readonly head: Seq;
  readonly n: number;
  readonly ts: number;
}

/** node_lease, node_dirty and conv_owner: changed by LWT alone (serial LOCAL_SERIAL, commit LOCAL_QUORUM). */
export interface LeaseTable {
  /** INSERT … IF NOT EXISTS. */
  insertNode(row: LeaseRow): Promise<Conditional<LeaseRow>>;
  /** SET hb = hb (and all of the beat) IF state = 'live'. */
  heartbeat(node: NodeId, hb: number, beat: Beat): Promise<Conditional<LeaseRow>>;
  /** SET state = 'dead' IF hb = seen, or with 'dead' IF state = 'dead' (a confirmation). */
  markDead(node: NodeId, seen: number | 'dead'): Promise<Conditional<LeaseRow>>;
  /** A missing row: INSERT … state = 'dead' IF NOT EXISTS. */
  insertDead(node: NodeId): Promise<Conditional<LeaseRow>>;
  /** SET walked = true IF state = 'dead'. */
  markWalked(node: NodeId): Promise<Conditional<LeaseRow>>;
  /** All rows, at LOCAL_QUORUM. Rejects with StoreUnavailable. */
  nodes(): Promise<LeaseRow[]>;
  /** One row by a serial read. Rejects with StoreUnavailable. */
  node(node: NodeId): Promise<LeaseRow | undefined>;
  /** One row at LOCAL_QUORUM: the read that a barrier is. Rejects with StoreUnavailable. */
  barrier(node: NodeId): Promise<LeaseRow | undefined>;

  /** One row by a serial read. Rejects with StoreUnavailable. */
  owner(conv: ConversationId): Promise<OwnerRow | undefined>;
  /** One row at LOCAL_QUORUM: it was so once, and may have changed since. Rejects with StoreUnavailable. */
  ownerOnce(conv: ConversationId): Promise<OwnerRow | undefined>;
  /** INSERT (owner, fence 1, head 0) IF NOT EXISTS. */
  insertOwner(conv: ConversationId, owner: NodeId): Promise<Conditional<OwnerRow>>;
  /** SET owner = to, fence = fence + 1 IF owner = from AND fence = fence. */
  claim(conv: ConversationId, from: NodeId, fence: number, to: NodeId): Promise<Conditional<OwnerRow>>;
  /** SET owner = next, fence = fence + 1, head = head IF owner = me AND fence = fence. */
  release(
    conv: ConversationId,
    me: NodeId,
    fence: number,
    next: NodeId,
    head: Seq,
  ): Promise<Conditional<OwnerRow>>;

  /** Marks conversations dirty in a node's slot: one partition, LOCAL_QUORUM. */
  markDirty(
    node: NodeId,
    slot: number,
    marks: readonly { readonly conv: ConversationId; readonly fence: number }[],
  ): Promise<WriteOutcome>;
  /** What a node marked in a slot. Rejects with StoreUnavailable. */
  dirty(node: NodeId, slot: number): Promise<ConversationId[]>;
}

/** A row on its way, with what its fence and its batch add. */
export interface LogRow extends AppendRow {
  readonly fence: number;
  readonly c: Seq;
  readonly x: Seq;
}

export interface RowRange {
  readonly rows: StoredRow[];
  /** Whether a limit ended it: there may be more in the direction read. */
  readonly more: boolean;
}

/** messages, dedup_runs, conv_floor and conv_head. Everything at LOCAL_QUORUM; reads reject with StoreUnavailable. */
export interface LogTable {
  /** One unlogged batch in one partition: rows of one bucket. The same rows written again change nothing. */
  write(conv: ConversationId, rows: readonly LogRow[]): Promise<WriteOutcome>;
  /**
   * Rows of every fence with from <= seq <= to, within one bucket, seqs rising and fences falling per seq. Of a
   * seq that is returned, all rows are, and one seq at least; beyond that `limits` count rows of every fence.
   */
  rows(conv: ConversationId, from: Seq, to: Seq, limits: ReadLimits): Promise<RowRange>;
  /** The same from the newest seq down: seqs fall, and fences fall per seq. */
  rowsBackward(conv: ConversationId, from: Seq, to: Seq, limits: ReadLimits): Promise<RowRange>;
  writeDedup(conv: ConversationId, rows: readonly AppendRow[]): Promise<WriteOutcome>;
  lookUp(conv: ConversationId, user: UserId, device: DeviceId, cmid: string): Promise<LookUpOutcome>;
  floor(conv: ConversationId): Promise<FloorRow | undefined>;
  /** USING TIMESTAMP fence. */
  writeFloor(conv: ConversationId, floor: FloorRow): Promise<WriteOutcome>;
  head(conv: ConversationId): Promise<HeadRow | undefined>;
  /** USING TIMESTAMP head. */
  writeHead(conv: ConversationId, row: HeadRow): Promise<WriteOutcome>;
  /** The rows of a new conversation and its members, durable before anything else of it. */
  establish(establishment: Establishment): Promise<WriteOutcome>;
}

/** The shared tables of a cluster. */
export interface ClusterStore {
  readonly leases: LeaseTable;
  readonly log: LogTable;
  readonly projections: ProjectionStore;
}

/** What the bus takes in one message: nats-server's own default for `max_payload`. */
export const BUS_MESSAGE_BYTES_MAX = 1024 * 1024;

export interface BusSubscription {
  stop(): void;
}

/**
 * Bytes to whoever listens on a subject: at most once, in order per publisher and subject while the connection
 * lasts, lost while it does not. Nothing is kept for later.
 */
export interface Bus {
  /** False when it was not taken: disconnected, or over the bound of what may be pending. */
  publish(subject: string, bytes: Uint8Array): boolean;
  subscribe(subject: string, receive: (bytes: Uint8Array) => void): BusSubscription;
  readonly connected: boolean;
  /** Called at each change of `connected`. */
  onChange(listener: (connected: boolean) => void): void;
  close(): Promise<void>;
}
