/** Lets a stated number of reads run at the same time; the others wait in order. */
export class ReadGate {
  readonly #readsMax: number;
  #running = 0;
  /** At most a few per session, and one per watch: both are bounded. */
  readonly #waiting: (() => void)[] = [];

  constructor(readsMax: number) {
    this.#readsMax = readsMax;
  }

  async run<T>(read: () => Promise<T>): Promise<T> {
    if (this.#running < this.#readsMax) this.#running++;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await read();
    } finally {
      const next = this.#waiting.shift(); // which takes this one's place
      if (next === undefined) this.#running--;
      else next();
    }
  }
}
