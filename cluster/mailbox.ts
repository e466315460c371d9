import type { Completion } from '../src/core/actor.ts';
import type { ConversationRequest } from '../src/core/requests.ts';
import { RingBuffer } from '../src/core/ring-buffer.ts';

export const MAILBOX_MESSAGES_MAX = 1_024;
export const MAILBOX_BYTES_MAX = 1024 * 1024;
/** At most one batch is in flight, and an actor bounds its own look-ups and fetches well below this. */
const COMPLETIONS_MAX = 4_096;

/** What waits for one actor: requests, bounded, and completions of its own outbox items, which go first. */
export class Mailbox {
  readonly #requests = new RingBuffer<ConversationRequest>(MAILBOX_MESSAGES_MAX);
  readonly #completions = new RingBuffer<Completion>(COMPLETIONS_MAX);
  #bytes = 0;

  get length(): number {
    return this.#requests.length;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get hasCompletions(): boolean {
    return this.#completions.length > 0;
  }

  /** False, and nothing changed, when the request would pass a bound. */
  offer(request: ConversationRequest): boolean {
    if (this.#bytes + request.bytes > MAILBOX_BYTES_MAX && this.#requests.length > 0) return false;
    if (!this.#requests.push(request)) return false;
    this.#bytes += request.bytes;
    return true;
  }

  take(): ConversationRequest | undefined {
    const request = this.#requests.shift();
    if (request !== undefined) this.#bytes -= request.bytes;
    return request;
  }

  complete(completion: Completion): void {
    if (!this.#completions.push(completion)) throw new Error('an actor is owed too many completions');
  }

  takeCompletion(): Completion | undefined {
    return this.#completions.shift();
  }
}
