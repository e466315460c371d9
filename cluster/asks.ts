import type { Completion } from '../src/core/actor.ts';
import type { ConversationId, Seq } from '../src/core/ids.ts';
import type { Logger, MessageStore } from '../src/core/ports.ts';
import type { ConversationRequest, ReadRequest, SendRequest } from '../src/core/requests.ts';
import { Recalls, type RecallsOptions } from './recalls.ts';

export interface AsksOptions extends RecallsOptions {
  /** Whether a request's edge still waits for its answer; embedded it always does. */
  readonly isAwaited?: ((request: ConversationRequest) => Promise<boolean>) | undefined;
}

/** What actors ask of the store and of edges. Each question completes once, also when it fails. */
export class Asks {
  readonly #messages: MessageStore;
  readonly #logger: Logger;
  readonly #recalls: Recalls;
  readonly #isAwaited: (request: ConversationRequest) => Promise<boolean>;

  constructor(options: AsksOptions) {
    this.#messages = options.messages;
    this.#logger = options.logger;
    this.#recalls = new Recalls(options);
    this.#isAwaited = options.isAwaited ?? (() => Promise.resolve(true));
  }

  async lookUp(request: SendRequest): Promise<Completion> {
    const { conv, user, device, cmid } = request;
    try {
      return { t: 'lookedUp', request, outcome: await this.#messages.lookUp(conv, user, device, cmid) };
    } catch (err) {
      this.#logger.warn({ err, conv }, 'a look-up failed');
      return { t: 'lookedUp', request, outcome: { t: 'unavailable' } };
    }
  }

  async confirm(request: ConversationRequest): Promise<Completion> {
    return { t: 'confirmed', request, isAwaited: await this.#isAwaited(request) };
  }

  async fetch(request: ReadRequest, seq: Seq): Promise<Completion> {
    const { conv } = request;
    try {
      const rows = await this.#messages.read(conv, seq, seq, false, { rowsMax: 1, bytesMax: 1 });
      return { t: 'fetched', request, row: rows[0] };
    } catch (err) {
      this.#logger.warn({ err, conv }, 'a row was not read');
      return { t: 'fetched', request, row: undefined };
    }
  }

  recall(conv: ConversationId, from: Seq, to: Seq): Promise<Completion> {
    return this.#recalls.recall(conv, from, to);
  }

  stop(): void {
    this.#recalls.stop();
  }
}
