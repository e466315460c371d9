import type { Probe } from './probe.ts';
import type { Fault } from './plan.ts';
import type { World } from './world.ts';

interface Ambush {
  readonly fault: Fault & { t: 'ambush' };
  left: number;
}

/** Faults that wait for a moment of a sequencer's work instead of a time. */
export class Ambushes implements Probe {
  readonly #world: World;
  #waiting: Ambush[] = [];

  constructor(world: World) {
    this.#world = world;
  }

  lay(fault: Fault & { t: 'ambush' }): void {
    this.#waiting.push({ fault, left: fault.moment.nth });
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

  #passes(slot: string, operation: string, when: 'sent' | 'answered'): void {
    for (const ambush of [...this.#waiting]) {
      const { fault } = ambush;
      if (fault.moment.operation !== operation || fault.moment.when !== when || --ambush.left > 0) continue;
      this.#waiting.splice(this.#waiting.indexOf(ambush), 1);
      this.#world.trace('world', `ambush on ${slot} at ${operation} ${when}`);
      const strike = (): void => this.#world.faults.begin({ t: fault.does, slot, ms: fault.ms });
      const { afterMs = 0 } = fault.moment;
      if (afterMs > 0) this.#world.system.after(afterMs, strike);
      else strike();
    }
  }
}
