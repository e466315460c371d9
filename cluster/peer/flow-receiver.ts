import type { PeerBounds } from './bounds.ts';
import type { SeqRange } from './packet.ts';

export interface FlowListener {
  /** The next packet, in order. */
  received(packet: Uint8Array): void;
  /** Packets `from` to `to` will not come any more. */
  lost(from: number, to: number): void;
}

/** How far behind the gap's beginning it is described to the sender. */
const DESCRIBED_MAX = 4_096;

/** What happened to a flow, beside being received. */
export interface FlowCounts {
  duplicates: number;
  gapsSeen: number;
  repaired: number;
  lost: number;
}

type Bounds = Pick<PeerBounds, 'heldBytesMax' | 'heldPacketsMax' | 'gapMsMax' | 'nakRangesMax'>;

/**
 * One direction of a link as its receiver sees it: hands packets on in order, each once. What follows a gap waits,
 * bounded, for as long as the gap shrinks and `gapMsMax` beyond; then it is given up.
 */
export class FlowReceiver {
  readonly #bounds: Bounds;
  readonly #counts: FlowCounts;
  readonly #listener: FlowListener;
  readonly #held = new Map<number, Uint8Array>();
  #heldBytes = 0;
  #flow = 0;
  #next = 1;
  #highest = 0;
  #losses = 0;
  /** Since when the gap has not shrunk, and the highest number known then. */
  #stuckSince = 0;
  #awaited = 0;
  /** Since the bus came back nothing was heard of the sender: it may not be able to repair yet. */
  #paused = false;

  constructor(bounds: Bounds, counts: FlowCounts, listener: FlowListener) {
    this.#bounds = bounds;
    this.#counts = counts;
    this.#listener = listener;
  }

  /** Which numbering; 0: nothing was heard yet. */
  get flow(): number {
    return this.#flow;
  }
  /** All up to it was handed on or given up. */
  get acknowledged(): number {
    return this.#next - 1;
  }
  get losses(): number {
    return this.#losses;
  }
  get hasGap(): boolean {
    return this.#highest >= this.#next;
  }
  get heldBytes(): number {
    return this.#heldBytes;
  }

  /** A new numbering, from 1. */
  begin(flow: number): void {
    this.#flow = flow;
    this.#held.clear();
    this.#heldBytes = 0;
    this.#next = 1;
    this.#highest = 0;
    this.#losses = 0;
  }

  /** A packet came; true: a gap came to light with it. */
  receive(seq: number, packet: Uint8Array, now: number): boolean {
    if (seq < this.#next || this.#held.has(seq)) {
      this.#counts.duplicates++;
      return false;
    }
    if (seq !== this.#next) {
      this.#hold(seq, packet);
      return this.exists(seq, now);
    }
    if (seq <= this.#highest) this.#counts.repaired++;
    this.#highest = Math.max(this.#highest, seq);
    this.#handOn(packet);
    this.#drain(now);
    return false;
  }

  /** The sender has sent all up to `seq`; true: a gap came to light. */
  exists(seq: number, now: number): boolean {
    if (seq <= this.#highest) return false;
    const hadGap = this.hasGap;
    this.#highest = seq;
    if (hadGap || !this.hasGap) return false;
    this.#counts.gapsSeen++;
    this.#wait(now);
    return true;
  }

  /** The sender has these no more; those among them that are held are handed on all the same. */
  gone({ from, to }: SeqRange, now: number): void {
    if (from <= this.#next) this.#giveUp(Math.min(to, this.#highest), now);
  }

  /** The bus went or is back: the gap is not given up before the sender is heard again. */
  pause(): void {
    this.#paused = true;
  }

  /** The sender was heard. */
  resume(now: number): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#wait(now);
  }

  /** Gives up what has not come in time. */
  expire(now: number): void {
    if (!this.hasGap || this.#paused || now - this.#stuckSince < this.#bounds.gapMsMax) return;
    this.#giveUp(this.#awaited, now);
  }

  /** What to ask for. */
  missing(): SeqRange[] {
    const ranges: SeqRange[] = [];
    const end = Math.min(this.#highest, this.#next + DESCRIBED_MAX);
    for (let seq = this.#next; seq <= end && ranges.length < this.#bounds.nakRangesMax; seq++) {
      if (this.#held.has(seq)) continue;
      const from = seq;
      while (seq < end && !this.#held.has(seq + 1)) seq++;
      ranges.push({ from, to: seq });
    }
    return ranges;
  }

  #hold(seq: number, packet: Uint8Array): void {
    const { heldBytesMax, heldPacketsMax } = this.#bounds;
    if (this.#held.size >= heldPacketsMax || this.#heldBytes + packet.length > heldBytesMax) return;
    this.#held.set(seq, packet);
    this.#heldBytes += packet.length;
  }

  /** Hands on what follows without a gap. */
  #drain(now: number): void {
    for (let packet = this.#held.get(this.#next); packet !== undefined; packet = this.#held.get(this.#next)) {
      this.#held.delete(this.#next);
      this.#heldBytes -= packet.length;
      this.#handOn(packet);
    }
    this.#wait(now);
  }

  #handOn(packet: Uint8Array): void {
    this.#next++;
    this.#listener.received(packet);
  }

  /** Goes on beyond every gap up to `end`. */
  #giveUp(end: number, now: number): void {
    while (this.hasGap && this.#next <= end) {
      const from = this.#next;
      const to = Math.min(end, this.#firstHeld() - 1);
      this.#losses++;
      this.#counts.lost += to - from + 1;
      this.#next = to + 1;
      this.#listener.lost(from, to);
      this.#drain(now);
    }
  }

  #firstHeld(): number {
    let first = this.#highest + 1;
    for (const seq of this.#held.keys()) if (seq < first) first = seq;
    return first;
  }

  #wait(now: number): void {
    this.#stuckSince = now;
    this.#awaited = this.#highest;
  }
}
