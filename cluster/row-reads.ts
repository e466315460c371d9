import type { Completion } from '../src/core/actor.ts';
import type { Seq } from '../src/core/ids.ts';
import type { Logger, MessageStore } from '../src/core/ports.ts';
import type { ReadRequest, SendRequest } from '../src/core/requests.ts';

/** What actors look up in the store; a read that fails completes too, as unavailable. */
export class RowReads {
  readonly #messages: MessageStore;
  readonly #logger: Logger;

  constructor(messages: MessageStore, logger: Logger) {
    this.#messages = messages;
    this.#logger = logger;
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
}
