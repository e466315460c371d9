import type { System, Timer } from '../../src/core/ports.ts';
import { type Alarm, AlarmHeap } from './alarm-heap.ts';

/** Turns at one instant, each asked for by one before it: beyond it something spins. */
const ROUNDS_MAX = 100_000;

/** A System whose time moves only when told to: turns run in order, alarms by time, chance from a seed. */
export class VirtualSystem implements System {
  #now = 1_700_000_000_000;
  #elapsed = 0;
  #order = 0;
  #state: number;
  #turns: (() => void)[] = [];
  #alarms = new AlarmHeap();

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
    const bytes = new Uint8Array(count);
    for (let i = 0; i < count; i++) bytes[i] = this.#next() & 0xff;
    return bytes;
  }

  /** Forgets all that is scheduled, as the end of a process does. */
  crash(): void {
    this.#turns = [];
    this.#alarms = new AlarmHeap();
  }

  /** Runs turns, and the promises that they settle, until none is left. */
  async settle(): Promise<void> {
    do {
      this.#runTurns();
      await new Promise((resolve) => setImmediate(resolve));
    } while (this.#turns.length > 0);
  }

  /** Lets time pass, settling at each alarm. */
  async advance(ms: number): Promise<void> {
    const until = this.#elapsed + ms;
    await this.settle();
    for (let next = this.#due(until); next !== undefined; next = this.#due(until)) {
      this.#fire(next);
      await this.settle();
    }
    this.#moveTo(until);
  }

  /** The same at once: `drain` runs the callbacks of all promises that are settled (see microtasks.ts). */
  run(ms: number, drain: () => void): void {
    const until = this.#elapsed + ms;
    this.#settleNow(drain);
    for (let next = this.#due(until); next !== undefined; next = this.#due(until)) {
      this.#fire(next);
      this.#settleNow(drain);
    }
    this.#moveTo(until);
  }

  #settleNow(drain: () => void): void {
    let rounds = 0;
    do {
      this.#runTurns();
      drain();
      if (++rounds > ROUNDS_MAX) throw new Error(`turn after turn is asked for at ${this.#elapsed} ms`);
    } while (this.#turns.length > 0);
  }

  #runTurns(): void {
    if (this.#turns.length === 0) return;
    const turns = this.#turns;
    this.#turns = [];
    for (const turn of turns) turn();
  }

  #due(until: number): Alarm | undefined {
    const next = this.#alarms.first;
    return next !== undefined && next.at <= until ? next : undefined;
  }

  #fire(alarm: Alarm): void {
    this.#alarms.take();
    this.#moveTo(alarm.at);
    if (alarm.everyMs !== undefined) {
      alarm.at += alarm.everyMs;
      alarm.order = this.#order++;
      this.#alarms.add(alarm);
    }
    alarm.task();
  }

  #moveTo(at: number): void {
    this.#now += at - this.#elapsed;
    this.#elapsed = at;
  }

  #alarm(ms: number, everyMs: number | undefined, task: () => void): Timer {
    const alarm: Alarm = { at: this.#elapsed + ms, order: this.#order++, everyMs, task, cancelled: false };
    this.#alarms.add(alarm);
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
