import type { Cancel, ClientSystem } from './system.ts';

/** After one has been sent, what follows within this time goes together. */
const WINDOW_MS = 200;
const MARKS_MAX = 1_000;

/** Read cursors on their way to the server: coalesced, and sent again when a reconnect shows that one was lost. */
export class ReadMarks {
  readonly #system: ClientSystem;
  readonly #send: (conv: string, seq: number) => boolean;
  /** The highest of each conversation, the last moved at the end. */
  readonly #marks = new Map<string, number>();
  readonly #unsent = new Set<string>();
  #cancelWindow: Cancel | undefined;

  constructor(system: ClientSystem, send: (conv: string, seq: number) => boolean) {
    this.#system = system;
    this.#send = send;
  }

  add(conv: string, seq: number): void {
    this.#marks.delete(conv);
    this.#marks.set(conv, seq);
    this.#unsent.add(conv);
    if (this.#marks.size > MARKS_MAX) {
      const oldest = this.#marks.keys().next().value as string;
      this.#marks.delete(oldest);
      this.#unsent.delete(oldest);
    }
    if (this.#cancelWindow === undefined) this.flush();
  }

  flush(): void {
    this.#cancelWindow?.();
    this.#cancelWindow = undefined;
    if (this.#unsent.size === 0) return;
    for (const conv of this.#unsent) {
      if (!this.#send(conv, this.#marks.get(conv) as number)) return; // `resend` will
      this.#unsent.delete(conv);
    }
    this.#cancelWindow = this.#system.after(WINDOW_MS, () => this.flush());
  }

  /** A new connection: sends those that are still news to what the server says. */
  resend(isNews: (conv: string, seq: number) => boolean): void {
    for (const [conv, seq] of this.#marks) if (isNews(conv, seq)) this.#unsent.add(conv);
    this.flush();
  }

  stop(): void {
    this.#cancelWindow?.();
    this.#cancelWindow = undefined;
  }
}
