import type { UserId } from '../../src/core/ids.ts';
import { type Logger, type ProjectionStore, logUnlessAway, type System } from '../../src/core/ports.ts';
import type { OnlineUsers, UserMetrics } from './user-hub.ts';

const TICK_MS = 100;
const ROWS_PER_WRITE_MAX = 64;
const PENDING_MAX = 131_072;
const BACKOFF_MS = 2_000;
/** Those who stay online are written again, one round over all of them in this time or more. */
const ROUND_MS = 300_000;
const ROUND_USERS_PER_TICK_MAX = 16;

export interface LastSeenOptions {
  readonly store: Pick<ProjectionStore, 'writeSeen'>;
  readonly system: System;
  readonly logger: Logger;
  readonly metrics: UserMetrics;
  readonly online: OnlineUsers;
  /** Whether this node is the one to write it. */
  readonly isHome: (user: UserId) => boolean;
}

/**
 * Writes when users were last online: as they go, and now and then while they stay, at a bounded rate. What does not
 * get written in time is dropped and counted: it is a convenience.
 */
export class LastSeen {
  readonly #o: LastSeenOptions;
  readonly #pending = new Map<UserId, number>();
  #round: Iterator<UserId> | undefined;
  /** When the last round began, monotonic ms. */
  #roundAt = Number.NEGATIVE_INFINITY;
  #isWriting = false;
  #notBefore = 0;

  constructor(options: LastSeenOptions) {
    this.#o = options;
  }

  start(): { cancel(): void } {
    return this.#o.system.every(TICK_MS, () => this.#tick());
  }

  /** The user was online at `seen` (Unix ms). */
  note(user: UserId, seen: number): void {
    this.#pending.delete(user);
    this.#pending.set(user, seen);
    if (this.#pending.size <= PENDING_MAX) return;
    for (const oldest of this.#pending.keys()) {
      this.#pending.delete(oldest);
      this.#o.metrics.counts.lastSeenDropped++;
      return;
    }
  }

  /** What is not written yet; 0: nothing. */
  pending(user: UserId): number {
    return this.#pending.get(user) ?? 0;
  }

  /** Writes all that waits, unless the store fails. */
  async flush(): Promise<void> {
    while (this.#pending.size > 0 && (await this.#write()));
  }

  #tick(): void {
    this.#goRound();
    const { system } = this.#o;
    if (this.#isWriting || this.#pending.size === 0 || system.monotonic() < this.#notBefore) return;
    void this.#write();
  }

  #goRound(): void {
    const { online, isHome, system } = this.#o;
    const share = Math.ceil((online.size * TICK_MS) / ROUND_MS);
    for (let left = Math.min(share, ROUND_USERS_PER_TICK_MAX); left > 0; left--) {
      if (this.#round === undefined) {
        if (system.monotonic() - this.#roundAt < ROUND_MS) return;
        this.#roundAt = system.monotonic();
        this.#round = online.all();
      }
      const next = this.#round.next();
      if (next.done === true) {
        this.#round = undefined;
        return;
      }
      if (isHome(next.value)) this.note(next.value, system.now());
    }
  }

  /** False: the store failed. */
  async #write(): Promise<boolean> {
    const { store, system, logger, metrics } = this.#o;
    const taken: [UserId, number][] = [];
    for (const each of this.#pending) if (taken.push(each) === ROWS_PER_WRITE_MAX) break;
    this.#isWriting = true;
    let isWritten = false;
    try {
      await store.writeSeen(taken.map(([user, seen]) => ({ user, seen })));
      isWritten = true;
      metrics.counts.lastSeenWrites += taken.length;
      for (const [user, seen] of taken) if (this.#pending.get(user) === seen) this.#pending.delete(user);
    } catch (err) {
      logUnlessAway(logger, err, {}, 'when users were last seen was not written');
      this.#notBefore = system.monotonic() + BACKOFF_MS;
    }
    this.#isWriting = false;
    return isWritten;
  }
}
