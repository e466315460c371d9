import type { Entry } from '../core/entry.ts';
import type { ConversationId, Seq } from '../core/ids.ts';
import { standing } from './entry-order.ts';

/** What a session has missed of one conversation. */
export interface Mark {
  /** The highest seq, and the number of messages up to it; 0: no event yet. */
  seq: Seq;
  n: number;
  /** The number of messages up to the user's read cursor; -1: not known. */
  readN: number;
  /** Set: the session must be shown it, before anything else of the conversation. */
  entry: Entry | undefined;
  /** Whether cursors of the others moved. */
  receipts: boolean;
  /** Whether the inbox row was asked for in vain. */
  rowless: boolean;
}

/** What a session has missed, one mark per conversation: a stated number of them. */
export class Marks {
  readonly #marks = new Map<ConversationId, Mark>();
  readonly #marksMax: number;

  constructor(marksMax: number) {
    this.#marksMax = marksMax;
  }

  get size(): number {
    return this.#marks.size;
  }
  has(conv: ConversationId): boolean {
    return this.#marks.has(conv);
  }
  get(conv: ConversationId): Mark | undefined {
    return this.#marks.get(conv);
  }
  delete(conv: ConversationId): void {
    this.#marks.delete(conv);
  }
  entries(): IterableIterator<[ConversationId, Mark]> {
    return this.#marks.entries();
  }

  /** An event; false: there is no room to remember it. */
  event(conv: ConversationId, seq: Seq, n: number): boolean {
    const mark = this.#mark(conv);
    if (mark === undefined) return false;
    if (seq > mark.seq) {
      mark.seq = seq;
      mark.n = n;
    }
    return true;
  }

  head(conv: ConversationId, seq: Seq, n: number, unread: number): boolean {
    if (!this.event(conv, seq, n)) return false;
    raiseCursor(this.#marks.get(conv) as Mark, n - unread);
    return true;
  }

  /** Cursors that moved: the session will be told that some did. */
  receipt(conv: ConversationId): boolean {
    const mark = this.#mark(conv);
    if (mark !== undefined) mark.receipts = true;
    return mark !== undefined;
  }

  /** Of several entries the newest is kept. */
  entry(entry: Entry): boolean {
    const mark = this.#mark(entry.conv);
    if (mark === undefined) return false;
    if (mark.entry === undefined || standing(mark.entry) <= standing(entry)) mark.entry = entry;
    raiseCursor(mark, entry.n - entry.unread);
    return true;
  }

  #mark(conv: ConversationId): Mark | undefined {
    let mark = this.#marks.get(conv);
    if (mark === undefined && this.#marks.size < this.#marksMax) {
      mark = { seq: 0, n: 0, readN: -1, entry: undefined, receipts: false, rowless: false };
      this.#marks.set(conv, mark);
    }
    return mark;
  }
}

/** Cursors only move forward. */
export function raiseCursor(mark: Mark, readN: number): void {
  if (readN > mark.readN) mark.readN = readN;
}
