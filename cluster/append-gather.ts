import type { System } from '../src/core/ports.ts';
import { RingBuffer } from '../src/core/ring-buffer.ts';
import type { Cell } from './cell.ts';

/** Of the time that appends take at present, this much is waited for the next batch to fill, … */
const WAIT_SHARE = 1 / 8;
/** … up to this; a store that answers within some milliseconds is not waited for at all. */
const WAIT_MS_MAX = 20;
/** The present is what the last appends, about so many of them, say. */
const APPENDS_REMEMBERED = 16;

interface Held {
  readonly cell: Cell;
  readonly until: number;
}

/**
 * Lets a conversation's requests gather for a moment after a batch was committed, when the store is slow: those who
 * were just answered ask again, and share the next batch with those who waited. Without it two senders would take turns.
 */
export class AppendGather {
  readonly #system: System;
  readonly #release: (cell: Cell) => void;
  /** Each cell at most once. */
  readonly #held: RingBuffer<Held>;
  #appendMs = 0;
  #isTimed = false;

  constructor(system: System, cellsMax: number, release: (cell: Cell) => void) {
    this.#system = system;
    this.#release = release;
    this.#held = new RingBuffer<Held>(cellsMax);
  }

  /** An append of the cell's took `ms`. */
  appended(cell: Cell, ms: number): void {
    this.#appendMs += (ms - this.#appendMs) / APPENDS_REMEMBERED;
    const waitMs = Math.min(WAIT_MS_MAX, Math.floor(this.#appendMs * WAIT_SHARE));
    if (waitMs === 0 || cell.held) return;
    cell.held = this.#held.push({ cell, until: this.#system.monotonic() + waitMs });
    this.#time();
  }

  #time(): void {
    const first = this.#held.at(0);
    if (first === undefined || this.#isTimed) return;
    this.#isTimed = true;
    this.#system.after(Math.max(1, first.until - this.#system.monotonic()), this.#letGo);
  }

  readonly #letGo = (): void => {
    this.#isTimed = false;
    const now = this.#system.monotonic();
    for (let first = this.#held.at(0); first !== undefined && first.until <= now; first = this.#held.at(0)) {
      this.#held.shift();
      first.cell.held = false;
      if (first.cell.mailbox.length > 0) this.#release(first.cell);
    }
    this.#time();
  };
}
