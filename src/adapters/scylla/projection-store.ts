import type { ConversationId, UserId } from '../../core/ids.ts';
import { type ChangeOutcome, type ProjectionStore, StoreUnavailable } from '../../core/ports.ts';
import {
  type ConversationRow,
  type Inbox,
  type InboxRow,
  type MemberRow,
  type ProjectionWrite,
  reflectedTo,
} from '../../core/rows.ts';
import type { UserRow, UserSettings } from '../../core/users.ts';
import { uuidCell } from './cells.ts';
import type { ScyllaClient } from './client.ts';
import { PartitionBatches } from './partition-batches.ts';
import {
  CONVERSATION,
  conversationRow,
  conversationWrite,
  INBOX,
  INBOX_ROW,
  inboxRow,
  inboxWrites,
  memberRow,
  MEMBERS,
  memberWrites,
  CHANGE_SETTINGS,
  seenWrite,
  SETTINGS,
  settingsFrom,
  settingsText,
  USER,
  userRow,
} from './projection-rows.ts';

/** The small tables. */
export class ScyllaProjectionStore implements ProjectionStore {
  readonly #client: ScyllaClient;

  constructor(client: ScyllaClient) {
    this.#client = client;
  }

  async conversation(conv: ConversationId): Promise<ConversationRow | undefined> {
    const row = await this.#client.first(CONVERSATION, [uuidCell(conv)]);
    return row && conversationRow(row);
  }

  async members(conv: ConversationId): Promise<MemberRow[]> {
    return (await this.#client.read(MEMBERS, [uuidCell(conv)])).map(memberRow);
  }

  /** One read of one partition. */
  async inbox(user: UserId): Promise<Inbox> {
    const rows = await this.#client.read(INBOX, [user]);
    // Of a user who has set something and is in no conversation there is a row of that alone.
    const ofConversations = rows.filter((row) => row.conv !== null);
    return {
      rows: ofConversations.map((row) => inboxRow(row, user)),
      settings: settingsFrom(rows[0]?.settings),
    };
  }

  async user(user: UserId): Promise<UserRow> {
    return userRow(await this.#client.first(USER, [user]), user);
  }

  async writeSeen(rows: readonly Pick<UserRow, 'user' | 'seen'>[]): Promise<void> {
    const batches = new PartitionBatches();
    for (const { user, seen } of rows) seenWrite(user, seen, batches);
    await written(batches, this.#client);
  }

  async settings(user: UserId): Promise<UserSettings> {
    return settingsFrom((await this.#client.first(SETTINGS, [user]))?.settings);
  }

  async changeSettings(user: UserId, from: UserSettings, to: UserSettings): Promise<ChangeOutcome> {
    const result = await this.#client.conditional(CHANGE_SETTINGS, [
      settingsText(to),
      user,
      settingsText(from),
    ]);
    if (typeof result === 'boolean') return result ? 'applied' : 'notApplied';
    return result.mayBeApplied ? 'unknown' : 'unavailable';
  }

  async inboxRow(user: UserId, conv: ConversationId): Promise<InboxRow | undefined> {
    const row = await this.#client.first(INBOX_ROW, [user, uuidCell(conv)]);
    return row && inboxRow(row, user);
  }

  /**
   * Batches by partition: of a user, the rows of all conversations. What the next owner would not read from the member
   * rows no inbox may show, so these are written first; a conversation's version says up to where all that is written,
   * and is the last. When it rejects, some may be written, as upserts may.
   */
  async write(writes: readonly ProjectionWrite[]): Promise<void> {
    const rows = new PartitionBatches();
    const inboxes = new PartitionBatches();
    const versions = new PartitionBatches();
    for (const { conv, conversation, members, inbox } of writes) {
      memberWrites(conv, conversation && reflectedTo(conversation), members, rows);
      inboxWrites(inbox, inboxes);
      if (conversation !== undefined) versions.addOne(conv, conversationWrite(conversation), 0);
    }
    for (const batches of [rows, inboxes, versions]) await written(batches, this.#client);
  }
}

async function written(batches: PartitionBatches, client: ScyllaClient): Promise<void> {
  const outcome = await batches.write(client);
  if (outcome !== 'written') throw new StoreUnavailable(`projections are not all written: ${outcome}`);
}
