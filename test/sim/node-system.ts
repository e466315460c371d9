import type { System, Timer } from '../../src/core/ports.ts';

/** One process's view of a shared virtual system: it can be killed, or paused and woken later. */
export class NodeSystem implements System {
  readonly #shared: System;
  #state: 'running' | 'paused' | 'dead' = 'running';
  #held: (() => void)[] = [];

  constructor(shared: System) {
    this.#shared = shared;
  }

  kill(): void {
    this.#state = 'dead';
    this.#held = [];
  }

  /** SIGSTOP: what is due waits, … */
  pause(): void {
    this.#state = 'paused';
  }

  /** … and runs late, in order, after SIGCONT. */
  wake(): void {
    if (this.#state !== 'paused') return;
    this.#state = 'running';
    const held = this.#held;
    this.#held = [];
    for (const task of held) this.#shared.soon(() => this.#run(task));
  }

  now(): number {
    return this.#shared.now();
  }
  monotonic(): number {
    return this.#shared.monotonic();
  }
  random(count: number): Uint8Array {
    return this.#shared.random(count);
  }
  soon(task: () => void): void {
    this.#shared.soon(() => this.#run(task));
  }
  after(ms: number, task: () => void): Timer {
    return this.#shared.after(ms, () => this.#run(task));
  }
  every(ms: number, task: () => void): Timer {
    return this.#shared.every(ms, () => this.#run(task));
  }

  #run(task: () => void): void {
    if (this.#state === 'running') task();
    else if (this.#state === 'paused') this.#held.push(task);
  }
}
