import type { System, Timer } from '../../src/core/ports.ts';

interface Alarm {
  readonly at: number;
  readonly order: number;
  readonly everyMs: number | undefined;
  readonly task: () => void;
  cancelled: boolean;
}

/** A System whose time moves only when told to: turns run in order, alarms by time, chance from a seed. */
export class VirtualSystem implements System {
  #now = 1_700_000_000_000;
  #elapsed = 0;
  #order = 0;
  #state: number;
  #turns: (() => void)[] = [];
  #alarms: Alarm[] = [];

  constructor(seed = 1) {
    this.#state = seed >>> 0 || 1;
  }

  now(): number {
    return this.#now;
  }
  monotonic(): number {
    return this.#elapsed;
  }
  soon(task: () => void): void {
    this.#turns.push(task);
  }
  after(ms: number, task: () => void): Timer {
    return this.#alarm(ms, undefined, task);
  }
  every(ms: number, task: () => void): Timer {
    return this.#alarm(ms, ms, task);
  }
  random(count: number): Uint8Array {
    return Uint8Array.from({ length: count }, () => this.#next() & 0xff);
  }

  /** Forgets all that is scheduled, as the end of a process does. */
  crash(): void {
    this.#turns = [];
    this.#alarms = [];
  }

  /** Runs turns, and the promises that they settle, until none is left. */
  async settle(): Promise<void> {
    do {
      const turns = this.#turns;
      this.#turns = [];
      for (const turn of turns) turn();
      await new Promise((resolve) => setImmediate(resolve));
    } while (this.#turns.length > 0);
  }

  /** Lets time pass, settling at each alarm. */
  async advance(ms: number): Promise<void> {
    const until = this.#elapsed + ms;
    await this.settle();
    for (;;) {
      const due = this.#alarms.filter((alarm) => !alarm.cancelled && alarm.at <= until);
      if (due.length === 0) break;
      const next = due.reduce((a, b) => (b.at < a.at || (b.at === a.at && b.order < a.order) ? b : a));
      this.#alarms = this.#alarms.filter((alarm) => alarm !== next && !alarm.cancelled);
      this.#moveTo(next.at);
      if (next.everyMs !== undefined) this.#again(next, next.everyMs);
      next.task();
      await this.settle();
    }
    this.#moveTo(until);
  }

  #moveTo(at: number): void {
    this.#now += at - this.#elapsed;
    this.#elapsed = at;
  }

  #alarm(ms: number, everyMs: number | undefined, task: () => void): Timer {
    const alarm: Alarm = { at: this.#elapsed + ms, order: this.#order++, everyMs, task, cancelled: false };
    return this.#push(alarm);
  }

  #again(alarm: Alarm, everyMs: number): void {
    alarm.cancelled ||= false;
    this.#alarms.push(Object.assign(alarm, { at: alarm.at + everyMs, order: this.#order++ }));
  }

  #push(alarm: Alarm): Timer {
    this.#alarms.push(alarm);
    return {
      cancel: () => {
        alarm.cancelled = true;
      },
    };
  }

  /** xorshift32 */
  #next(): number {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return this.#state >>> 0;
  }
}
