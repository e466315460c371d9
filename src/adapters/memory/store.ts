import { missingRow, StoreUnavailable } from '../../core/ports.ts';
import type {
  AppendListener,
  ChangeOutcome,
  Claim,
  DirtyStore,
  MessageStore,
  Ownership,
  ProjectionStore,
  ReadLimits,
  System,
} from '../../core/ports.ts';
import type { AppendOutcome, LookUpOutcome } from '../../core/actor.ts';
import type { ConversationId, DeviceId, Seq, UserId } from '../../core/ids.ts';
import {
  type AppendBatch,
  type ConversationRow,
  type DedupHit,
  type Inbox,
  type InboxRow,
  type MemberRow,
  type ProjectionWrite,
  reflectedTo,
  type StoredRow,
} from '../../core/rows.ts';
import { UNSET, type UserRow, type UserSettings } from '../../core/users.ts';
import { LIMITS } from '../../protocol/limits.ts';
import { readU64, TS_AT } from '../../protocol/message-frame.ts';

/** What a test may have happen to an append instead of its plain success. */
export type AppendFault = 'unavailable' | 'unknownWritten' | 'unknownLost';

export interface MemoryStoreOptions {
  /** Asked once per append that would commit; undefined lets it. */
  readonly fault?: (batch: AppendBatch) => AppendFault | undefined;
}

/**
 * All four store ports in memory: the reference that the contract suites compare with, and the store of
 * tests that need none on disk. It outlives a "restart" of what uses it: `restart` raises the fence.
 */
export class MemoryStore implements MessageStore, ProjectionStore, DirtyStore, Ownership {
  /** While false, reads and projection writes reject and appends end as `unavailable`. */
  available = true;
  readonly #system: Pick<System, 'soon' | 'now'>;
  readonly #fault: (batch: AppendBatch) => AppendFault | undefined;
  #fence = 1;
  readonly #logs = new Map<ConversationId, StoredRow[]>();
  readonly #dedup = new Map<string, DedupHit>();
  readonly #conversations = new Map<ConversationId, ConversationRow>();
  readonly #members = new Map<ConversationId, Map<UserId, MemberRow>>();
  readonly #inboxes = new Map<UserId, Map<ConversationId, InboxRow>>();
  readonly #users = new Map<UserId, UserRow>();
  readonly #marked = new Map<number, Set<ConversationId>>();

  constructor(system: Pick<System, 'soon' | 'now'>, options: MemoryStoreOptions = {}) {
    this.#system = system;
    this.#fault = options.fault ?? (() => undefined);
  }

  get messages(): MessageStore {
    return this;
  }
  get projections(): ProjectionStore {
    return this;
  }
  get ownership(): Ownership {
    return this;
  }
  get fence(): number {
    return this.#fence;
  }

  /** A new term: batches of earlier ones are fenced off from now on. */
  restart(): void {
    this.#fence++;
  }

  append(batch: AppendBatch, listener: AppendListener): void {
    const outcome = this.#append(batch);
    this.#system.soon(() => listener.appended(batch, outcome));
  }

  #append(batch: AppendBatch): AppendOutcome {
    if (!this.available) return 'unavailable';
    if (batch.fence !== this.#fence) return 'fenced';
    const log = this.#logs.get(batch.conv) ?? [];
    if (batch.c !== log.length) return isRepeat(batch, log) ? 'committed' : 'fenced';
    const fault = this.#fault(batch);
    if (fault === 'unavailable') return 'unavailable';
    if (fault === 'unknownLost') return 'timedOutUnknown';
    this.#commit(batch, log);
    return fault === 'unknownWritten' ? 'timedOutUnknown' : 'committed';
  }

  #commit(batch: AppendBatch, log: StoredRow[]): void {
    const { conv, fence, c, establish, dirtySlot } = batch;
    if (establish !== undefined) {
      this.#conversations.set(conv, establish.conversation);
      for (const member of establish.members) of(this.#members, conv).set(member.user, member);
    }
    for (const row of batch.rows) {
      log.push({ seq: row.seq, fence, c, m: row.m, x: c, env: row.env });
      if (row.cmid === '') continue;
      const hit = { seq: row.seq, ts: readU64(row.env, TS_AT), hash: row.hash };
      this.#dedup.set(dedupKey(conv, row.user, row.device, row.cmid), hit);
    }
    if (log.length > 0) this.#logs.set(conv, log);
    if (dirtySlot === 0) return;
    const slot = this.#marked.get(dirtySlot) ?? new Set();
    this.#marked.set(dirtySlot, slot.add(conv));
  }

  async read(
    conv: ConversationId,
    from: Seq,
    to: Seq,
    newestFirst: boolean,
    limits: ReadLimits,
  ): Promise<StoredRow[]> {
    this.#check();
    const log = this.#logs.get(conv) ?? [];
    const rows: StoredRow[] = [];
    let bytes = 0;
    for (let i = 0; i <= to - from && rows.length < limits.rowsMax; i++) {
      const seq = newestFirst ? to - i : from + i;
      const row = log[seq - 1];
      if (row === undefined) throw missingRow(conv, seq);
      bytes += row.env.length;
      if (rows.length > 0 && bytes > limits.bytesMax) break;
      rows.push(row);
    }
    return newestFirst ? rows.reverse() : rows;
  }

  async head(conv: ConversationId): Promise<Seq> {
    this.#check();
    return this.#logs.get(conv)?.length ?? 0;
  }

  async lookUp(conv: ConversationId, user: UserId, device: DeviceId, cmid: string): Promise<LookUpOutcome> {
    if (!this.available) return { t: 'unavailable' };
    const hit = this.#dedup.get(dedupKey(conv, user, device, cmid));
    const fresh = hit !== undefined && hit.ts >= this.#system.now() - LIMITS.dedupWindowMs;
    return fresh ? { t: 'found', hit } : { t: 'none' };
  }

  async conversation(conv: ConversationId): Promise<ConversationRow | undefined> {
    this.#check();
    return this.#conversations.get(conv);
  }

  async members(conv: ConversationId): Promise<MemberRow[]> {
    this.#check();
    return [...(this.#members.get(conv)?.values() ?? [])];
  }

  async inbox(user: UserId): Promise<Inbox> {
    this.#check();
    return { rows: [...(this.#inboxes.get(user)?.values() ?? [])], settings: this.#user(user).settings };
  }

  async inboxRow(user: UserId, conv: ConversationId): Promise<InboxRow | undefined> {
    this.#check();
    return this.#inboxes.get(user)?.get(conv);
  }

  async write(writes: readonly ProjectionWrite[]): Promise<void> {
    this.#check();
    for (const { conv, conversation, members, inbox } of writes) {
      if (conversation !== undefined) putNewest(this.#conversations, conv, conversation, reflectedTo);
      for (const row of members) putNewest(of(this.#members, conv), row.user, row, memberStamp);
      for (const row of inbox) putNewest(of(this.#inboxes, row.user), conv, row, inboxStamp);
    }
  }

  async user(user: UserId): Promise<UserRow> {
    this.#check();
    return this.#user(user);
  }

  async writeSeen(rows: readonly Pick<UserRow, 'user' | 'seen'>[]): Promise<void> {
    this.#check();
    for (const { user, seen } of rows) {
      const present = this.#user(user);
      this.#users.set(user, { ...present, seen: Math.max(seen, present.seen) });
    }
  }

  async settings(user: UserId): Promise<UserSettings> {
    this.#check();
    return this.#user(user).settings;
  }

  async changeSettings(user: UserId, from: UserSettings, to: UserSettings): Promise<ChangeOutcome> {
    if (!this.available) return 'unavailable';
    const present = this.#user(user);
    if (present.settings.at !== from.at) return 'notApplied';
    this.#users.set(user, { ...present, settings: to });
    return 'applied';
  }

  #user(user: UserId): UserRow {
    return this.#users.get(user) ?? { user, settings: UNSET, seen: 0 };
  }

  async dirty(): Promise<ConversationId[]> {
    this.#check();
    return [...new Set([...this.#marked.values()].flatMap((slot) => [...slot]))];
  }

  async clearDirty(slot: number): Promise<void> {
    this.#check();
    for (const marked of this.#marked.keys()) if (marked < slot) this.#marked.delete(marked);
  }

  async claim(_conv: ConversationId): Promise<Claim> {
    if (!this.available) return { t: 'unavailable', retryAfterMs: 1_000, again: false };
    return { t: 'owned', fence: this.#fence, recovered: false };
  }

  confirmed(): true {
    return true;
  }

  letGo(): void {
    return; // nothing is kept for who owns it
  }

  #check(): void {
    if (!this.available) throw new StoreUnavailable('the store is away');
  }
}

/** Whether all of the batch is in the log already, byte for byte: a retry whose first try had worked. */
function isRepeat(batch: AppendBatch, log: readonly StoredRow[]): boolean {
  return batch.rows.every((row) => {
    const stored = log[row.seq - 1];
    return stored !== undefined && Buffer.compare(stored.env, row.env) === 0;
  });
}

function dedupKey(conv: ConversationId, user: UserId, device: DeviceId, cmid: string): string {
  return `${conv} ${user} ${device} ${cmid}`;
}

function of<K, L, V>(maps: Map<K, Map<L, V>>, key: K): Map<L, V> {
  let map = maps.get(key);
  if (map === undefined) maps.set(key, (map = new Map()));
  return map;
}

/** A late write never wins over a newer one; among equals the later does. */
function putNewest<K, V>(map: Map<K, V>, key: K, row: V, stamp: (row: V) => number): void {
  const present = map.get(key);
  if (present === undefined || stamp(row) >= stamp(present)) map.set(key, row);
}

function memberStamp(row: MemberRow): number {
  return Math.max(row.join, row.left, row.delivered);
}

function inboxStamp(row: InboxRow): number {
  return Math.max(row.entry.head, row.entry.removed ?? 0);
}
