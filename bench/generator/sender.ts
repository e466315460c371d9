/**
 * Who sends what when: a closed loop (each connection keeps `window` sends unanswered), or an open one (each
 * message has its intended time; a late one is sent late, and its latency counts from the intended time).
 */
import type { Topology } from '../topology.ts';
import { SendTemplate } from './frames.ts';
import type { WireSocket } from './socket.ts';

/** Messages whose send time is still known. More than can be under way. */
const RING = 2 ** 20;
const TICK_MS = 1;

export interface SenderOptions {
  readonly topology: Topology;
  readonly sockets: readonly WireSocket[];
  readonly window: number;
  readonly bodyBytes: number;
  readonly ratePerSecond: number | undefined;
}

export class Sender {
  /** Sends without an answer yet, over all connections. */
  unanswered = 0;
  readonly #topology: Topology;
  readonly #sockets: readonly WireSocket[];
  readonly #window: number;
  readonly #template: SendTemplate;
  /** Milliseconds between two intended times of one connection; 0 in a closed loop. */
  readonly #periodMs: number;
  readonly #senders: number;
  #startedAt = 0;
  #running = false;
  #timer: NodeJS.Timeout | undefined;
  #nextNumber = 0;
  readonly #sentAt = new Float64Array(RING);

  /** Per connection: free request slots (a stack), the next conversation's place, messages made, its pause. */
  readonly #freeSlots: Uint16Array;
  readonly #freeCount: Uint16Array;
  readonly #turn: Uint32Array;
  readonly #made: Float64Array;
  readonly #order: Int32Array;
  readonly #pausedUntil: Float64Array;
  /** By connection: 1 from a refusal to an ack; servers take no new sends meanwhile. */
  readonly #owes: Uint8Array;
  #pausedCount = 0;
  /** Per slot (request id - 1): what was sent. */
  readonly #slotNumber: Uint32Array;
  readonly #slotConversation: Uint32Array;
  readonly #slotTaken: Uint8Array;

  constructor(options: SenderOptions) {
    const connections = options.sockets.length;
    this.#topology = options.topology;
    this.#sockets = options.sockets;
    this.#window = options.window;
    this.#template = new SendTemplate(options.bodyBytes);
    this.#freeSlots = new Uint16Array(connections * options.window);
    this.#freeCount = new Uint16Array(connections).fill(options.window);
    this.#turn = new Uint32Array(connections);
    this.#made = new Float64Array(connections);
    this.#order = new Int32Array(connections);
    this.#owes = new Uint8Array(connections);
    this.#pausedUntil = new Float64Array(connections);
    this.#slotNumber = new Uint32Array(connections * options.window);
    this.#slotConversation = new Uint32Array(connections * options.window);
    this.#slotTaken = new Uint8Array(connections * options.window);
    let senders = 0;
    for (let c = 0; c < connections; c++) {
      for (let slot = 0; slot < options.window; slot++) this.#freeSlots[c * options.window + slot] = slot;
      this.#order[c] = (options.topology.sendsTo[c]?.length ?? 0) > 0 ? senders++ : -1;
    }
    this.#senders = senders;
    this.#periodMs = options.ratePerSecond === undefined ? 0 : (senders * 1000) / options.ratePerSecond;
  }

  start(): void {
    this.#running = true;
    this.#startedAt = performance.now();
    this.#timer = setInterval(() => this.#tick(), TICK_MS);
    this.#pumpAll(this.#startedAt);
  }

  /** Sends nothing more; answers still come. */
  stop(): void {
    this.#running = false;
    clearInterval(this.#timer);
  }

  /** Sends what is due and fits into the connection's window; the caller flushes. */
  pump(connection: number, now: number): void {
    if (!this.#running) return;
    const order = this.#order[connection] as number;
    if (order < 0 || (this.#pausedUntil[connection] as number) > now) return;
    while ((this.#freeCount[connection] as number) > 0) {
      let at = now;
      if (this.#periodMs > 0) {
        const intended =
          this.#startedAt + this.#periodMs * (this.#made[connection] as number) + this.#phase(order);
        if (intended > now) return;
        at = intended;
      }
      this.#send(connection, at);
    }
  }

  /** Spreads the connections' intended times evenly over a period. */
  #phase(order: number): number {
    return (this.#periodMs * order) / this.#senders;
  }

  #send(connection: number, at: number): void {
    const free = (this.#freeCount[connection] as number) - 1;
    this.#freeCount[connection] = free;
    const slot = this.#freeSlots[connection * this.#window + free] as number;
    const conversations = this.#topology.sendsTo[connection] as readonly number[];
    const turn = this.#turn[connection] as number;
    this.#turn[connection] = turn + 1 === conversations.length ? 0 : turn + 1;
    const conversation = conversations[turn] as number;
    const number = this.#nextNumber++ >>> 0;
    this.#made[connection] = (this.#made[connection] as number) + 1;
    this.#sentAt[number % RING] = at;
    const taken = connection * this.#window + slot;
    this.#slotNumber[taken] = number;
    this.#slotConversation[taken] = conversation;
    this.#slotTaken[taken] = 1;
    this.unanswered++;
    const socket = this.#sockets[connection] as WireSocket;
    const frameAt = socket.begin(this.#template.frameBytes);
    const isRetry = this.#owes[connection] === 1;
    this.#template.write(
      socket.buffer(),
      frameAt,
      slot + 1,
      this.#topology.ids,
      conversation,
      number,
      isRetry,
    );
  }

  /** Whether the request id is unanswered and was for this message; frees it. */
  answered(connection: number, id: number, conversation: number, number: number): boolean {
    const slot = id - 1;
    if (slot < 0 || slot >= this.#window) return false;
    const taken = connection * this.#window + slot;
    if (this.#slotTaken[taken] === 0) return false;
    if (this.#slotNumber[taken] !== number || this.#slotConversation[taken] !== conversation) return false;
    this.#release(connection, slot);
    this.#owes[connection] = 0;
    return true;
  }

  /** An `error` answered this request: sends nothing from the connection for a while. */
  refused(connection: number, id: number, retryAfterMs: number): boolean {
    const slot = id - 1;
    if (slot < 0 || slot >= this.#window || this.#slotTaken[connection * this.#window + slot] === 0)
      return false;
    this.#release(connection, slot);
    this.#owes[connection] = 1;
    if (this.#pausedUntil[connection] === 0) this.#pausedCount++;
    this.#pausedUntil[connection] = performance.now() + Math.max(retryAfterMs, TICK_MS);
    return true;
  }

  #release(connection: number, slot: number): void {
    this.#slotTaken[connection * this.#window + slot] = 0;
    const free = this.#freeCount[connection] as number;
    this.#freeSlots[connection * this.#window + free] = slot;
    this.#freeCount[connection] = free + 1;
    this.unanswered--;
  }

  /** When the message was sent, or was to be; undefined if no such message can be under way. */
  sentAt(number: number): number | undefined {
    if (number >= this.#nextNumber || number + RING < this.#nextNumber) return undefined;
    return this.#sentAt[number % RING];
  }

  #tick(): void {
    const now = performance.now();
    if (this.#periodMs === 0 && this.#pausedCount === 0) return;
    for (let c = 0; this.#pausedCount > 0 && c < this.#sockets.length; c++) {
      const until = this.#pausedUntil[c] as number;
      if (until === 0 || until > now) continue;
      this.#pausedUntil[c] = 0;
      this.#pausedCount--;
    }
    this.#pumpAll(now);
  }

  #pumpAll(now: number): void {
    this.#template.setTime(Date.now());
    for (let c = 0; c < this.#sockets.length; c++) {
      this.pump(c, now);
      this.#sockets[c]?.flush();
    }
  }
}
