import type { Seq } from '../../src/core/ids.ts';
import type { SendRequest } from '../../src/core/requests.ts';

/** Sends that were refused for now: behind which seq a copy of each can be, if any was committed after all. */
export class RefusedSends {
  /** By session, conversation and id; those refused first are first. */
  readonly #afters = new Map<string, Seq>();
  readonly #max: number;

  constructor(max: number) {
    this.#max = max;
  }

  /** undefined: nothing is known. */
  of(request: SendRequest): Seq | undefined {
    return this.#afters.size === 0 ? undefined : this.#afters.get(keyOf(request));
  }

  /** Of several copies the first decides. */
  note(request: SendRequest, after: Seq): void {
    const key = keyOf(request);
    const lowest = Math.min(this.#afters.get(key) ?? after, after);
    if (lowest === 0) {
      this.#afters.delete(key);
      return;
    }
    if (this.#afters.size >= this.#max && !this.#afters.has(key))
      for (const oldest of this.#afters.keys()) {
        this.#afters.delete(oldest);
        break;
      }
    this.#afters.set(key, lowest);
  }

  forget(request: SendRequest): void {
    if (this.#afters.size > 0) this.#afters.delete(keyOf(request));
  }
}

function keyOf({ session, conv, cmid }: SendRequest): string {
  return `${session}/${conv}/${cmid}`;
}
