/** A refusal asks for at least this much patience, so that whoever comes back finds more than one token. */
const RETRY_MS_MIN = 100;

/** A token bucket: `perSecond` tokens flow in, up to `burst`. */
export class TokenBucket {
  #tokens: number;
  #at: number;

  /** Full at `now` (monotonic ms). */
  constructor(burst: number, now: number) {
    this.#tokens = burst;
    this.#at = now;
  }

  /** Takes a token if there is one. */
  take(now: number, perSecond: number, burst: number): boolean {
    this.#refill(now, perSecond, burst);
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }

  isFull(now: number, perSecond: number, burst: number): boolean {
    this.#refill(now, perSecond, burst);
    return this.#tokens >= burst;
  }

  /** How long whoever found it empty should wait. */
  retryAfterMs(perSecond: number): number {
    return Math.max(RETRY_MS_MIN, Math.ceil(((1 - this.#tokens) * 1_000) / perSecond));
  }

  #refill(now: number, perSecond: number, burst: number): void {
    this.#tokens = Math.min(burst, this.#tokens + ((now - this.#at) * perSecond) / 1_000);
    this.#at = now;
  }
}
