import type { LeaseTable } from '../src/core/cluster-ports.ts';
import type { System } from '../src/core/ports.ts';
import type { Term } from './term.ts';

/** At most one barrier starts per this long; it serves all that asked before it started. */
const INTERVAL_MS = 2;
/** When the last one served so many, the next one is worth a longer wait. */
const BUSY_WAITERS_MIN = 4;
const BUSY_INTERVAL_MS = 5;
const RETRY_MS = 50;

interface Waiter {
  readonly deadline: number;
  readonly resolve: (live: boolean) => void;
}

/**
 * The commit point of everything: a quorum read of the node's own lease row that starts after it was asked for
 * and says `live`. Whoever killed the node before that read's start has left its mark at a quorum.
 */
export class Barrier {
  readonly #table: LeaseTable;
  readonly #term: Term;
  readonly #system: System;
  readonly #seconds: { observe(seconds: number): void };
  #waiting: Waiter[] = [];
  #asked = false;
  #startedAt = -INTERVAL_MS;
  #lastServed = 0;

  /** `seconds` measures the reads. */
  constructor(
    table: LeaseTable,
    term: Term,
    system: System,
    seconds: { observe(seconds: number): void } = { observe: () => undefined },
  ) {
    this.#seconds = seconds;
    this.#table = table;
    this.#term = term;
    this.#system = system;
  }

  /** Whether the node was live after this call; false when that can't be told within `msMax`. */
  pass(msMax: number): Promise<boolean> {
    return new Promise((resolve) => {
      this.#waiting.push({ deadline: this.#system.monotonic() + msMax, resolve });
      this.#ask();
    });
  }

  #ask(): void {
    if (this.#asked) return;
    this.#asked = true;
    const interval = this.#lastServed >= BUSY_WAITERS_MIN ? BUSY_INTERVAL_MS : INTERVAL_MS;
    const wait = interval - (this.#system.monotonic() - this.#startedAt);
    if (wait <= 0) this.#system.soon(() => void this.#run());
    else this.#system.after(wait, () => void this.#run());
  }

  async #run(): Promise<void> {
    this.#asked = false;
    this.#startedAt = this.#system.monotonic();
    const waiters = this.#waiting;
    this.#waiting = [];
    this.#lastServed = waiters.length;
    let said: 'live' | 'dead' | 'failed';
    try {
      const row = await this.#table.barrier(this.#term.node);
      said = row?.state === 'live' ? 'live' : 'dead';
      this.#seconds.observe((this.#system.monotonic() - this.#startedAt) / 1_000);
    } catch {
      said = 'failed'; // the store does not answer: to be tried again until each deadline
    }
    this.#term.barrierSaid(said);
    if (said === 'failed') this.#again(waiters);
    else for (const waiter of waiters) waiter.resolve(said === 'live');
  }

  #again(waiters: readonly Waiter[]): void {
    const now = this.#system.monotonic();
    for (const waiter of waiters) {
      if (waiter.deadline <= now || this.#term.state === 'over') waiter.resolve(false);
      else this.#waiting.push(waiter);
    }
    if (this.#waiting.length > 0) this.#system.after(RETRY_MS, () => this.#ask());
  }
}
