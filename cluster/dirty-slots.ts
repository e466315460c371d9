import type { System } from '../src/core/ports.ts';

const SLOT_MS = 10 * 60_000;

/** The slot of a time (Unix ms) in which a conversation with events is marked dirty. */
export function dirtySlotAt(ms: number): number {
  return Math.floor(ms / SLOT_MS);
}

/** The present slot of a process: it never falls, whatever the clock does. */
export class DirtySlots {
  readonly #system: Pick<System, 'now'>;
  #highest = 0;

  constructor(system: Pick<System, 'now'>) {
    this.#system = system;
  }

  get current(): number {
    this.#highest = Math.max(this.#highest, dirtySlotAt(this.#system.now()));
    return this.#highest;
  }
}
