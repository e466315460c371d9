import {
  type ChangeOutcome,
  type DirtyStore,
  type ProjectionStore,
  StoreUnavailable,
} from '../../core/ports.ts';
import type { ConversationId, UserId } from '../../core/ids.ts';
import type { ConversationRow, Inbox, InboxRow, MemberRow, ProjectionWrite } from '../../core/rows.ts';
import { homeOf, type UserRow, type UserSettings } from '../../core/users.ts';
import { conversationKey } from './keys.ts';
import type { LogItem, Waiter } from './log-item.ts';
import type { Overlay } from './overlay.ts';
import type { Put } from './record-codec.ts';
import { projectionPuts, seenPut, settingsPut } from './small-tables.ts';
import type { Writer } from './writer.ts';

/** Rows of one log entry: what is more is split, since rows are independent of one another. */
const PUTS_PER_ENTRY_MAX = 32;
const PUT_BYTES = 16;

export class LmdbProjectionStore implements ProjectionStore {
  readonly #overlay: Overlay;
  readonly #writer: Writer;
  readonly #fence: number;
  readonly #changing = new Set<UserId>();

  constructor(overlay: Overlay, writer: Writer, fence: number) {
    this.#overlay = overlay;
    this.#writer = writer;
    this.#fence = fence;
  }

  async conversation(conv: ConversationId): Promise<ConversationRow | undefined> {
    return this.#overlay.tables.conversation(conv);
  }
  async members(conv: ConversationId): Promise<MemberRow[]> {
    return this.#overlay.tables.members(conv);
  }
  async inbox(user: UserId): Promise<Inbox> {
    const { tables } = this.#overlay;
    return { rows: tables.inbox(user), settings: tables.user(user).settings };
  }
  async user(user: UserId): Promise<UserRow> {
    return this.#overlay.tables.user(user);
  }
  async inboxRow(user: UserId, conv: ConversationId): Promise<InboxRow | undefined> {
    return this.#overlay.tables.inboxRow(user, conv);
  }

  async write(writes: readonly ProjectionWrite[]): Promise<void> {
    const items: ((waiter: Waiter) => LogItem)[] = [];
    for (const write of writes) {
      const puts = projectionPuts(write);
      for (let i = 0; i < puts.length; i += PUTS_PER_ENTRY_MAX) {
        items.push(projectionItem(write.conv, write.fence, puts.slice(i, i + PUTS_PER_ENTRY_MAX)));
      }
    }
    if (items.length > 0) await submitAll(this.#writer, items);
  }

  async writeSeen(rows: readonly Pick<UserRow, 'user' | 'seen'>[]): Promise<void> {
    const items = rows.map(({ user, seen }) => this.#userItem(user, seenPut(user, seen)));
    if (items.length > 0) await submitAll(this.#writer, items);
  }

  async settings(user: UserId): Promise<UserSettings> {
    return this.#overlay.tables.user(user).settings;
  }

  /** A user's settings are changed one at a time: what else is asked meanwhile knows nothing of that one. */
  async changeSettings(user: UserId, from: UserSettings, to: UserSettings): Promise<ChangeOutcome> {
    if (this.#changing.has(user)) return 'notApplied';
    if (this.#overlay.tables.user(user).settings.at !== from.at) return 'notApplied';
    this.#changing.add(user);
    try {
      await submitAll(this.#writer, [this.#userItem(user, settingsPut(user, to))]);
      return 'applied';
    } catch {
      return 'unknown';
    } finally {
      this.#changing.delete(user);
    }
  }

  /** An entry of the log is some conversation's: users' rows go under the id of their homes. */
  #userItem(user: UserId, put: Put): (waiter: Waiter) => LogItem {
    return projectionItem(homeOf(user), this.#fence, [put]);
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

function projectionItem(
  conv: ConversationId,
  fence: number,
  puts: readonly Put[],
): (waiter: Waiter) => LogItem {
  let bytes = 0;
  for (const { key, value } of puts) bytes += PUT_BYTES + key.length + value.length;
  const conversation = conversationKey(conv);
  return (waiter) => ({ t: 'projection', key: conversation, fence, puts, waiter, bytes });
}
