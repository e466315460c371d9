import { writeU32 } from '../../src/protocol/message-frame.ts';
import { BUS_MESSAGE_BYTES_MAX } from '../../src/core/cluster-ports.ts';
import type { PeerBounds } from './bounds.ts';
import { PACKET_HEADER_BYTES, type SeqRange } from './packet.ts';
import { ResendRing, type RingBudget } from './resend-ring.ts';

/** Where frames are written, each behind its length: into the packet in the making. */
export interface FrameSink {
  /** Room for one frame of `bytes`; returns where in `buffer` it begins. The buffer may be another one then. */
  reserve(bytes: number): number;
  readonly buffer: Uint8Array;
}

/** Numbers and sends what a flow closes: fills the header in, and gives it to the bus if that takes it. */
export type SendPacket = (packet: Uint8Array, seq: number) => void;

const FIRST_BUFFER_BYTES = 4 * 1024;

/** One direction of a link as its sender sees it: packs frames, numbers packets, and keeps them to send again. */
export class FlowSender implements FrameSink {
  readonly #bounds: PeerBounds;
  readonly #ring: ResendRing;
  readonly #send: SendPacket;
  readonly #monotonic: () => number;
  #buffer = new Uint8Array(FIRST_BUFFER_BYTES);
  #length = PACKET_HEADER_BYTES;
  #flow = 1;
  #last = 0;
  #acknowledged = 0;

  constructor(bounds: PeerBounds, budget: RingBudget, monotonic: () => number, send: SendPacket) {
    this.#bounds = bounds;
    this.#ring = new ResendRing(bounds, budget);
    this.#monotonic = monotonic;
    this.#send = send;
  }

  get flow(): number {
    return this.#flow;
  }
  /** The number of the last packet sent; 0 for none. */
  get last(): number {
    return this.#last;
  }
  /** The number that what is written now will go under. */
  get open(): number {
    return this.#last + 1;
  }
  get acknowledged(): number {
    return this.#acknowledged;
  }
  get isEmpty(): boolean {
    return this.#length === PACKET_HEADER_BYTES;
  }
  get ringBytes(): number {
    return this.#ring.bytes;
  }
  get buffer(): Uint8Array {
    return this.#buffer;
  }

  reserve(bytes: number): number {
    if (bytes + 4 + PACKET_HEADER_BYTES > BUS_MESSAGE_BYTES_MAX)
      throw new RangeError(`a frame of ${bytes} bytes does not fit into a bus message`);
    if (!this.isEmpty && this.#length + 4 + bytes > this.#bounds.packetBytesMax) this.flush();
    const at = this.#length + 4;
    if (at + bytes > this.#buffer.length) this.#grow(at + bytes);
    writeU32(this.#buffer, this.#length, bytes);
    this.#length = at + bytes;
    return at;
  }

  /** Sends the packet in the making. */
  flush(): void {
    if (this.isEmpty) return;
    const packet = this.#buffer.slice(0, this.#length);
    this.#length = PACKET_HEADER_BYTES;
    if (this.#buffer.length > this.#bounds.packetBytesMax) this.#buffer = new Uint8Array(FIRST_BUFFER_BYTES);
    this.#last++;
    this.#ring.push(packet, this.#monotonic());
    this.#send(packet, this.#last);
  }

  /** The receiver has, or has given up, all up to `seq`. */
  acknowledge(seq: number): void {
    if (seq <= this.#acknowledged || seq > this.#last) return;
    this.#acknowledged = seq;
    this.#ring.dropTo(seq);
  }

  /** Sends again what is asked for, as much as one answer may have, through `resend`; returns what is no more. */
  resend(ranges: readonly SeqRange[], resend: (packet: Uint8Array) => boolean): SeqRange | undefined {
    let gone: SeqRange | undefined;
    let bytes = 0;
    for (const { from, to } of ranges) {
      const first = this.#ring.first;
      if (from < first && from <= this.#last) gone ??= { from, to: first - 1 };
      for (let seq = Math.max(from, first); seq <= to; seq++) {
        const packet = this.#ring.get(seq);
        if (packet === undefined || bytes >= this.#bounds.resendBytesMax || !resend(packet)) return gone;
        bytes += packet.length;
      }
    }
    return gone;
  }

  dropOld(): void {
    this.#ring.dropOld(this.#monotonic());
  }

  /** Begins a new numbering: the receiver's end is another one, and what was on the way is void. */
  restart(): void {
    this.#flow++;
    this.stop();
    this.#last = 0;
    this.#acknowledged = 0;
  }

  stop(): void {
    this.#ring.clear();
    this.#length = PACKET_HEADER_BYTES;
  }

  #grow(bytes: number): void {
    const larger = new Uint8Array(Math.max(bytes, this.#buffer.length * 2));
    larger.set(this.#buffer.subarray(0, this.#length));
    this.#buffer = larger;
  }
}

/** Writes a frame that is encoded already. */
export function writeFrame(sink: FrameSink, frame: Uint8Array): void {
  const at = sink.reserve(frame.length);
  sink.buffer.set(frame, at);
}
