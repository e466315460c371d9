import type { AppendOutcome, LookUpOutcome } from './actor.ts';
import type { ConversationId, DeviceId, NodeId, Seq, UserId } from './ids.ts';
import type { Answer, Delivery, NodeRequest } from './requests.ts';
import type {
  AppendBatch,
  ConversationRow,
  HandOver,
  Inbox,
  InboxRow,
  MemberRow,
  ProjectionWrite,
  StoredRow,
} from './rows.ts';
import type { UserRow, UserSettings } from './users.ts';

/** The outside interfaces. Each has one contract suite in test/contract that every adapter passes. */

/** A store is away or full: thrown (rejected) by reads and projection writes, never by `append`. */
export class StoreUnavailable extends Error {
  override readonly name = 'StoreUnavailable';
}

/** A hole where a row is committed: a broken store, an alarm, never skipped. */
export function missingRow(conv: ConversationId, seq: Seq): Error {
  return new Error(`conversation ${conv} has no row ${seq}: seq ${seq} is committed and not in the log`);
}

/** Logs why something was not done for which the store was asked; that it is away needs no word of each who asks. */
export function logUnlessAway(logger: Logger, err: unknown, fields: object, message: string): void {
  if (!(err instanceof StoreUnavailable)) logger.error({ err, ...fields }, message);
}

/** Where an append's outcome goes: once per batch, later than the call, in no promise. */
export interface AppendListener {
  appended(batch: AppendBatch, outcome: AppendOutcome): void;
}

export interface ReadLimits {
  readonly rowsMax: number;
  /** Of env bytes; at least one row is returned whatever its size. */
  readonly bytesMax: number;
}

/** The log of all conversations. */
export interface MessageStore {
  /** Writes the batch durably. Never throws; the listener hears of it exactly once. */
  append(batch: AppendBatch, listener: AppendListener): void;
  /**
   * Committed rows with from <= seq <= to, seqs rising. `newestFirst` counts the limits down from `to`,
   * else up from `from`. The caller knows that `to` is committed: a hole within is a broken store, and throws.
   */
  read(
    conv: ConversationId,
    from: Seq,
    to: Seq,
    newestFirst: boolean,
    limits: ReadLimits,
  ): Promise<StoredRow[]>;
  /** The highest seq in the log; 0 for none. */
  head(conv: ConversationId): Promise<Seq>;
  /** What was committed under a client message id within the deduplication window of 30 days. */
  lookUp(conv: ConversationId, user: UserId, device: DeviceId, cmid: string): Promise<LookUpOutcome>;
}

/** The small tables beside the log. What `append` established and `write` wrote is seen by reads that start later. */
export interface ProjectionStore {
  conversation(conv: ConversationId): Promise<ConversationRow | undefined>;
  members(conv: ConversationId): Promise<MemberRow[]>;
  /** The whole partition of one user. */
  inbox(user: UserId): Promise<Inbox>;
  inboxRow(user: UserId, conv: ConversationId): Promise<InboxRow | undefined>;
  /** Upserts, durable when the promise resolves. */
  write(writes: readonly ProjectionWrite[]): Promise<void>;
  /** What is kept of a user; of one never heard of it is all unset. */
  user(user: UserId): Promise<UserRow>;
  /** When users were online, durable when the promise resolves; of two times the later stays. */
  writeSeen(rows: readonly Pick<UserRow, 'user' | 'seen'>[]): Promise<void>;
  /** What the user has set, by all changes that were applied, whoever heard of it. */
  settings(user: UserId): Promise<UserSettings>;
  /** A conditional write: `to`, if what is set is `from`. Never rejects. */
  changeSettings(user: UserId, from: UserSettings, to: UserSettings): Promise<ChangeOutcome>;
}

/** unavailable: certainly not applied, and never will be. unknown: it may be, now or later. */
export type ChangeOutcome = 'applied' | 'notApplied' | 'unavailable' | 'unknown';

/** Dirty marks of a store with one owner for all; in a cluster they are the lease table's. */
export interface DirtyStore {
  /** Conversations marked dirty (AppendBatch.dirtySlot) and not cleared since: what a start walks. */
  dirty(): Promise<ConversationId[]>;
  /** Forgets the marks of slots below `slot`. */
  clearDirty(slot: number): Promise<void>;
}

/**
 * none: there is no such conversation, and nothing was claimed. notOwner: a live other node owns it. `recovered`:
 * the last term may have ended between a commit and its being told. `again`: the store did not answer well, and may
 * if asked again; else the node may not own anything now.
 */
export type Claim =
  | {
      readonly t: 'owned';
      readonly fence: number;
      readonly recovered: boolean;
      /** Resolves when it may be served, if not at once; what its actor starts from can be read meanwhile. */
      readonly ready?: Promise<void> | undefined;
      /** What the last owner handed over. */
      readonly warm?: HandOver | undefined;
      /** The log's last rows up to the head, if they were read: all from seq 1, or as many as an actor starts from. */
      readonly tail?: readonly StoredRow[] | undefined;
    }
  | { readonly t: 'none'; readonly fence: number }
  | { readonly t: 'notOwner'; readonly owner: NodeId }
  | { readonly t: 'unavailable'; readonly retryAfterMs: number; readonly again: boolean };

/** Who may append. Embedded, the locked data directory owns everything under one fence per start. */
export interface Ownership {
  /** Takes a conversation, recovered and fit to be served; of `none` the fence is what `establish` will have. */
  claim(conv: ConversationId): Promise<Claim>;
  /** Whether this node was still an owner after the call: what a read is answered upon. `true` needs no asking. */
  confirmed(): true | Promise<boolean>;
  /** The conversation is served no more; `atRest`: with nothing of unknown outcome. */
  letGo(conv: ConversationId, atRest: boolean): void;
}

/** Edges speak to owners through it: cluster/router. Requests of one session to one conversation stay in order. */
export interface OwnerLink {
  submit(request: NodeRequest): void;
  /** A user has a session now; owners answer with `head`s of what its inbox does not show yet. */
  announce(user: UserId): void;
  /** The user's last session here is gone. */
  depart(user: UserId): void;
  /** Has the edge told of the user's state, now and whenever it changes, and no more. */
  watch(user: UserId): void;
  unwatch(user: UserId): void;
}

/** Owners speak to edges through it: src/edge. Both calls only queue; the edge writes at the end of the turn. */
export interface EdgeLink {
  answer(request: NodeRequest, answer: Answer): void;
  deliver(delivery: Delivery): void;
}

/** Time, turns and chance; the simulation has one of its own. */
export interface System {
  /** Unix milliseconds. */
  now(): number;
  /** Milliseconds of a clock that never jumps. */
  monotonic(): number;
  /** Runs `task` after the present turn's I/O, in the order asked. */
  soon(task: () => void): void;
  after(ms: number, task: () => void): Timer;
  every(ms: number, task: () => void): Timer;
  /** `count` bytes, fit for ids and jitter. */
  random(count: number): Uint8Array;
}

export interface Timer {
  cancel(): void;
}

/** The slice of a logger that the code uses; pino is one. */
export interface Logger {
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}
