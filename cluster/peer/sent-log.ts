import type { ConversationId, UserId } from '../../src/core/ids.ts';

/** What of a conversation is on its way to an edge. */
export interface Sent {
  /** The number of the last packet with something of it. */
  seq: number;
  /** Whether events are, … */
  events: boolean;
  /** … and the users to whom something is by name. */
  named: Set<UserId> | undefined;
}

/** Conversations of which something is on its way to an edge and not acknowledged, the oldest first. */
export class SentLog {
  readonly #sentMax: number;
  readonly #byConv = new Map<ConversationId, Sent>();
  /** The last packet with something that found no room; 0 for none. */
  #beyond = 0;

  constructor(sentMax: number) {
    this.#sentMax = sentMax;
  }

  get size(): number {
    return this.#byConv.size;
  }
  /** Whether something is on its way that is not told here. */
  get isPartial(): boolean {
    return this.#beyond > 0;
  }

  /** Whether something of the conversation is, or may be. */
  has(conv: ConversationId): boolean {
    return this.isPartial || this.#byConv.has(conv);
  }

  note(conv: ConversationId, user: UserId | undefined, seq: number): void {
    let sent = this.#byConv.get(conv);
    if (sent === undefined) {
      if (this.#byConv.size >= this.#sentMax) {
        this.noteAny(seq);
        return;
      }
      sent = { seq, events: false, named: undefined };
      this.#byConv.set(conv, sent);
    } else if (sent.seq !== seq) {
      sent.seq = seq;
      this.#byConv.delete(conv); // to be the last
      this.#byConv.set(conv, sent);
    }
    if (user === undefined) sent.events = true;
    else (sent.named ??= new Set()).add(user);
  }

  /** Something that is not told here. */
  noteAny(seq: number): void {
    this.#beyond = seq;
  }

  acknowledged(seq: number): void {
    if (this.#beyond <= seq) this.#beyond = 0;
    for (const [conv, sent] of this.#byConv) {
      if (sent.seq > seq) return;
      this.#byConv.delete(conv);
    }
  }

  /** Takes everything out. */
  take(): [ConversationId, Sent][] {
    const all = [...this.#byConv];
    this.#byConv.clear();
    this.#beyond = 0;
    return all;
  }
}
