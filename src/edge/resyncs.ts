import type { UserId } from '../core/ids.ts';
import {
  type Logger,
  type ProjectionStore,
  StoreUnavailable,
  type System,
  type Timer,
} from '../core/ports.ts';
import type { Inbox, InboxRow } from '../core/rows.ts';
import type { EdgeBounds } from './bounds.ts';
import type { SessionCloser } from './farewell.ts';
import type { FanOut } from './fan-out.ts';
import { ReadGate } from './read-gate.ts';
import type { Registry } from './registry.ts';
import { RETRY_AFTER_MS } from './replies.ts';
import type { SettingsNews } from './settings.ts';
import { changedSince, cursorOf, reshapedSince, shapeOf } from './sync-cursor.ts';

/** While the store is away one inbox is tried at a time, after a wait that doubles. */
const WAIT_MS_MIN = 250;
const WAIT_MS_MAX = 2_000;
/** Once it answers: how fast what was left waiting is read. */
const TICK_MS = 100;
const USERS_PER_TICK = 100;

export interface ResyncsOptions {
  readonly system: System;
  readonly logger: Logger;
  readonly bounds: Pick<EdgeBounds, 'resyncReadsMax'>;
  readonly projections: Pick<ProjectionStore, 'inbox'>;
  readonly gate: ReadGate;
  readonly registry: Registry;
  readonly fanOut: FanOut;
  readonly settings: SettingsNews;
  readonly closer: SessionCloser;
}

/** queued: its read has not begun. again: it has, and what was asked for since it began needs another. */
type Reading = 'queued' | 'reading' | 'again';

/**
 * Reads inboxes of users again whose sessions may have missed something, and tells the sessions what is news. What a
 * session was told is known by the digests of its inbox at its `welcome` or last resync, and by the last event
 * forwarded to it: conversations that share a bucket with a changed one may be told again, changed ones always are.
 */
export class Resyncs {
  readonly #options: ResyncsOptions;
  /** Behind it at most this many of these reads stand before a newcomer's. */
  readonly #gate: ReadGate;
  /** At most one per user who was online when it began. */
  readonly #readings = new Map<UserId, Reading>();
  /** Users whose inbox could not be read: of those online only. */
  readonly #owed = new Set<UserId>();
  /** Before the store is tried again; 0: it answers. */
  #waitMs = 0;
  #isLogged = false;
  #isStopped = false;
  #timer: Timer | undefined;

  constructor(options: ResyncsOptions) {
    this.#options = options;
    this.#gate = new ReadGate(options.bounds.resyncReadsMax);
  }

  resync(user: UserId): void {
    const reading = this.#readings.get(user);
    if (reading === 'reading') this.#readings.set(user, 'again');
    if (reading !== undefined || !this.#isOnline(user)) return;
    if (this.#waitMs > 0) this.#owed.add(user);
    else this.#begin(user);
  }

  /** The user has no session any more. */
  forget(user: UserId): void {
    this.#owed.delete(user);
  }

  stop(): void {
    this.#isStopped = true;
    this.#timer?.cancel();
    this.#owed.clear();
  }

  #isOnline(user: UserId): boolean {
    return (this.#options.registry.account(user)?.sessions.length ?? 0) > 0;
  }

  #begin(user: UserId): void {
    this.#owed.delete(user);
    this.#readings.set(user, 'queued');
    void this.#run(user);
  }

  async #run(user: UserId): Promise<void> {
    try {
      const { rows, settings } = await this.#read(user);
      this.#answered();
      const account = this.#options.registry.account(user);
      if (account !== undefined) this.#options.settings.heard(account, settings);
      this.#tell(user, rows);
    } catch (err) {
      if (err instanceof StoreUnavailable) this.#failed(user);
      else this.#giveUp(user, err);
    }
    const isWantedAgain = this.#readings.get(user) === 'again';
    this.#readings.delete(user);
    if (isWantedAgain) this.resync(user);
  }

  #read(user: UserId): Promise<Inbox> {
    const { gate, projections } = this.#options;
    const read = (): Promise<Inbox> => {
      this.#readings.set(user, 'reading');
      return projections.inbox(user);
    };
    return this.#gate.run(() => gate.run(read));
  }

  #tell(user: UserId, rows: readonly InboxRow[]): void {
    const { registry, fanOut } = this.#options;
    const sessions = registry.account(user)?.sessions ?? [];
    const entries = rows.map((row) => row.entry);
    const cursor = cursorOf(entries);
    for (const session of [...sessions]) {
      // It may have read its inbox before: once it was told that, the two can be compared.
      if (session.mode === 'greeting') session.mustResync = true;
      if (session.mode === 'greeting' || session.cursor === cursor) continue;
      const hasChanged = changedSince(session.cursor, entries);
      const isReshaped = reshapedSince(session.shape, entries);
      for (const entry of entries) if (hasChanged(entry)) fanOut.refresh(session, entry, isReshaped(entry));
      session.cursor = cursor;
      session.shape = shapeOf(entries);
    }
  }

  /** What is wrong here is wrong at a `hello` too, which says so: the sessions are not left behind unknowing. */
  #giveUp(user: UserId, err: unknown): void {
    const { logger, registry, closer } = this.#options;
    logger.error({ err, user }, 'an inbox could not be told again');
    for (const session of [...(registry.account(user)?.sessions ?? [])])
      closer.close(session, 'internal', RETRY_AFTER_MS);
  }

  // --- while the store is away ---

  #failed(user: UserId): void {
    if (this.#isOnline(user)) this.#owed.add(user);
    if (this.#waitMs > 0 && this.#timer !== undefined) return; // of the same outage
    if (!this.#isLogged) this.#options.logger.warn({}, 'inboxes cannot be read again: the store is away');
    this.#isLogged = true;
    this.#waitMs = Math.min(Math.max(WAIT_MS_MIN, 2 * this.#waitMs), WAIT_MS_MAX);
    this.#retryAfter(this.#waitMs);
  }

  #answered(): void {
    if (this.#waitMs === 0) return;
    this.#waitMs = 0;
    this.#retryAfter(TICK_MS);
  }

  #retryAfter(ms: number): void {
    this.#timer?.cancel();
    this.#timer = this.#isStopped ? undefined : this.#options.system.after(ms, this.#retry);
  }

  readonly #retry = (): void => {
    this.#timer = undefined;
    const isTrial = this.#waitMs > 0;
    let left = isTrial ? 1 : USERS_PER_TICK;
    for (const user of this.#owed) {
      if (left-- === 0) break;
      this.#begin(user);
      if (isTrial) return; // its outcome decides how to go on
    }
    this.#waitMs = 0;
    if (this.#owed.size > 0) this.#retryAfter(TICK_MS);
    else this.#over();
  };

  #over(): void {
    if (this.#isLogged) this.#options.logger.info({}, 'inboxes are read again');
    this.#isLogged = false;
  }
}
