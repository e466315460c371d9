import type { ConversationActor } from '../src/core/actor.ts';
import type { ConversationId, UserId } from '../src/core/ids.ts';
import type { PrefsRequest } from '../src/core/requests.ts';
import type { EdgeLink, Logger, Ownership, ProjectionStore, System } from '../src/core/ports.ts';
import type { ProjectionWrite } from '../src/core/rows.ts';
import { OVERLOADED_RETRY_MS, refuse, refuseTooLate } from './refusals.ts';

const TICK_MS = 25;
/** Directs, and what single users wait for. */
const SOON_MS = 1_000;
/** All members of a group: a row each. */
const LATE_MS = 5_000;

/** How much may be written, which is a matter of what a row costs the store. */
export interface ProjectionRates {
  /** Rows per tick of 25 ms, … */
  readonly rowsPerTick: number;
  /** … and while much else is to be done: conversations then wait, and are written once for more messages. */
  readonly rowsPerBusyTick: number;
}
export const PROJECTION_RATES: ProjectionRates = { rowsPerTick: 256, rowsPerBusyTick: 48 };

/** Requests about one conversation that wait for the same write. */
const REQUESTS_MAX = 256;
/** Rows of one write when there is nothing else to do any more. */
const ROWS_PER_FLUSH_MAX = 4_096;
const BACKOFF_FIRST_MS = 200;
const BACKOFF_MAX_MS = 5_000;

export interface ProjectorOptions {
  readonly store: Pick<ProjectionStore, 'write'>;
  readonly ownership: Pick<Ownership, 'confirmed'>;
  readonly edge: EdgeLink;
  readonly system: System;
  readonly logger: Logger;
  /** Whether the process has more urgent things to do. */
  readonly isBusy?: () => boolean;
  /** Whether only what someone waits for should be written, for a few seconds. */
  readonly isRush?: (() => boolean) | undefined;
  readonly rates?: ProjectionRates | undefined;
}

/** What is still to be written about one conversation. */
interface Dirty {
  actor: ConversationActor;
  dueAt: number;
  /** The slot in which it became dirty: its mark must outlive the write. */
  slot: number;
  /** Whether to write about all members, … */
  everyone: boolean;
  /** … and those about whom something was said by name: their own devices are told when it is durable. */
  readonly named: Set<UserId>;
  /** Members whose cursors moved: all are told when it is durable. */
  readonly cursors: Set<UserId>;
  /** They are answered when what they changed is durable. */
  readonly requests: PrefsRequest[];
}

/**
 * Writes the small tables behind the log: an inbox row at most once per interval, at a bounded rate, one write in
 * flight, repeated with backoff until it is durable. Holds at most one item per active actor. Until a
 * conversation is written it remembers who must be told of it on connecting.
 */
export class Projector {
  readonly #o: ProjectorOptions;
  /** Each in the order of becoming due, since its interval is a constant: soon, and late. A group may be in both. */
  readonly #queues: readonly [Map<ConversationId, Dirty>, Map<ConversationId, Dirty>] = [
    new Map(),
    new Map(),
  ];
  /** Those that someone waits for: they go before all others. */
  readonly #urgent = new Map<ConversationId, Dirty>();
  #writing = new Map<ConversationId, Dirty>();
  /** Whom the inbox does not show these conversations yet. */
  readonly #remembered = new Map<UserId, Set<ConversationId>>();
  #isWriting = false;
  /** Which queue goes first, in turn. */
  #first: 0 | 1 = 0;
  #backoffMs = 0;
  #notBefore = 0;
  #whenWritten: (() => void)[] = [];

  constructor(options: ProjectorOptions) {
    this.#o = options;
  }

  /** Starts writing what is due; returns the timer, for the host to stop. */
  start(): { cancel(): void } {
    return this.#o.system.every(TICK_MS, () => this.#tick());
  }

  get pending(): number {
    return this.#urgent.size + this.#queues[0].size + this.#queues[1].size + this.#writing.size;
  }

  isDirty(conv: ConversationId): boolean {
    const isIn = (items: ReadonlyMap<ConversationId, Dirty>): boolean => items.has(conv);
    return isIn(this.#urgent) || this.#queues.some(isIn) || isIn(this.#writing);
  }

  /** The lowest slot that a start after a crash must still walk. */
  oldestSlot(current: number): number {
    let oldest = current;
    for (const items of [this.#urgent, ...this.#queues, this.#writing])
      for (const { slot } of items.values()) if (slot > 0) oldest = Math.min(oldest, slot);
    return oldest;
  }

  /** How many users are remembered. */
  get remembered(): number {
    return this.#remembered.size;
  }

  /** Has the conversation written, about one user soon, or about all. */
  mark(actor: ConversationActor, user: UserId | undefined, slot: number): void {
    const item = this.#item(actor, user !== undefined || actor.users.length <= 2, slot);
    if (user !== undefined) {
      item.named.add(user);
      this.#remember(user, actor.conv);
    } else if (!item.everyone) {
      item.everyone = true;
      for (const member of actor.users) this.#remember(member, actor.conv);
    }
  }

  /** Has a member's cursor written soon, and then shown to all. */
  markCursor(actor: ConversationActor, user: UserId, slot: number): void {
    this.#item(actor, true, slot).cursors.add(user);
  }

  /** Has what a member has set written next, then told to the member's devices, and the request answered. */
  whenWritten(actor: ConversationActor, request: PrefsRequest, slot: number): void {
    const { conv, user } = request;
    const item = this.#urgent.get(conv) ?? newItem(actor, 0, slot);
    if (item.requests.length >= REQUESTS_MAX) {
      const message = 'Too many changes wait to be written.';
      refuse(this.#o.edge, request, 'overloaded', message, OVERLOADED_RETRY_MS);
      return;
    }
    this.#use(item, actor);
    item.named.add(user);
    item.requests.push(request);
    this.#urgent.set(conv, item);
    this.#remember(user, conv);
  }

  /** Has what waits of the conversation written next. */
  hurry(conv: ConversationId): void {
    for (const queue of this.#queues) {
      const item = queue.get(conv);
      if (item === undefined) continue;
      queue.delete(conv);
      item.dueAt = 0;
      put(this.#urgent, item);
    }
    this.#tick();
  }

  /** Tells a user who connects now of all that the inbox may not show yet. */
  announce(user: UserId): void {
    for (const conv of this.#remembered.get(user) ?? []) {
      const entry = (this.#itemsOf(conv)[0] ?? this.#writing.get(conv))?.actor.entryFor(user);
      if (entry !== undefined) this.#o.edge.deliver({ t: 'conversation', user, entry });
    }
  }

  /** Writes everything now; resolves when nothing is left, however long the store takes. */
  flush(): Promise<void> {
    for (const queue of this.#queues) for (const item of queue.values()) item.dueAt = 0;
    return new Promise((resolve) => {
      this.#whenWritten.push(resolve);
      this.#tick();
    });
  }

  #item(actor: ConversationActor, isSoon: boolean, slot: number): Dirty {
    const { conv } = actor;
    for (const item of this.#itemsOf(conv)) this.#use(item, actor);
    const queue = this.#queues[isSoon ? 0 : 1];
    let item = this.#urgent.get(conv) ?? queue.get(conv);
    if (item === undefined) {
      const dueAt = this.#o.system.monotonic() + (isSoon ? SOON_MS : LATE_MS);
      item = newItem(actor, dueAt, slot);
      queue.set(conv, item);
    }
    return item;
  }

  /** The actor may be of a newer term, which knows nothing of what the last one had still to write for its users. */
  #use(item: Dirty, actor: ConversationActor): void {
    if (item.actor !== actor) this.#tooLate(item);
    item.actor = actor;
  }

  /** What waits of the conversation. */
  #itemsOf(conv: ConversationId): Dirty[] {
    const items: Dirty[] = [];
    for (const waiting of [this.#urgent, ...this.#queues]) {
      const item = waiting.get(conv);
      if (item !== undefined) items.push(item);
    }
    return items;
  }

  #tick(): void {
    if (this.#isWriting) return;
    const now = this.#o.system.monotonic();
    if (now >= this.#notBefore && this.#gather(now)) void this.#write();
    else if (this.pending === 0) {
      const waiting = this.#whenWritten;
      this.#whenWritten = [];
      for (const resolve of waiting) resolve();
    }
  }

  /** Moves what is due to `writing`, up to a bound of rows; false when there is nothing to write. */
  #gather(now: number): boolean {
    if (this.#writing.size > 0) return true; // a write that failed
    const rowsMax = this.#rowsMax();
    const isRush = this.#o.isRush?.() === true && this.#whenWritten.length === 0;
    this.#first = this.#first === 0 ? 1 : 0;
    let rows = 0;
    const queues = [this.#queues[this.#first], this.#queues[1 - this.#first] as Map<ConversationId, Dirty>];
    for (const queue of [this.#urgent, ...(isRush ? [] : queues)]) {
      for (const [conv, item] of queue) {
        if (item.dueAt > now || rows >= rowsMax) break;
        rows += 1 + (item.everyone ? item.actor.users.length : item.named.size);
        queue.delete(conv);
        put(this.#writing, item);
      }
    }
    return this.#writing.size > 0;
  }

  #rowsMax(): number {
    if (this.#whenWritten.length > 0) return ROWS_PER_FLUSH_MAX;
    const { isBusy, rates = PROJECTION_RATES } = this.#o;
    return isBusy?.() === true ? rates.rowsPerBusyTick : rates.rowsPerTick;
  }

  async #write(): Promise<void> {
    this.#isWriting = true;
    const writes: ProjectionWrite[] = [];
    for (const { actor, everyone, named } of this.#writing.values())
      writes.push(actor.projection(everyone ? undefined : named));
    try {
      await this.#o.store.write(writes);
      this.#written(writes, await this.#isStillOwner());
      this.#backoffMs = 0;
    } catch (error) {
      this.#backoffMs = Math.min(BACKOFF_MAX_MS, Math.max(BACKOFF_FIRST_MS, this.#backoffMs * 2));
      this.#notBefore = this.#o.system.monotonic() + this.#backoffMs;
      this.#o.logger.warn(
        { err: error, conversations: writes.length, retryMs: this.#backoffMs },
        'projections not written',
      );
    }
    this.#isWriting = false;
    if (this.#writing.size === 0 && (this.#whenWritten.length > 0 || this.#urgent.size > 0)) this.#tick();
  }

  /**
   * Whoever is told of a cursor will not send it again, so the next owner must have it: it reads what was written
   * before this node was confirmed to own after it. (A next term of this node's own begins with its actor sealed.)
   */
  #isStillOwner(): boolean | Promise<boolean> {
    for (const { named, cursors } of this.#writing.values())
      if (named.size + cursors.size > 0) return this.#o.ownership.confirmed();
    return true;
  }

  #written(writes: readonly ProjectionWrite[], isStillOwner: boolean): void {
    const written = this.#writing;
    this.#writing = new Map();
    if (!isStillOwner) this.#notBefore = this.#o.system.monotonic() + BACKOFF_FIRST_MS;
    for (const write of writes) {
      const item = written.get(write.conv);
      if (item === undefined) continue;
      item.actor.projected(write);
      this.#forget(write, item);
      if (item.actor.sealed) this.#tooLate(item);
      else if (isStillOwner) this.#tell(item, write);
      else this.#again(item);
    }
  }

  #tell({ actor, named, cursors, requests }: Dirty, write: ProjectionWrite): void {
    const { edge } = this.#o;
    for (const user of named) {
      // What a member who has left was shown last is in the write only.
      const entry = actor.entryFor(user) ?? write.inbox.find((row) => row.user === user)?.entry;
      if (entry !== undefined) edge.deliver({ t: 'conversation', user, entry });
    }
    for (const receipt of actor.receiptsOf(cursors, write)) edge.deliver(receipt);
    for (const request of requests) edge.answer(request, { t: 'ok', seq: undefined, members: undefined });
  }

  /** The next term may have begun without it: whoever wants it sets it again. */
  #tooLate({ requests }: Dirty): void {
    for (const request of requests.splice(0)) refuseTooLate(this.#o.edge, request);
  }

  /** To be written and told once more, if the term goes on. */
  #again({ actor, slot, named, cursors, requests }: Dirty): void {
    for (const user of named) this.mark(actor, user, slot);
    for (const user of cursors) this.markCursor(actor, user, slot);
    for (const request of requests) this.whenWritten(actor, request, slot);
  }

  #remember(user: UserId, conv: ConversationId): void {
    const convs = this.#remembered.get(user);
    if (convs === undefined) this.#remembered.set(user, new Set([conv]));
    else convs.add(conv);
  }

  /** Forgets those whom the write was about, but for whom a newer item will be written. */
  #forget(write: ProjectionWrite, item: Dirty): void {
    const kept = new Set<UserId>();
    for (const { named, everyone, actor } of this.#itemsOf(write.conv)) {
      for (const user of named) kept.add(user);
      if (everyone) for (const user of actor.users) kept.add(user);
    }
    for (const { user } of write.inbox) this.#forgetOne(user, write.conv, kept);
    for (const user of item.named) this.#forgetOne(user, write.conv, kept);
    // A member may have been remembered who is not to be shown the conversation yet.
    if (item.everyone) for (const user of item.actor.users) this.#forgetOne(user, write.conv, kept);
  }

  #forgetOne(user: UserId, conv: ConversationId, kept: ReadonlySet<UserId>): void {
    if (kept.has(user)) return;
    const convs = this.#remembered.get(user);
    convs?.delete(conv);
    if (convs?.size === 0) this.#remembered.delete(user);
  }
}

/** Adds an item to those of a conversation's that are there. */
function put(items: Map<ConversationId, Dirty>, item: Dirty): void {
  const { conv } = item.actor;
  const present = items.get(conv);
  if (present === undefined) {
    items.set(conv, item);
    return;
  }
  present.actor = item.actor;
  present.everyone ||= item.everyone;
  if (item.slot > 0) present.slot = present.slot > 0 ? Math.min(present.slot, item.slot) : item.slot;
  for (const user of item.named) present.named.add(user);
  for (const user of item.cursors) present.cursors.add(user);
  present.requests.push(...item.requests);
}

function newItem(actor: ConversationActor, dueAt: number, slot: number): Dirty {
  return { actor, dueAt, slot, everyone: false, named: new Set(), cursors: new Set(), requests: [] };
}
