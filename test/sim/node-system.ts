import type { System, Timer } from '../../src/core/ports.ts';

/**
 * One process's view of a shared virtual system. It can be killed; paused, and woken late; frozen with its clocks, as a
 * virtual machine is, so that it cannot tell; and its wall clock may be wrong.
 */
export class NodeSystem implements System {
  readonly #shared: System;
  #state: 'running' | 'paused' | 'dead' = 'running';
  #held: (() => void)[] = [];
  #skewMs = 0;
  /** How long it was frozen, in all, and since when it is. */
  #frozenMs = 0;
  #frozenAt: number | undefined;

  constructor(shared: System) {
    this.#shared = shared;
  }

  get isPaused(): boolean {
    return this.#state === 'paused';
  }

  kill(): void {
    this.#state = 'dead';
    this.#held = [];
  }

  /** SIGSTOP: what is due waits, … */
  pause(): void {
    if (this.#state === 'running') this.#state = 'paused';
  }

  /** A pause in which its timers and its monotonic clock stand still too. */
  freeze(): void {
    if (this.#state !== 'running') return;
    this.#state = 'paused';
    this.#frozenAt = this.#shared.monotonic();
  }

  /** … and runs late, in order, after SIGCONT. */
  wake(): void {
    if (this.#state !== 'paused') return;
    this.#state = 'running';
    if (this.#frozenAt !== undefined) this.#frozenMs += this.#shared.monotonic() - this.#frozenAt;
    this.#frozenAt = undefined;
    const held = this.#held;
    this.#held = [];
    for (const task of held) this.#shared.soon(() => this.#run(task));
  }

  /** `now()` jumps; `monotonic()` does not. */
  jump(ms: number): void {
    this.#skewMs += ms;
  }

  now(): number {
    return Math.floor(this.#shared.now() + this.#skewMs); // as Date.now() does
  }
  monotonic(): number {
    return (this.#frozenAt ?? this.#shared.monotonic()) - this.#frozenMs;
  }
  random(count: number): Uint8Array {
    return this.#shared.random(count);
  }
  soon(task: () => void): void {
    this.#shared.soon(() => this.#run(task));
  }

  after(ms: number, task: () => void): Timer {
    const dueAt = this.monotonic() + ms;
    const frozenMs = this.#frozenMs;
    let timer = this.#shared.after(ms, () =>
      this.#run(() => {
        if (this.#frozenMs > frozenMs && dueAt > this.monotonic())
          timer = this.after(dueAt - this.monotonic(), task);
        else task();
      }),
    );
    return { cancel: () => timer.cancel() };
  }

  every(ms: number, task: () => void): Timer {
    const timer = this.#shared.every(ms, () => {
      if (this.#state === 'dead') timer.cancel();
      else if (this.#frozenAt === undefined) this.#run(task); // of a frozen one it is as if it had not come up
    });
    return timer;
  }

  #run(task: () => void): void {
    if (this.#state === 'running') task();
    else if (this.#state === 'paused') this.#held.push(task);
  }
}
