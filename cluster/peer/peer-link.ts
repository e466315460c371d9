import { readU32 } from '../../src/protocol/message-frame.ts';
import type { PeerBounds } from './bounds.ts';
import { FlowReceiver } from './flow-receiver.ts';
import { FlowSender, type FrameSink } from './flow-sender.ts';
import {
  BEACON,
  DATA,
  framesFit,
  GONE,
  NAK,
  PACKET_HEADER_BYTES,
  type PacketHeader,
  type PacketKind,
  readRanges,
  writeHeader,
  writeRanges,
} from './packet.ts';
import type { PeerMetrics } from './peer-metrics.ts';
import type { RingBudget } from './resend-ring.ts';

/** What the layer above is told of a link. Frames come in the order in which they were written. */
export interface LinkListener {
  /** A link began, from this side or the other's: nothing went over it yet. */
  opened(link: PeerLink): void;
  /** A frame is bytes[start] … bytes[end - 1]. */
  frame(link: PeerLink, bytes: Uint8Array, start: number, end: number): void;
  /** What comes from now on is a new beginning: the other end forgot what it sent. */
  incomingReset(link: PeerLink): void;
  /** Frames that came over the link are missing for good. */
  incomingLost(link: PeerLink): void;
  /** The other end is a new one: what was sent and not acknowledged is lost, and it knows nothing. */
  outgoingReset(link: PeerLink): void;
  /** Of what was sent and not acknowledged yet, the other end has given something up. */
  outgoingLost(link: PeerLink): void;
  /** The other end has all up to `seq` of the present flow, but for what was told lost. */
  acknowledged(link: PeerLink, seq: number): void;
  /** The link ended. */
  closed(link: PeerLink): void;
}

export interface LinkContext {
  /** This process's id: a UUID. */
  readonly self: string;
  readonly bounds: PeerBounds;
  readonly budget: RingBudget;
  readonly metrics: PeerMetrics;
  readonly listener: LinkListener;
  readonly monotonic: () => number;
  /** False: the bus did not take it. */
  readonly publish: (link: PeerLink, packet: Uint8Array) => boolean;
  /** A turn's first frame was written: have `flush` called at its end. */
  readonly flushSoon: (link: PeerLink) => void;
  /** There is a gap: have `repair` called from time to time. */
  readonly repairSoon: () => void;
}

/**
 * The way to one other process and back: a flow in each direction. `boot` names this end of it and never changes;
 * when the other end's does, both flows begin anew.
 */
export class PeerLink implements FrameSink {
  readonly peer: string;
  readonly boot: number;
  /** Kept although nothing is heard of the peer. */
  pinned = false;
  closed = false;
  /** Monotonic ms. */
  heardAt: number;
  readonly #context: LinkContext;
  readonly #sender: FlowSender;
  readonly #receiver: FlowReceiver;
  /** 0: not known yet. */
  #peerBoot = 0;
  #peerLosses = 0;
  #nakAt = Number.NEGATIVE_INFINITY;
  #flushAsked = false;

  constructor(peer: string, boot: number, context: LinkContext) {
    const { bounds, budget, metrics, monotonic, listener } = context;
    this.peer = peer;
    this.boot = boot;
    this.#context = context;
    this.heardAt = monotonic();
    this.#sender = new FlowSender(bounds, budget, monotonic, (packet, seq) => this.#send(packet, seq));
    this.#receiver = new FlowReceiver(bounds, metrics.counts, {
      received: (packet) => this.#handOn(packet),
      lost: () => {
        listener.incomingLost(this);
      },
    });
  }

  get buffer(): Uint8Array {
    return this.#sender.buffer;
  }
  /** The number under which what is written now will be acknowledged. */
  get openSeq(): number {
    return this.#sender.open;
  }
  /** Which numbering that is in. */
  get flow(): number {
    return this.#sender.flow;
  }
  get acknowledgedSeq(): number {
    return this.#sender.acknowledged;
  }
  get ringBytes(): number {
    return this.#sender.ringBytes;
  }
  get heldBytes(): number {
    return this.#receiver.heldBytes;
  }
  get hasGap(): boolean {
    return this.#receiver.hasGap;
  }

  reserve(bytes: number): number {
    if (!this.#flushAsked) {
      this.#flushAsked = true;
      this.#context.flushSoon(this);
    }
    this.#context.metrics.counts.framesOut++;
    return this.#sender.reserve(bytes);
  }

  flush(): void {
    this.#flushAsked = false;
    if (!this.closed) this.#sender.flush();
  }

  /** Tells the other end how far both flows are. */
  beacon(): void {
    this.#sender.dropOld();
    const packet = new Uint8Array(PACKET_HEADER_BYTES);
    writeHeader(packet, this.#header(BEACON, this.#sender.last));
    this.#context.publish(this, packet);
  }

  /** The bus went or is back: no gap is given up before the peer is heard again. */
  busChanged(connected: boolean): void {
    this.heardAt = this.#context.monotonic();
    this.#receiver.pause();
    if (connected) this.beacon();
  }

  /** Asks for what is missing, or gives it up. */
  repair(): void {
    const now = this.#context.monotonic();
    const { losses } = this.#receiver;
    this.#receiver.expire(now);
    if (this.closed) return;
    if (this.#receiver.losses !== losses) this.beacon(); // the sender shall know at once
    if (this.hasGap && now - this.#nakAt >= this.#context.bounds.nakEveryMs) this.#ask();
  }

  /** A packet of the peer's. */
  receive(header: PacketHeader, bytes: Uint8Array): void {
    const { metrics, monotonic } = this.#context;
    if (header.boot < this.#peerBoot) {
      metrics.counts.stale++;
      return;
    }
    this.heardAt = monotonic();
    if (header.boot > this.#peerBoot) this.#meet(header.boot);
    if (header.toBoot !== this.boot && header.toBoot !== 0) {
      metrics.counts.stale++;
      this.beacon(); // it takes this end for an earlier one
      return;
    }
    if (header.toBoot === this.boot) this.#acknowledged(header);
    if (header.kind === NAK) this.#resend(header, bytes);
    else this.#incoming(header, bytes);
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.#sender.stop();
    this.#context.listener.closed(this);
  }

  /** The other end has shown itself, for the first time or as a new one. */
  #meet(boot: number): void {
    const { listener, metrics } = this.#context;
    const isNew = this.#peerBoot !== 0;
    this.#peerBoot = boot;
    if (!isNew) return;
    metrics.counts.resets++;
    this.#peerLosses = 0;
    this.#receiver.begin(0);
    listener.incomingReset(this);
    this.#sender.restart();
    listener.outgoingReset(this);
  }

  #acknowledged({ ackFlow, ack, losses }: PacketHeader): void {
    if (ackFlow !== this.#sender.flow) return;
    const { listener } = this.#context;
    if (losses > this.#peerLosses) {
      this.#peerLosses = losses;
      listener.outgoingLost(this);
    }
    if (ack <= this.#sender.acknowledged) return;
    this.#sender.acknowledge(ack);
    listener.acknowledged(this, this.#sender.acknowledged);
  }

  #resend(header: PacketHeader, bytes: Uint8Array): void {
    const { metrics, publish } = this.#context;
    const ranges = readRanges(bytes);
    if (ranges === undefined || header.toBoot !== this.boot) {
      metrics.counts.malformed++;
      return;
    }
    if (header.ackFlow !== this.#sender.flow) return; // of an earlier numbering
    const gone = this.#sender.resend(ranges, (packet) => {
      metrics.counts.resends++;
      return publish(this, packet);
    });
    if (gone !== undefined) publish(this, writeRanges(this.#header(GONE, 0), [gone]));
  }

  #incoming(header: PacketHeader, bytes: Uint8Array): void {
    const { listener, metrics, monotonic } = this.#context;
    const now = monotonic();
    if (header.flow < this.#receiver.flow) {
      metrics.counts.stale++;
      return;
    }
    if (header.flow > this.#receiver.flow) {
      const isFirst = this.#receiver.flow === 0;
      this.#receiver.begin(header.flow);
      if (!isFirst) listener.incomingReset(this);
    }
    this.#receiver.resume(now);
    let found = false;
    if (header.kind === BEACON) found = this.#receiver.exists(header.seq, now);
    else if (header.kind === DATA) found = this.#data(header.seq, bytes, now);
    else this.#gone(bytes, now);
    if (found) this.#ask();
    if (this.hasGap) this.#context.repairSoon();
  }

  #data(seq: number, bytes: Uint8Array, now: number): boolean {
    if (framesFit(bytes)) return this.#receiver.receive(seq, bytes, now);
    this.#context.metrics.counts.malformed++;
    return false; // as if it had not come: its number is asked for again
  }

  #gone(bytes: Uint8Array, now: number): void {
    const ranges = readRanges(bytes);
    if (ranges === undefined) {
      this.#context.metrics.counts.malformed++;
      return;
    }
    const { losses } = this.#receiver;
    for (const range of ranges) this.#receiver.gone(range, now);
    if (this.#receiver.losses === losses) return;
    this.beacon();
    if (this.hasGap) this.#ask();
  }

  #ask(): void {
    this.#nakAt = this.#context.monotonic();
    const nak = writeRanges(this.#header(NAK, 0), this.#receiver.missing());
    this.#context.publish(this, nak);
  }

  #handOn(packet: Uint8Array): void {
    const { listener, metrics } = this.#context;
    for (let at = PACKET_HEADER_BYTES; at < packet.length && !this.closed; ) {
      const start = at + 4;
      at = start + readU32(packet, at);
      metrics.counts.framesIn++;
      listener.frame(this, packet, start, at);
    }
  }

  #send(packet: Uint8Array, seq: number): void {
    writeHeader(packet, this.#header(DATA, seq));
    if (!this.#context.publish(this, packet)) this.#context.metrics.counts.refused++;
  }

  #header(kind: PacketKind, seq: number): PacketHeader {
    return {
      kind,
      from: this.#context.self,
      boot: this.boot,
      toBoot: this.#peerBoot,
      flow: this.#sender.flow,
      seq,
      ackFlow: this.#receiver.flow,
      ack: this.#receiver.acknowledged,
      losses: this.#receiver.losses,
    };
  }
}
