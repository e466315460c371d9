import type { System, Timer } from '../src/core/ports.ts';
import { RingBuffer } from '../src/core/ring-buffer.ts';
import type { Cell } from './cell.ts';

/** Requests that all actors together take before I/O gets its turn. */
const LOOP_REQUESTS_MAX = 8_192;
/** How long requests gather at most before the next round of turns, … */
export const GATHER_MS_MAX = 4;
/** … and how many of the last round are worth a millisecond of it. */
const REQUESTS_PER_GATHER_MS = 12;
/** How long a large round counts as being busy. */
const BUSY_MS = 50;

/**
 * Whose turn it is. Cells take turns in fair rotation; completions are seen to at once, requests in rounds. Under
 * load a round waits a few milliseconds for the next: what is answered together is asked again together, so
 * batches, commits and socket writes carry more each. When little comes, nothing waits.
 */
export class Turns {
  readonly #system: System;
  readonly #gatherMsMax: number;
  readonly #take: (cell: Cell, withRequests: boolean, now: number) => number;
  readonly #ready: RingBuffer<Cell>;
  /** Cells with requests for the next round; each at most once. */
  #gathered: Cell[] = [];
  #runAsked = false;
  /** Opens the next round; undefined while requests are taken. */
  #timer: Timer | undefined;
  /** Requests still to come until the round is as large as the last. */
  #expected = 0;
  #busyUntil = 0;

  /** `take` gives a cell its turn, and returns the number of requests that it took. */
  constructor(
    system: System,
    cellsMax: number,
    gatherMsMax: number,
    take: (cell: Cell, withRequests: boolean, now: number) => number,
  ) {
    this.#system = system;
    this.#gatherMsMax = gatherMsMax;
    this.#take = take;
    this.#ready = new RingBuffer<Cell>(cellsMax);
  }

  /** Whether so much comes that rounds wait for one another. */
  get isBusy(): boolean {
    return this.#system.monotonic() < this.#busyUntil;
  }

  /** The cell has something to do. */
  schedule(cell: Cell): void {
    if (this.#timer === undefined || cell.mailbox.hasCompletions) this.#enqueue(cell);
    else if (!cell.gathers) {
      cell.gathers = true;
      this.#gathered.push(cell);
    }
  }

  /** A request was put into a mailbox: as many as the last round had are worth no further wait. */
  arrived(): void {
    if (this.#timer !== undefined && --this.#expected <= 0) this.#open();
  }

  #enqueue(cell: Cell): void {
    if (cell.scheduled) return;
    cell.scheduled = true;
    this.#ready.push(cell);
    this.#askToRun();
  }

  #askToRun(): void {
    if (this.#runAsked) return;
    this.#runAsked = true;
    this.#system.soon(this.#run);
  }

  readonly #run = (): void => {
    this.#runAsked = false;
    const now = this.#system.now();
    let taken = 0;
    for (let turns = this.#ready.length; turns > 0 && taken < LOOP_REQUESTS_MAX; turns--) {
      const cell = this.#ready.shift() as Cell;
      cell.scheduled = false;
      taken += this.#take(cell, this.#timer === undefined, now);
    }
    if (taken < LOOP_REQUESTS_MAX) this.#closeAfter(taken);
    if (this.#ready.length > 0) this.#askToRun();
  };

  #closeAfter(taken: number): void {
    if (this.#timer !== undefined) return;
    const ms = Math.min(this.#gatherMsMax, Math.floor(taken / REQUESTS_PER_GATHER_MS));
    if (ms === 0) return;
    this.#busyUntil = this.#system.monotonic() + BUSY_MS;
    this.#expected = taken;
    this.#timer = this.#system.after(ms, this.#open);
  }

  readonly #open = (): void => {
    this.#timer?.cancel();
    this.#timer = undefined;
    const cells = this.#gathered;
    this.#gathered = [];
    for (const cell of cells) {
      cell.gathers = false;
      this.#enqueue(cell);
    }
  };
}
