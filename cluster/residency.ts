import type { ConversationId } from '../src/core/ids.ts';
import { Cell, type CellListener } from './cell.ts';

export interface ResidencyLimits {
  /** Conversations in memory at once. */
  readonly cellsMax: number;
  /** What all actors together hold, roughly, when no further one is opened. */
  readonly actorBytesMax: number;
}
export const RESIDENCY_LIMITS: ResidencyLimits = { cellsMax: 250_000, actorBytesMax: 1024 * 1024 * 1024 };

const IDLE_MS_MAX = 5 * 60_000;
const SWEEP_CELLS_MAX = 2_000;
/** Memory is short when this share of a limit is in use; then a sweep looks at more, and lets go sooner. */
const PRESSED_SHARE = 0.8;
const PRESSED_IDLE_MS_MAX = 1_000;
const PRESSED_SWEEP_CELLS_MAX = 50_000;

/** Who is in memory: a bounded number of cells, which a sweep lets go when idle, sooner when memory is short. */
export class Residency {
  readonly #limits: ResidencyLimits;
  readonly #cells = new Map<ConversationId, Cell>();
  #sweepAt: IterableIterator<Cell> | undefined;
  #actorBytes = 0;

  constructor(limits: ResidencyLimits) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#cells.size;
  }

  get actorBytes(): number {
    return this.#actorBytes;
  }

  get(conv: ConversationId): Cell | undefined {
    return this.#cells.get(conv);
  }

  values(): IterableIterator<Cell> {
    return this.#cells.values();
  }

  /** Whether no cell has anything to do. */
  get isAtRest(): boolean {
    for (const cell of this.#cells.values()) if (!cell.atRest) return false;
    return true;
  }

  /** A new cell, or undefined when there is no room. */
  open(conv: ConversationId, now: number, listener: CellListener): Cell | undefined {
    const { cellsMax, actorBytesMax } = this.#limits;
    if (this.#cells.size >= cellsMax || this.#actorBytes >= actorBytesMax) return undefined;
    const cell = new Cell(conv, now, listener);
    this.#cells.set(conv, cell);
    return cell;
  }

  /** Notes what the cell's actor holds now. */
  account(cell: Cell, bytes: number): void {
    this.#actorBytes += bytes - cell.bytes;
    cell.bytes = bytes;
  }

  remove(cell: Cell): void {
    this.account(cell, 0);
    this.#cells.delete(cell.conv);
  }

  /** Lets cells go that are at rest, that `mayGo`, and that were idle long; looks at a bounded number a call. */
  sweep(now: number, mayGo: (cell: Cell) => boolean, gone: (cell: Cell) => void = () => undefined): number {
    const pressed = this.#isPressed();
    const idleMs = pressed ? PRESSED_IDLE_MS_MAX : IDLE_MS_MAX;
    const cellsMax = pressed ? PRESSED_SWEEP_CELLS_MAX : SWEEP_CELLS_MAX;
    let count = 0;
    for (let i = 0; i < cellsMax; i++) {
      this.#sweepAt ??= this.#cells.values();
      const next = this.#sweepAt.next();
      if (next.done === true) {
        this.#sweepAt = undefined;
        break;
      }
      const cell = next.value;
      if (now - cell.lastActive < idleMs || !cell.atRest || !mayGo(cell)) continue;
      this.remove(cell);
      gone(cell);
      count++;
    }
    return count;
  }

  #isPressed(): boolean {
    const { cellsMax, actorBytesMax } = this.#limits;
    return this.#actorBytes > PRESSED_SHARE * actorBytesMax || this.#cells.size > PRESSED_SHARE * cellsMax;
  }
}
