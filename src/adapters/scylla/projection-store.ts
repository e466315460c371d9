import type { ConversationId, UserId } from '../../core/ids.ts';
import { type ProjectionStore, StoreUnavailable } from '../../core/ports.ts';
import type { ConversationRow, InboxRow, MemberRow, ProjectionWrite } from '../../core/rows.ts';
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
  async inbox(user: UserId): Promise<InboxRow[]> {
    return (await this.#client.read(INBOX, [user])).map((row) => inboxRow(row, user));
  }

  async inboxRow(user: UserId, conv: ConversationId): Promise<InboxRow | undefined> {
    const row = await this.#client.first(INBOX_ROW, [user, uuidCell(conv)]);
    return row && inboxRow(row, user);
  }

  /**
   * Batches by partition: of a user, the rows of all conversations. A conversation's version says up to where its
   * members are written, so it is written after them. When it rejects, some may be written, as upserts may.
   */
  async write(writes: readonly ProjectionWrite[]): Promise<void> {
    const rows = new PartitionBatches();
    const versions = new PartitionBatches();
    for (const { conv, conversation, members, inbox } of writes) {
      memberWrites(conv, conversation?.version, members, rows);
      inboxWrites(inbox, rows);
      if (conversation !== undefined) versions.addOne(conv, conversationWrite(conversation), 0);
    }
    for (const batches of [rows, versions]) {
      const outcome = await batches.write(this.#client);
      if (outcome !== 'written') throw new StoreUnavailable(`projections are not all written: ${outcome}`);
    }
  }
}
