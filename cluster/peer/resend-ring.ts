import { RingBuffer } from '../../src/core/ring-buffer.ts';
import type { PeerBounds } from './bounds.ts';

/** What all rings of a process hold together. */
export interface RingBudget {
  bytes: number;
}

interface Kept {
  readonly bytes: Uint8Array;
  /** Monotonic ms. */
  readonly at: number;
}

type Bounds = Pick<PeerBounds, 'ringMsMax' | 'ringBytesMax' | 'ringPacketsMax' | 'ringBytesTotalMax'>;

/** The last packets of a flow, until they are acknowledged or too old: numbers without a hole. */
export class ResendRing {
  readonly #bounds: Bounds;
  readonly #budget: RingBudget;
  readonly #kept: RingBuffer<Kept>;
  #first = 1;
  #bytes = 0;

  constructor(bounds: Bounds, budget: RingBudget) {
    this.#bounds = bounds;
    this.#budget = budget;
    this.#kept = new RingBuffer<Kept>(bounds.ringPacketsMax);
  }

  /** The lowest number held, or the next one when none is. */
  get first(): number {
    return this.#first;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** Of the number after the last; the oldest leave when there is no room. */
  push(bytes: Uint8Array, now: number): void {
    if (this.#kept.isFull) this.#dropFirst();
    this.#kept.push({ bytes, at: now });
    this.#count(bytes.length);
    const { ringBytesMax, ringBytesTotalMax } = this.#bounds;
    while (this.#bytes > ringBytesMax || this.#budget.bytes > ringBytesTotalMax)
      if (!this.#dropFirst()) return;
  }

  get(seq: number): Uint8Array | undefined {
    return this.#kept.at(seq - this.#first)?.bytes;
  }

  /** They arrived, all up to `seq`. */
  dropTo(seq: number): void {
    while (this.#first <= seq && this.#dropFirst());
  }

  dropOld(now: number): void {
    for (let kept = this.#kept.at(0); kept !== undefined; kept = this.#kept.at(0)) {
      if (now - kept.at <= this.#bounds.ringMsMax) return;
      this.#dropFirst();
    }
  }

  /** Begins again at 1. */
  clear(): void {
    this.#count(-this.#bytes);
    this.#kept.clear();
    this.#first = 1;
  }

  #dropFirst(): boolean {
    const kept = this.#kept.shift();
    if (kept === undefined) return false;
    this.#first++;
    this.#count(-kept.bytes.length);
    return true;
  }

  #count(bytes: number): void {
    this.#bytes += bytes;
    this.#budget.bytes += bytes;
  }
}
