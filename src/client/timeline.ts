import type { Message, Page } from '../protocol/frames.ts';
import { LIMITS } from '../protocol/limits.ts';
import { Emitter } from './emitter.ts';
import { ClientError } from './errors.ts';
import type { Outgoing, Placed } from './outbox.ts';
import type { Cancel, ClientSystem } from './system.ts';

export interface HistoryRange {
  readonly after?: number;
  readonly before?: number;
  readonly limit?: number;
}

export interface TimelineOptions {
  /** Where it begins: with the newest page (default), or behind a seq. */
  readonly after?: number;
  /**
   * What to do when far behind (over 1,000 events, or on a `reset`): show the newest page (default), or fetch
   * every event between, so that `append` misses none.
   */
  readonly whenBehind?: 'newest' | 'fetch';
  /** Messages kept; beyond it the oldest are dropped, and come back by `loadOlder`. */
  readonly messagesMax?: number;
  /** Messages per page. */
  readonly pageMax?: number;
}

export interface TimelineEvents {
  /** Messages added at the end, in order: each exactly once between two `reset`s. */
  append: readonly Message[];
  /** Messages added at the beginning. */
  prepend: readonly Message[];
  /** So many of the oldest were dropped to stay within `messagesMax`. */
  trim: number;
  /** All was dropped; the newest page follows as `append`. */
  reset: undefined;
  /** `outgoing` changed. */
  outgoing: undefined;
  /** The conversation can't be read (not a member any more, say): the timeline rests. */
  failed: ClientError;
}

export interface TimelineSource {
  readonly system: ClientSystem;
  sender(): { readonly from: string; readonly device: string };
  history(range: HistoryRange): Promise<Page>;
  closed(): void;
}

const DEFAULTS = { messagesMax: 2_000, pageMax: LIMITS.historyLimitDefault } as const;
/** Events held that lie beyond a gap; further ones are dropped, and fetched when the gap is closed. */
const AHEAD_MAX = 500;
const RETRY_MS = 1_000;

/**
 * A part of a conversation's log without a gap, kept up to its end: events that follow are appended, a jump or a
 * `head` makes it fetch what is missing, repeated ones are dropped.
 */
export class Timeline extends Emitter<TimelineEvents> {
  readonly conv: string;
  readonly #source: TimelineSource;
  readonly #messagesMax: number;
  readonly #pageMax: number;
  readonly #fetchAll: boolean;
  #messages: Message[] = [];
  /** The seq of the last message; where it begins, while there is none. */
  #last = 0;
  /** Whether `#last` is meant: the first page has come, or the beginning was given. */
  #begun = false;
  #head = 0;
  /** Nobody said where the head is: ask. */
  #mustAsk = false;
  #atStart = false;
  readonly #ahead = new Map<number, Message>();
  #outgoing: Outgoing[] = [];
  /** The seqs of own messages that were acked, by cmid, until all before them is here. */
  readonly #placed = new Map<string, number>();
  #failure: ClientError | undefined;
  #wantsOlder = false;
  #isFetching = false;
  /** Answers to what was asked before a reset or close are dropped. */
  #epoch = 0;
  #cancelRetry: Cancel | undefined;
  #olderWaiters: ((more: boolean) => void)[] = [];

  constructor(conv: string, source: TimelineSource, options: TimelineOptions = {}) {
    super();
    this.conv = conv;
    this.#source = source;
    this.#messagesMax = options.messagesMax ?? DEFAULTS.messagesMax;
    this.#pageMax = Math.min(options.pageMax ?? DEFAULTS.pageMax, LIMITS.historyLimitMax);
    this.#fetchAll = options.whenBehind === 'fetch';
    if (options.after !== undefined) {
      this.#last = options.after;
      this.#begun = true;
      this.#atStart = options.after === 0;
      this.#mustAsk = true;
    }
  }

  /** Seqs rising by one. */
  get messages(): readonly Message[] {
    return this.#messages;
  }

  /** Own messages that are not in `messages` yet, in the order of sending; failed ones stay until dismissed. */
  get outgoing(): readonly Outgoing[] {
    return this.#outgoing;
  }

  /** The seq up to which all is here; 0 for nothing. */
  get last(): number {
    return this.#last;
  }

  /** The highest seq known of. */
  get head(): number {
    return this.#head;
  }

  /** Whether all up to the head is here. */
  get isCurrent(): boolean {
    return this.#begun && this.#last >= this.#head;
  }

  /** Whether the first message of the conversation is here. */
  get isAtStart(): boolean {
    return this.#atStart;
  }

  get failure(): ClientError | undefined {
    return this.#failure;
  }

  /** Fetches a page of older messages; resolves with whether there may be more. At `messagesMax` nothing is fetched. */
  loadOlder(): Promise<boolean> {
    if (this.#failure !== undefined || this.#atStart) return Promise.resolve(false);
    if (this.#messages.length + this.#pageMax > this.#messagesMax) return Promise.resolve(false);
    this.#wantsOlder = true;
    const promise = new Promise<boolean>((resolve) => this.#olderWaiters.push(resolve));
    this.#fetch();
    return promise;
  }

  /** Forgets a failed message. */
  dismiss(cmid: string): void {
    const rest = this.#outgoing.filter((outgoing) => outgoing.cmid !== cmid || outgoing.error === undefined);
    if (rest.length === this.#outgoing.length) return;
    this.#outgoing = rest;
    this.emit('outgoing', undefined);
  }

  /** No longer kept up to date. */
  close(): void {
    this.#epoch++;
    this.#cancelRetry?.();
    this.#settleOlder(false);
    this.#source.closed();
  }

  // What follows is the client's to call.

  /** What `hello` says of it: the seq up to which it is held. */
  get have(): number | undefined {
    return this.#begun && this.#failure === undefined ? this.#last : undefined;
  }

  /** @internal */
  receive(message: Message): void {
    if (message.seq > this.#head) this.#head = message.seq;
    if (this.#begun && message.seq <= this.#last) return;
    if (this.#begun && message.seq === this.#last + 1) {
      this.#append([message]);
    } else if (this.#ahead.size < AHEAD_MAX) {
      this.#ahead.set(message.seq, message);
    }
    this.#fetch();
  }

  /** @internal */
  headIs(seq: number): void {
    if (seq > this.#head) this.#head = seq;
    this.#fetch();
  }

  /** @internal */
  sending(outgoing: Outgoing): void {
    this.#outgoing = [...this.#outgoing, outgoing];
    this.emit('outgoing', undefined);
  }

  /** @internal An own message was acked (or failed: no place). */
  settled(outgoing: Outgoing, placed: Placed | undefined): void {
    if (placed === undefined) {
      this.emit('outgoing', undefined);
      return;
    }
    const { conv, cmid, kind, body } = outgoing;
    // `n` is filled in when the messages before it are here
    this.#placed.set(cmid, placed.seq);
    this.receive({ t: 'message', conv, cmid, kind, body, n: 0, ...placed, ...this.#source.sender() });
    if (this.#dropPlaced()) this.emit('outgoing', undefined);
  }

  /** @internal The server asks to drop what is held. */
  reset(): void {
    this.#epoch++;
    this.#cancelRetry?.();
    this.#cancelRetry = undefined;
    this.#isFetching = false;
    this.#failure = undefined;
    this.#ahead.clear();
    if (this.#fetchAll && this.#begun) {
      this.#mustAsk = true;
    } else {
      this.#messages = [];
      this.#begun = false;
      this.#atStart = false;
      this.#last = 0;
      this.#head = 0;
      this.#settleOlder(true);
      this.emit('reset', undefined);
    }
    this.#fetch();
  }

  /** @internal A connection is there again. */
  online(): void {
    if (this.#failure !== undefined) this.reset();
    this.#fetch();
  }

  /** All from here on is held. */
  get #oldestBound(): number {
    return this.#messages[0]?.seq ?? this.#last + 1;
  }

  #wanted(): HistoryRange | undefined {
    if (this.#failure !== undefined) return undefined;
    if (!this.#begun) return { limit: this.#pageMax };
    if (this.#mustAsk || this.#head > this.#last) return { after: this.#last, limit: LIMITS.historyLimitMax };
    if (!this.#wantsOlder) return undefined;
    return { before: this.#oldestBound, limit: this.#pageMax };
  }

  #fetch(): void {
    if (this.#isFetching || this.#cancelRetry !== undefined) return;
    if (this.#begun && !this.#fetchAll && this.#head - this.#last > LIMITS.resetBehindMax)
      return this.reset();
    const range = this.#wanted();
    if (range === undefined) return;
    const epoch = this.#epoch;
    this.#isFetching = true;
    this.#source.history(range).then(
      (page) => {
        if (epoch !== this.#epoch) return;
        this.#isFetching = false;
        if (this.#apply(range, page)) this.#fetch();
        else this.#retryLater();
      },
      (error: unknown) => {
        if (epoch !== this.#epoch) return;
        this.#isFetching = false;
        if (error instanceof ClientError && !error.retryable) this.#fail(error);
        else if (error instanceof ClientError) this.#retryLater();
        else throw error;
      },
    );
  }

  /** False if the page did not bring what it should. */
  #apply(range: HistoryRange, page: Page): boolean {
    const { messages } = page;
    if (range.before !== undefined) return this.#applyOlder(range.before, page);
    if (range.after === undefined) {
      this.#begun = true;
      this.#last = (messages[0]?.seq ?? page.head + 1) - 1;
      this.#atStart = !page.more;
    }
    this.#mustAsk = false;
    this.#head = Math.max(this.#head, page.head);
    const fresh: Message[] = [];
    for (const message of messages) {
      if (message.seq === this.#last + fresh.length + 1) fresh.push(message);
    }
    this.#append(fresh);
    return fresh.length > 0 || this.#head <= this.#last;
  }

  #applyOlder(before: number, page: Page): boolean {
    this.#wantsOlder = false;
    if (before !== this.#oldestBound || (page.messages.at(-1)?.seq ?? before - 1) !== before - 1) {
      this.#settleOlder(true); // trimmed meanwhile: the page no longer fits on
      return true;
    }
    const older = page.messages;
    this.#atStart = !page.more;
    this.#messages = [...older, ...this.#messages];
    if (older.length > 0) this.emit('prepend', older);
    this.#settleOlder(page.more);
    return true;
  }

  /** `messages` follow `#last`; so may some of those held. */
  #append(messages: Message[]): void {
    const first = this.#last + 1;
    const added: Message[] = [];
    const { from, device } = this.#source.sender();
    for (let seq = first; ; seq++) {
      const message = messages[seq - first] ?? this.#ahead.get(seq);
      if (message === undefined) break;
      this.#ahead.delete(seq);
      added.push(this.#numbered(message, added.at(-1) ?? this.#messages.at(-1)));
      const isOwn = message.cmid !== undefined && message.device === device && message.from === from;
      if (isOwn) this.#placed.set(message.cmid, seq);
    }
    for (const seq of this.#ahead.keys()) if (seq < first + added.length) this.#ahead.delete(seq);
    if (added.length === 0) return;
    this.#last += added.length;
    for (const message of added) this.#messages.push(message);
    const removed = this.#dropPlaced();
    this.emit('append', added);
    if (removed) this.emit('outgoing', undefined);
    this.#trim();
  }

  /** An own message has no `n` from its ack: one more than before it. */
  #numbered(message: Message, previous: Message | undefined): Message {
    if (message.n > 0 || message.kind.startsWith('sys.')) return message;
    if (previous === undefined) return message.seq === 1 ? { ...message, n: 1 } : message;
    return { ...message, n: previous.n + 1 };
  }

  #trim(): void {
    const excess = this.#messages.length - this.#messagesMax;
    if (excess <= 0) return;
    const count = Math.min(this.#messages.length - 1, excess + Math.floor(this.#messagesMax / 10));
    this.#messages.splice(0, count);
    this.#atStart = false;
    this.emit('trim', count);
  }

  /** Takes from `outgoing` what is in `messages` by now. */
  #dropPlaced(): boolean {
    if (this.#placed.size === 0) return false;
    const rest = this.#outgoing.filter(
      (outgoing) => (this.#placed.get(outgoing.cmid) ?? Infinity) > this.#last,
    );
    for (const [cmid, seq] of this.#placed) if (seq <= this.#last) this.#placed.delete(cmid);
    if (rest.length === this.#outgoing.length) return false;
    this.#outgoing = rest;
    return true;
  }

  #fail(error: ClientError): void {
    this.#failure = error;
    this.#wantsOlder = false;
    this.#settleOlder(false);
    this.emit('failed', error);
  }

  #retryLater(): void {
    this.#cancelRetry = this.#source.system.after(RETRY_MS, () => {
      this.#cancelRetry = undefined;
      this.#fetch();
    });
  }

  #settleOlder(more: boolean): void {
    const waiters = this.#olderWaiters;
    this.#olderWaiters = [];
    for (const resolve of waiters) resolve(more);
  }
}
