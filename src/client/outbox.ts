import type { Ack, ErrorFrame, Send } from '../protocol/frames.ts';
import { backoffMs } from './backoff.ts';
import { ClientError } from './errors.ts';
import type { Cancel, ClientSystem } from './system.ts';

/** A message on its way: `pending` until it is acked (then it is a Message) or refused for good. */
export interface Outgoing {
  readonly conv: string;
  readonly cmid: string;
  readonly body: string | Uint8Array;
  readonly kind: string;
  readonly mentions: readonly string[] | undefined;
  /** Unix ms of the call of `send`. */
  readonly at: number;
  /** Why it failed; undefined while it is pending. */
  readonly error: ClientError | undefined;
}

/** Where an acked message stands. */
export interface Placed {
  readonly seq: number;
  readonly ts: number;
}

export interface OutboxOptions {
  readonly system: ClientSystem;
  /** Unacked messages of one conversation; beyond it `send` is refused at once. */
  readonly outboxMax: number;
  /** Of those, the ones sent and unanswered at one time. */
  readonly inFlightMax: number;
  /** Sent and unanswered over all conversations. */
  readonly inFlightTotalMax: number;
  nextId(): number;
  /** False when there is no connection. */
  send(frame: Send): boolean;
  /** Called before the promise of `add` settles. */
  settled(outgoing: Outgoing, placed: Placed | undefined): void;
}

interface Item extends Outgoing {
  error: ClientError | undefined;
  readonly queue: Queue;
  readonly resolve: (placed: Placed) => void;
  readonly reject: (error: ClientError) => void;
  /** The request id while it is in flight; else 0. */
  id: number;
  attempts: number;
}

/** One conversation's, in order. Items before `next` are in flight, or refused while `rewinding`. */
interface Queue {
  readonly conv: string;
  readonly items: Item[];
  next: number;
  inFlight: number;
  /** One was refused: once all in flight are answered and the wait is over, begin again with the first. */
  rewinding: boolean;
  /** One was refused since the last that was flagged `retry`: the server takes no other before the next so flagged. */
  owesRetry: boolean;
  refusals: number;
  cancelWait: Cancel | undefined;
}

const EMPTY = { next: 0, inFlight: 0, rewinding: false, refusals: 0, cancelWait: undefined };

/** Conversations without a queue that owe a retry. */
const OWING_MAX = 1_000;

/**
 * Sends in order, per conversation, until acked. After a reconnect, or when one was refused for now, all that
 * are unanswered go again, first the oldest, under the same cmid, so that no later one overtakes.
 */
export class Outbox {
  readonly #options: OutboxOptions;
  readonly #queues = new Map<string, Queue>();
  readonly #open = new Map<number, Item>();
  /** Queues with something to send that found `inFlightTotalMax` reached. */
  readonly #stalled = new Set<Queue>();
  /** What was refused turned out to be in the log: nothing of theirs is sent again. The oldest first. */
  readonly #owing = new Set<string>();

  constructor(options: OutboxOptions) {
    this.#options = options;
  }

  /** Takes a message; resolves when it is acked, rejects with a ClientError when it never will be. */
  add(
    conv: string,
    cmid: string,
    body: string | Uint8Array,
    kind: string,
    mentions?: readonly string[],
  ): [Outgoing, Promise<Placed>] {
    const { outboxMax, system } = this.#options;
    let queue = this.#queues.get(conv);
    if (queue !== undefined && queue.items.length >= outboxMax) {
      throw new ClientError('outbox_full', `${outboxMax} messages to ${conv} are unacked: wait for some`);
    }
    if (queue === undefined) {
      const owesRetry = this.#owing.delete(conv);
      queue = { ...EMPTY, conv, items: [], owesRetry };
      this.#queues.set(conv, queue);
    }
    let resolve: Item['resolve'] = () => undefined;
    let reject: Item['reject'] = () => undefined;
    const promise = new Promise<Placed>((onAck, onFailure) => {
      resolve = onAck;
      reject = onFailure;
    });
    const at = system.now();
    const item: Item = {
      conv,
      cmid,
      body,
      kind,
      mentions,
      at,
      error: undefined,
      queue,
      resolve,
      reject,
      id: 0,
      attempts: 0,
    };
    queue.items.push(item);
    this.#pump(queue);
    return [item, promise];
  }

  /** The unacked messages of a conversation, in order. */
  list(conv: string): readonly Outgoing[] {
    return this.#queues.get(conv)?.items ?? [];
  }

  get size(): number {
    let size = 0;
    for (const queue of this.#queues.values()) size += queue.items.length;
    return size;
  }

  online(): void {
    for (const queue of this.#queues.values()) this.#pump(queue);
  }

  offline(): void {
    this.#open.clear();
    this.#stalled.clear();
    this.#owing.clear(); // the next connection's sends are another session's
    for (const queue of this.#queues.values()) {
      for (const item of queue.items) item.id = 0;
      queue.cancelWait?.();
      queue.cancelWait = undefined;
      queue.next = queue.inFlight = 0;
      queue.rewinding = queue.owesRetry = false;
    }
  }

  acked(ack: Ack): void {
    const item = this.#open.get(ack.id);
    if (item === undefined) return; // its message came first
    item.queue.refusals = 0;
    this.#place(item, { seq: ack.seq, ts: ack.ts });
  }

  /** A message of this device has been seen in the log: whatever became of its ack, it is committed. */
  seen(conv: string, cmid: string, placed: Placed): void {
    const item = this.#queues.get(conv)?.items.find((candidate) => candidate.cmid === cmid);
    if (item !== undefined) this.#place(item, placed);
  }

  /** Whether the error was an answer to a `send`. */
  refused(error: ErrorFrame): boolean {
    const item = error.id === undefined ? undefined : this.#open.get(error.id);
    if (item === undefined) return false;
    const { queue } = item;
    if (error.retryable) {
      queue.owesRetry = true;
      this.#close(item);
      this.#wait(queue, error.retryAfterMs);
    } else {
      this.#remove(item);
      item.error = new ClientError(error.code, error.message);
      this.#options.settled(item, undefined);
      item.reject(item.error);
    }
    this.#advance(queue);
    return true;
  }

  /** Ends them all. */
  fail(error: ClientError): void {
    this.offline();
    for (const queue of [...this.#queues.values()]) {
      for (const item of queue.items.splice(0)) {
        item.error = error;
        this.#options.settled(item, undefined);
        item.reject(error);
      }
    }
    this.#queues.clear();
  }

  #place(item: Item, placed: Placed): void {
    this.#remove(item);
    this.#options.settled(item, placed);
    item.resolve(placed);
    this.#advance(item.queue);
  }

  #wait(queue: Queue, retryAfterMs: number | undefined): void {
    const first = !queue.rewinding;
    queue.rewinding = true;
    if (first) queue.refusals++;
    else if (retryAfterMs === undefined) return; // the wait under way serves
    const { system } = this.#options;
    const waitMs = retryAfterMs ?? backoffMs(queue.refusals, system.random());
    queue.cancelWait?.();
    queue.cancelWait = system.after(waitMs, () => {
      queue.cancelWait = undefined;
      this.#advance(queue);
    });
  }

  #advance(queue: Queue): void {
    if (queue.rewinding && queue.inFlight === 0 && queue.cancelWait === undefined) {
      queue.rewinding = false;
      queue.next = 0;
    }
    this.#pump(queue);
    for (const stalled of this.#stalled) {
      if (this.#open.size >= this.#options.inFlightTotalMax) break;
      this.#stalled.delete(stalled);
      this.#pump(stalled);
    }
  }

  #pump(queue: Queue): void {
    const { inFlightMax, inFlightTotalMax } = this.#options;
    if (queue.rewinding) return;
    while (queue.next < queue.items.length && queue.inFlight < inFlightMax) {
      if (this.#open.size >= inFlightTotalMax) {
        this.#stalled.add(queue);
        return;
      }
      const item = queue.items[queue.next] as Item;
      const id = this.#options.nextId();
      const frame = this.#frame(item, id);
      if (!this.#options.send(frame)) return;
      if (frame.retry === true) queue.owesRetry = false;
      item.id = id;
      item.attempts++;
      this.#open.set(id, item);
      queue.next++;
      queue.inFlight++;
    }
  }

  #frame(item: Item, id: number): Send {
    return {
      t: 'send',
      id,
      conv: item.conv,
      cmid: item.cmid,
      body: item.body,
      kind: item.kind === 'text' ? undefined : item.kind,
      retry: item.attempts > 0 || item.queue.owesRetry ? true : undefined,
      mentions: item.mentions?.length === 0 ? undefined : item.mentions,
    };
  }

  /** No longer in flight. */
  #close(item: Item): void {
    if (item.id === 0) return;
    this.#open.delete(item.id);
    item.id = 0;
    item.queue.inFlight--;
  }

  #remove(item: Item): void {
    this.#close(item);
    const { queue } = item;
    const index = queue.items.indexOf(item);
    queue.items.splice(index, 1);
    if (index < queue.next) queue.next--;
    if (queue.items.length === 0) this.#retire(queue);
  }

  #retire(queue: Queue): void {
    queue.cancelWait?.();
    queue.cancelWait = undefined;
    queue.rewinding = false;
    this.#stalled.delete(queue);
    this.#queues.delete(queue.conv);
    if (!queue.owesRetry) return;
    this.#owing.add(queue.conv);
    if (this.#owing.size > OWING_MAX) this.#owing.delete(this.#owing.values().next().value as string);
  }
}
