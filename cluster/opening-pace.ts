/** Conversations opened at once at first and at least, … */
const AT_ONCE_MIN = 8;
const AT_ONCE_MAX = 32;
/** … more while one takes at most so many times what the quickest of late took, fewer when it takes so many times that. */
const SLOWER_MAX = 2;
const SLOW = 4;
/** By how much the quickest counts for slower with each that follows. */
const FORGETTING = 1.01;

/**
 * How many conversations a node opens at once. Where the store is far away many at once are soon done; where it is busy
 * with them they only wait for one another, and the first is served as late as the last.
 */
export class OpeningPace {
  #atOnce = AT_ONCE_MIN;
  #quickestMs = Number.POSITIVE_INFINITY;

  get atOnce(): number {
    return this.#atOnce;
  }

  /** One was taken over, in so many milliseconds. */
  tookOver(ms: number): void {
    this.#quickestMs = Math.min(ms, this.#quickestMs * FORGETTING);
    if (ms <= this.#quickestMs * SLOWER_MAX) this.#atOnce = Math.min(AT_ONCE_MAX, this.#atOnce + 1);
    else if (ms > this.#quickestMs * SLOW) this.#atOnce = Math.max(AT_ONCE_MIN, this.#atOnce - 1);
  }

  /** Nothing is to be opened any more. */
  rest(): void {
    this.#atOnce = AT_ONCE_MIN;
  }
}
