import type { Completion } from '../src/core/actor.ts';
import type { ConversationId, Seq } from '../src/core/ids.ts';
import type { Logger, MessageStore, ReadLimits } from '../src/core/ports.ts';
import type { ReadRequest, SendRequest } from '../src/core/requests.ts';
import type { StoredRow } from '../src/core/rows.ts';

const PER_READ: ReadLimits = { rowsMax: 1_024, bytesMax: 4 * 1024 * 1024 };

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

/** All rows of from … to, committed ones, however many bytes they are. */
export async function readRows(
  messages: MessageStore,
  conv: ConversationId,
  from: Seq,
  to: Seq,
): Promise<StoredRow[]> {
  const rows: StoredRow[] = [];
  while (from + rows.length <= to)
    rows.push(...(await messages.read(conv, from + rows.length, to, false, PER_READ)));
  return rows;
}
