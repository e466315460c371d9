import type { ServerFrame } from '../../src/protocol/frames.ts';
import type { Person } from '../scenarios/people.ts';
import type { NodeProcess } from '../services/stack.ts';
import type { Observer, Talk } from './talks.ts';

const LOOK_MS = 250;

/** What people saw from some moment on. Times in ms. */
export interface Seen {
  /** Of errors that answered requests, and others; the clients tried again by themselves. */
  readonly errors: Readonly<Record<string, number>>;
  /** What the first of each code said. */
  readonly messages: Readonly<Record<string, string>>;
  /** Connections that ended. */
  readonly closes: number;
  /** The longest time in which no message of anybody was acked. */
  readonly silenceMs: number;
  /** From sending to the ack, at worst. */
  readonly ackMs: number;
  /** From the ack to the last receiver, at worst. */
  readonly deliveryMs: number;
  /** The most memory that one edge or sequencer had, and by how much it grew. */
  readonly memoryMb: number;
  readonly memoryGrowthMb: number;
}

/** Watches people, their messages, and the memory of the nodes. */
export class Meter implements Observer {
  readonly #nodes: readonly NodeProcess[];
  readonly #timer: NodeJS.Timeout;
  readonly #ackedAt = new Map<string, number>();
  readonly #receivers = new Map<string, number>();
  #errors: Record<string, number> = {};
  #messages: Record<string, string> = {};
  #closes = 0;
  #lastAckAt = 0;
  #resting = false;
  #silenceMs = 0;
  #ackMs = 0;
  #deliveryMs = 0;
  #memory = 0;
  /** By pid, of those that ran when the measuring began. */
  readonly #memoryBefore = new Map<number, number>();
  #memoryGrowth = 0;

  constructor(nodes: readonly NodeProcess[]) {
    this.#nodes = nodes;
    this.#timer = setInterval(() => this.#look(), LOOK_MS);
    this.begin();
  }

  /** What came before counts for nothing. */
  begin(): void {
    this.#errors = {};
    this.#messages = {};
    this.#closes = 0;
    this.#lastAckAt = performance.now();
    this.#resting = false;
    this.#silenceMs = this.#ackMs = this.#deliveryMs = 0;
    this.#memory = this.#memoryGrowth = 0;
    this.#memoryBefore.clear();
    for (const node of this.#nodes) if (!node.exited) this.#memoryBefore.set(node.pid, memoryOf(node));
    this.#look();
  }

  /** Nobody sends all the time any more: silence means nothing. */
  rest(): void {
    this.#endSilence();
    this.#resting = true;
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  get seen(): Seen {
    this.#endSilence();
    return {
      errors: { ...this.#errors },
      messages: { ...this.#messages },
      closes: this.#closes,
      silenceMs: Math.round(this.#silenceMs),
      ackMs: Math.round(this.#ackMs),
      deliveryMs: Math.round(this.#deliveryMs),
      memoryMb: Math.round(this.#memory / 1e6),
      memoryGrowthMb: Math.round(this.#memoryGrowth / 1e6),
    };
  }

  readonly frame = (frame: ServerFrame): void => {
    if (frame.t !== 'error') return;
    const { code, message } = frame;
    this.#errors[code] = (this.#errors[code] ?? 0) + 1;
    this.#messages[code] ??= message;
  };

  watch({ client }: Person): void {
    client.on('state', ({ is }) => {
      if (is === 'waiting' || is === 'closed') this.#closes++;
    });
  }

  acked({ conv, senders }: Talk, seq: number, sentAt: number): void {
    const now = performance.now();
    this.#endSilence(now);
    this.#lastAckAt = now;
    this.#ackMs = Math.max(this.#ackMs, now - sentAt);
    const key = `${conv} ${seq}`;
    if ((this.#receivers.get(key) ?? 0) < senders.length) this.#ackedAt.set(key, now);
    else this.#receivers.delete(key);
  }

  received({ conv, senders }: Talk, seq: number): void {
    const key = `${conv} ${seq}`;
    const count = (this.#receivers.get(key) ?? 0) + 1;
    const ackedAt = this.#ackedAt.get(key);
    if (ackedAt !== undefined) this.#deliveryMs = Math.max(this.#deliveryMs, performance.now() - ackedAt);
    if (count < senders.length || ackedAt === undefined) {
      this.#receivers.set(key, count);
      return;
    }
    this.#receivers.delete(key);
    this.#ackedAt.delete(key);
  }

  #endSilence(now = performance.now()): void {
    if (this.#resting) return;
    this.#silenceMs = Math.max(this.#silenceMs, now - this.#lastAckAt);
  }

  #look(): void {
    for (const node of this.#nodes) {
      if (node.exited) continue;
      const { pid } = node;
      const bytes = memoryOf(node);
      this.#memory = Math.max(this.#memory, bytes);
      this.#memoryGrowth = Math.max(this.#memoryGrowth, bytes - (this.#memoryBefore.get(pid) ?? bytes));
    }
  }
}

/** 0 for a process that is just ending. */
function memoryOf(node: NodeProcess): number {
  try {
    return node.memoryBytes || 0; // NaN of one that has ended, and is there still
  } catch {
    return 0;
  }
}
