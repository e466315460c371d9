import type { Seq } from '../src/core/ids.ts';
import { RingBuffer } from '../src/core/ring-buffer.ts';
import type { LogEvent } from '../src/core/rows.ts';

/** The last committed events' frames, so that the newest pages are answered from memory. */
export class TailCache {
  readonly #frames: RingBuffer<Uint8Array>;
  readonly #bytesMax: number;
  #bytes = 0;
  #head: Seq;

  constructor(head: Seq, eventsMax: number, bytesMax: number) {
    this.#frames = new RingBuffer<Uint8Array>(eventsMax);
    this.#bytesMax = bytesMax;
    this.#head = head;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** The lowest seq held; head + 1 when none is. */
  get first(): Seq {
    return this.#head - this.#frames.length + 1;
  }

  /** Adds the frame of the next seq. */
  push(seq: Seq, frame: Uint8Array): void {
    if (this.#frames.isFull) this.#drop();
    this.#frames.push(frame);
    this.#bytes += frame.length;
    this.#head = seq;
    while (this.#bytes > this.#bytesMax && this.#frames.length > 1) this.#drop();
  }

  at(seq: Seq): Uint8Array | undefined {
    return this.#frames.at(seq - this.first);
  }

  /** All that is held, seqs rising. */
  events(): LogEvent[] {
    const { first } = this;
    return Array.from({ length: this.#frames.length }, (_, i) => ({
      seq: first + i,
      env: this.#frames.at(i) as Uint8Array,
    }));
  }

  #drop(): void {
    this.#bytes -= this.#frames.shift()?.length ?? 0;
  }
}
