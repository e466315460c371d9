import type { ClientSystem } from './system.ts';

/** What was late in coming mostly comes by itself within this. */
const WAIT_MS = 250;

/** Asks for what is not known of conversations, one at a time; of each at most once per wait. */
export class Places {
  readonly #system: ClientSystem;
  readonly #ask: (conv: string) => Promise<unknown> | undefined;
  readonly #waiting = new Set<string>();
  #isAsking = false;

  /** `ask` gives undefined where there is nothing to ask any more; what it rejects with is of no interest. */
  constructor(system: ClientSystem, ask: (conv: string) => Promise<unknown> | undefined) {
    this.#system = system;
    this.#ask = ask;
  }

  add(conv: string): void {
    this.#waiting.add(conv);
    if (!this.#isAsking) void this.#run();
  }

  async #run(): Promise<void> {
    this.#isAsking = true;
    while (this.#waiting.size > 0) {
      await new Promise<void>((resolve) => void this.#system.after(WAIT_MS, resolve));
      for (const conv of [...this.#waiting]) {
        this.#waiting.delete(conv);
        await Promise.allSettled([this.#ask(conv)]);
      }
    }
    this.#isAsking = false;
  }
}
