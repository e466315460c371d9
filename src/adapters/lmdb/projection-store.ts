import { type DirtyStore, type ProjectionStore, StoreUnavailable } from '../../core/ports.ts';
import type { ConversationId, UserId } from '../../core/ids.ts';
import type { ConversationRow, InboxRow, MemberRow, ProjectionWrite } from '../../core/rows.ts';
import { conversationKey } from './keys.ts';
import type { LogItem, Waiter } from './log-item.ts';
import type { Overlay } from './overlay.ts';
import type { Put } from './record-codec.ts';
import { projectionPuts } from './small-tables.ts';
import type { Writer } from './writer.ts';

/** Rows of one log entry: what is more is split, since rows are independent of one another. */
const PUTS_PER_ENTRY_MAX = 32;
const PUT_BYTES = 16;

export class LmdbProjectionStore implements ProjectionStore {
  readonly #overlay: Overlay;
  readonly #writer: Writer;

  constructor(overlay: Overlay, writer: Writer) {
    this.#overlay = overlay;
    this.#writer = writer;
  }

  async conversation(conv: ConversationId): Promise<ConversationRow | undefined> {
    return this.#overlay.tables.conversation(conv);
  }
  async members(conv: ConversationId): Promise<MemberRow[]> {
    return this.#overlay.tables.members(conv);
  }
  async inbox(user: UserId): Promise<InboxRow[]> {
    return this.#overlay.tables.inbox(user);
  }
  async inboxRow(user: UserId, conv: ConversationId): Promise<InboxRow | undefined> {
    return this.#overlay.tables.inboxRow(user, conv);
  }

  async write(writes: readonly ProjectionWrite[]): Promise<void> {
    const items: ((waiter: Waiter) => LogItem)[] = [];
    for (const write of writes) {
      const puts = projectionPuts(write);
      for (let i = 0; i < puts.length; i += PUTS_PER_ENTRY_MAX) {
        items.push(projectionItem(write, puts.slice(i, i + PUTS_PER_ENTRY_MAX)));
      }
    }
    if (items.length > 0) await submitAll(this.#writer, items);
  }
}

export class LmdbDirtyStore implements DirtyStore {
  readonly #overlay: Overlay;
  readonly #writer: Writer;
  readonly #fence: number;

  constructor(overlay: Overlay, writer: Writer, fence: number) {
    this.#overlay = overlay;
    this.#writer = writer;
    this.#fence = fence;
  }

  async dirty(): Promise<ConversationId[]> {
    return this.#overlay.dirty.all();
  }

  async clearDirty(slot: number): Promise<void> {
    const fence = this.#fence;
    await submitAll(this.#writer, [(waiter) => ({ t: 'clear', slot, fence, waiter, bytes: PUT_BYTES })]);
  }
}

/** Resolves when all are durable; some may be when it rejects, as upserts may. */
function submitAll(writer: Writer, items: readonly ((waiter: Waiter) => LogItem)[]): Promise<void> {
  return new Promise((resolve, reject) => {
    let open = items.length;
    const waiter: Waiter = {
      resolve: () => {
        if (--open === 0) resolve();
      },
      reject,
    };
    for (const item of items) {
      if (!writer.submit(item(waiter))) {
        return reject(new StoreUnavailable('the store takes no writes at present'));
      }
    }
  });
}

function projectionItem({ conv, fence }: ProjectionWrite, puts: readonly Put[]): (waiter: Waiter) => LogItem {
  let bytes = 0;
  for (const { key, value } of puts) bytes += PUT_BYTES + key.length + value.length;
  const conversation = conversationKey(conv);
  return (waiter) => ({ t: 'projection', key: conversation, fence, puts, waiter, bytes });
}
