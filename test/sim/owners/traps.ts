import type { Moment } from '../world/plan.ts';
import type { Probe } from '../world/probe.ts';

/** Something that waits for a moment of a node's work: of any but `notOf`. */
interface Waiting {
  readonly moment: Moment;
  readonly notOf: string | undefined;
  readonly strike: (slot: string) => void;
  left: number;
}

/** Hears what nodes ask of the store, and what they are answered, and tells those who wait for it. */
export class Traps implements Probe {
  #waiting: Waiting[] = [];

  /** `strike` is called once; returns what takes the trap back. */
  lay(moment: Moment, strike: (slot: string) => void, notOf?: string): () => void {
    const waiting = { moment, notOf, strike, left: moment.nth };
    this.#waiting.push(waiting);
    return () => void (this.#waiting = this.#waiting.filter((other) => other !== waiting));
  }

  clear(): void {
    this.#waiting = [];
  }

  sent(slot: string, operation: string): void {
    if (this.#waiting.length > 0) this.#passes(slot, operation, 'sent');
  }

  answered(slot: string, operation: string): void {
    if (this.#waiting.length > 0) this.#passes(slot, operation, 'answered');
  }

  #passes(slot: string, operation: string, when: Moment['when']): void {
    for (const waiting of this.#waiting) {
      const { moment, notOf } = waiting;
      if (moment.operation !== operation || moment.when !== when || notOf === slot) continue;
      if (--waiting.left > 0) continue;
      this.#waiting = this.#waiting.filter((other) => other !== waiting);
      waiting.strike(slot);
    }
  }
}
