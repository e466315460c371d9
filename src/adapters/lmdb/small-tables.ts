import type { ConversationId, UserId } from '../../core/ids.ts';
import type {
  ConversationRow,
  Establishment,
  InboxRow,
  MemberRow,
  ProjectionWrite,
} from '../../core/rows.ts';
import { UNSET, type UserRow, type UserSettings } from '../../core/users.ts';
import { readU64 } from '../../protocol/message-frame.ts';
import { type FrozenPart, NOTHING } from './bulk.ts';
import type { Environment, Table } from './environment.ts';
import { CONV_BYTES, conversationKey, inboxKey, inboxPrefix, memberKey, prefixEnd, userKey } from './keys.ts';
import type { Put } from './record-codec.ts';
import {
  conversationRow,
  conversationValue,
  inboxRow,
  inboxValue,
  memberRow,
  memberValue,
  seenOf,
  seenValue,
  settingsOf,
  settingsValue,
} from './row-codec.ts';

export const TABLE = { conversations: 1, members: 2, inbox: 3, users: 4 } as const;

/** Rows by partition and key, both as Latin-1 text of their bytes. */
type Overlay = Map<string, Map<string, Put>>;

/**
 * Conversations, members, inboxes and users. A row is found in the fresh overlay, the frozen one or the table; where
 * several have it, the newest counts (see row-codec.ts), and among equals the one written last.
 */
export class SmallTables {
  readonly #env: Environment;
  #fresh: Overlay[] = overlays();
  #frozen: Overlay[] = overlays();
  #freshCount = 0;

  constructor(env: Environment) {
    this.#env = env;
  }

  get freshCount(): number {
    return this.#freshCount;
  }

  conversation(conv: ConversationId): ConversationRow | undefined {
    const value = this.#get(TABLE.conversations, conversationKey(conv));
    return value && conversationRow(value, conv);
  }
  members(conv: ConversationId): MemberRow[] {
    return this.#scan(TABLE.members, conversationKey(conv)).map(memberRow);
  }
  inbox(user: UserId): InboxRow[] {
    return this.#scan(TABLE.inbox, inboxPrefix(user)).map(inboxRow);
  }
  inboxRow(user: UserId, conv: ConversationId): InboxRow | undefined {
    const value = this.#get(TABLE.inbox, inboxKey(user, conv));
    return value && inboxRow(value);
  }

  user(user: UserId): UserRow {
    const settings = this.#get(TABLE.users, userKey(user, 'settings'));
    const seen = this.#get(TABLE.users, userKey(user, 'seen'));
    return { user, settings: settings ? settingsOf(settings) : UNSET, seen: seen ? seenOf(seen) : 0 };
  }

  /** Takes over a row that is in the log. */
  apply(put: Put): void {
    const { table, key, value } = put;
    const overlay = this.#fresh[table];
    if (overlay === undefined) throw new RangeError(`the log names a table ${table}; there is none`);
    const partition = latin1(key, partitionBytes(table, key));
    let rows = overlay.get(partition);
    if (rows === undefined) overlay.set(partition, (rows = new Map()));
    const name = latin1(key, key.length);
    const present = rows.get(name);
    if (present === undefined) this.#freshCount++;
    rows.set(name, present === undefined ? put : { table, key, value: newer(present.value, value) });
  }

  #get(table: number, key: Uint8Array): Uint8Array | undefined {
    const partition = latin1(key, partitionBytes(table, key));
    const name = latin1(key, key.length);
    let value: Uint8Array | undefined = this.#table(table).getBinary(key);
    for (const layer of [this.#frozen, this.#fresh]) {
      const put = layer[table]?.get(partition)?.get(name);
      if (put !== undefined) value = value === undefined ? put.value : newer(value, put.value);
    }
    return value;
  }

  #scan(table: number, prefix: Uint8Array): Uint8Array[] {
    const partition = latin1(prefix, prefix.length);
    const values = new Map<string, Uint8Array>();
    for (const { key, value } of this.#table(table).getRange({ start: prefix, end: prefixEnd(prefix) })) {
      values.set(latin1(key, key.length), value);
    }
    for (const layer of [this.#frozen, this.#fresh]) {
      for (const [name, put] of layer[table]?.get(partition) ?? []) {
        const older = values.get(name);
        values.set(name, older === undefined ? put.value : newer(older, put.value));
      }
    }
    return [...values.values()];
  }

  #table(table: number): Table {
    if (table === TABLE.conversations) return this.#env.conversations;
    if (table === TABLE.users) return this.#env.users;
    return table === TABLE.members ? this.#env.members : this.#env.inbox;
  }

  freeze(): FrozenPart {
    if (this.#freshCount === 0) return NOTHING;
    this.#frozen = this.#fresh;
    this.#fresh = overlays();
    this.#freshCount = 0;
    const puts: Put[] = [];
    for (const overlay of this.#frozen) {
      const partitions = [...overlay].sort(([a], [b]) => (a < b ? -1 : 1));
      for (const [, rows] of partitions) puts.push(...rows.values());
    }
    return {
      count: puts.length,
      write: (index: number) => {
        const { table, key, value } = puts[index] as Put;
        const present = this.#table(table).getBinaryFast(key);
        if (present === undefined || stamp(value) >= stamp(present)) void this.#table(table).put(key, value);
      },
      written: () => {
        this.#frozen = overlays();
      },
    };
  }
}

/** The puts that establish a conversation. */
export function establishmentPuts({ conversation, members }: Establishment): Put[] {
  const { conv } = conversation;
  return [
    { table: TABLE.conversations, key: conversationKey(conv), value: conversationValue(conversation) },
    ...members.map((row) => ({
      table: TABLE.members,
      key: memberKey(conv, row.user),
      value: memberValue(row),
    })),
  ];
}

export function projectionPuts({ conv, conversation, members, inbox }: ProjectionWrite): Put[] {
  const puts: Put[] = members.map((row) => ({
    table: TABLE.members,
    key: memberKey(conv, row.user),
    value: memberValue(row),
  }));
  for (const row of inbox) {
    puts.push({ table: TABLE.inbox, key: inboxKey(row.user, conv), value: inboxValue(row) });
  }
  if (conversation !== undefined) {
    const value = conversationValue(conversation);
    puts.push({ table: TABLE.conversations, key: conversationKey(conv), value });
  }
  return puts;
}

export function settingsPut(user: UserId, settings: UserSettings): Put {
  return { table: TABLE.users, key: userKey(user, 'settings'), value: settingsValue(settings) };
}

export function seenPut(user: UserId, seen: number): Put {
  return { table: TABLE.users, key: userKey(user, 'seen'), value: seenValue(seen) };
}

function overlays(): Overlay[] {
  return [0, ...Object.values(TABLE)].map(() => new Map());
}

/** How much of a key says in which partition its row is. */
function partitionBytes(table: number, key: Uint8Array): number {
  if (table === TABLE.users) return key.length;
  return table === TABLE.inbox ? key.length - CONV_BYTES : CONV_BYTES;
}

function newer(older: Uint8Array, later: Uint8Array): Uint8Array {
  return stamp(later) >= stamp(older) ? later : older;
}

function stamp(value: Uint8Array): number {
  return readU64(value, 0);
}

function latin1(bytes: Uint8Array, length: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, length).toString('latin1');
}
