import type { Cancel, ClientSystem } from './system.ts';

const MARKS_MAX = 1_000;
/** From sending a cursor to sending it again; from some tries on, doubling. */
const REPEAT_MS = 5_000;
const EVEN_TRIES = 4;
/** What is not confirmed by then never will be. */
const TRIES_MAX = 10;

interface Mark {
  seq: number;
  tries: number;
  /** Monotonic ms of the next try. */
  dueAt: number;
}

/**
 * Cursors of one kind on their way to the server, which answers none: coalesced, and sent again until a `receipt`
 * shows that they are durable, so that none is lost with a server.
 */
export class CursorMarks {
  readonly #system: ClientSystem;
  readonly #windowMs: number;
  readonly #send: (conv: string, seq: number) => boolean;
  /** The highest of each conversation, the last moved at the end. */
  readonly #marks = new Map<string, Mark>();
  readonly #unsent = new Set<string>();
  /** What the server has, of the conversations heard of last. */
  readonly #confirmed = new Map<string, number>();
  #cancelWindow: Cancel | undefined;
  #cancelRepeat: Cancel | undefined;

  /** After one has been sent, what follows within `windowMs` goes together. */
  constructor(system: ClientSystem, windowMs: number, send: (conv: string, seq: number) => boolean) {
    this.#system = system;
    this.#windowMs = windowMs;
    this.#send = send;
  }

  /** Cursors that the server has not confirmed. */
  get size(): number {
    return this.#marks.size;
  }

  add(conv: string, seq: number): void {
    if (Math.max(this.#marks.get(conv)?.seq ?? -1, this.#confirmed.get(conv) ?? -1) >= seq) return;
    this.#marks.delete(conv);
    this.#marks.set(conv, { seq, tries: 0, dueAt: 0 });
    this.#unsent.add(conv);
    if (this.#marks.size > MARKS_MAX) this.drop(this.#marks.keys().next().value as string);
    if (this.#cancelWindow === undefined) this.flush();
  }

  flush(): void {
    this.#cancelWindow?.();
    this.#cancelWindow = undefined;
    if (this.#unsent.size === 0) return;
    for (const conv of this.#unsent) {
      const mark = this.#marks.get(conv) as Mark;
      if (!this.#send(conv, mark.seq)) return; // `online` will
      this.#unsent.delete(conv);
      mark.dueAt = this.#system.monotonic() + REPEAT_MS * 2 ** Math.max(0, ++mark.tries - EVEN_TRIES);
    }
    this.#cancelWindow = this.#system.after(this.#windowMs, () => this.flush());
    this.#cancelRepeat ??= this.#system.after(REPEAT_MS, this.#repeat);
  }

  /** The server has it. */
  confirmed(conv: string, seq: number): void {
    const known = this.#confirmed.get(conv) ?? -1;
    this.#confirmed.delete(conv);
    this.#confirmed.set(conv, Math.max(known, seq));
    if (this.#confirmed.size > MARKS_MAX)
      this.#confirmed.delete(this.#confirmed.keys().next().value as string);
    if ((this.#marks.get(conv)?.seq ?? Number.POSITIVE_INFINITY) <= seq) this.drop(conv);
  }

  /** The server will not have it. */
  drop(conv: string): void {
    this.#marks.delete(conv);
    this.#unsent.delete(conv);
  }

  /** A new connection: sends those that are still news to what the server says. */
  online(isNews: (conv: string, seq: number) => boolean): void {
    for (const [conv, { seq }] of this.#marks) if (isNews(conv, seq)) this.#unsent.add(conv);
    this.flush();
  }

  stop(): void {
    this.#cancelWindow?.();
    this.#cancelRepeat?.();
    this.#cancelWindow = undefined;
    this.#cancelRepeat = undefined;
  }

  readonly #repeat = (): void => {
    this.#cancelRepeat = undefined;
    const now = this.#system.monotonic();
    for (const [conv, mark] of this.#marks) {
      if (mark.tries >= TRIES_MAX) this.drop(conv);
      else if (mark.tries > 0 && mark.dueAt <= now) this.#unsent.add(conv);
    }
    if (this.#marks.size > 0) this.#cancelRepeat = this.#system.after(REPEAT_MS, this.#repeat);
    if (this.#cancelWindow === undefined) this.flush();
  };
}
