import type { UserId } from '../../src/core/ids.ts';
import type { System, Timer } from '../../src/core/ports.ts';
import type { PeerBounds } from './bounds.ts';
import type { PeerMetrics } from './peer-metrics.ts';

export interface ResyncOptions {
  readonly system: System;
  readonly metrics: PeerMetrics;
  readonly bounds: Pick<PeerBounds, 'resyncUsersPerTick' | 'resyncTickMs'>;
  readonly resync: (user: UserId) => void;
  /** Who has a session now: of others nothing is read. */
  readonly isOnline: (user: UserId) => boolean;
}

/** Whose inboxes are to be read again, each once, a bounded number at a time. Holds online users at most. */
export class ResyncQueue {
  readonly #options: ResyncOptions;
  readonly #waiting = new Set<UserId>();
  #timer: Timer | undefined;

  constructor(options: ResyncOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#waiting.size;
  }

  add(user: UserId): void {
    if (!this.#options.isOnline(user)) return;
    this.#waiting.add(user);
    this.#timer ??= this.#options.system.every(this.#options.bounds.resyncTickMs, () => this.#tick());
  }

  remove(user: UserId): void {
    this.#waiting.delete(user);
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#waiting.clear();
  }

  #tick(): void {
    let left = this.#options.bounds.resyncUsersPerTick;
    for (const user of this.#waiting) {
      if (left-- === 0) return;
      this.#waiting.delete(user);
      this.#options.metrics.counts.resyncs++;
      this.#options.resync(user);
    }
    this.#timer?.cancel();
    this.#timer = undefined;
  }
}
