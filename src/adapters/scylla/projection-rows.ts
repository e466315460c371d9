import type { types } from 'cassandra-driver';
import type { Entry, Preview, Role } from '../../core/entry.ts';
import type { ConversationId, Seq } from '../../core/ids.ts';
import type { ConversationKind } from '../../core/requests.ts';
import { prefsOf, shownPrefs } from '../../core/prefs.ts';
import { UNSET, type UserRow, type UserSettings, type Visibility } from '../../core/users.ts';
import {
  type ConversationRow,
  type InboxRow,
  type MemberPrefs,
  type MemberRow,
  type Mentions,
  reflectedTo,
  unreadMentions,
} from '../../core/rows.ts';
import { intCell, numberOf, u64Cell, uuidCell, uuidOf } from './cells.ts';
import type { Row } from './client.ts';
import type { BatchRow } from './packed-batches.ts';
import type { PartitionBatches } from './partition-batches.ts';
import type { Statement } from './statements.ts';

/**
 * The rows of projections as columns, each group of columns with the timestamp under which it is a function of
 * the log alone, so that equal timestamps carry equal values and a higher one is newer, whoever writes when:
 *
 * | columns                                  | TIMESTAMP             | because                                    |
 * |------------------------------------------|-----------------------|--------------------------------------------|
 * | conversations: all                       | reflectedTo(row)      | the last event that changed member rows    |
 * |                                          |                       | decides all of it                          |
 * | members: role, join_seq, left_seq        | that of the write, if | so it does here. A write without one       |
 * |                                          | any, else max(join,   | repeats what was written with one, which   |
 * |                                          | left)                 | is never lower than either seq             |
 * | members, inbox: read_seq, read_n         | read                  | cursors only move forward, n goes with seq |
 * | members: delivered_seq                   | delivered             | the same; written where it is above read   |
 * | members: shown_seq                       | shown                 | the same; written once it was hidden       |
 * | members: mentions                        | Mentions.upTo         | all mentions up to there, but for what was |
 * |                                          |                       | read already, which readers leave out      |
 * | members, inbox: prefs                    | MemberPrefs.at        | each change of a term has one of its own,  |
 * |                                          |                       | and a term writes what it found below them |
 * | inbox: all else                          | max(head, removed)    | the state at the head; who was removed has |
 * |                                          |                       | no later head until he is back, above it   |
 * | inbox: seen, of all rows of a user       | seen                  | Unix ms; a later time is newer             |
 *
 * inbox.settings, of all rows of a user too, is changed by conditional writes alone.
 *
 * No column but prefs is ever null, no row deleted: nothing leaves a tombstone. '' and 0 stand for what is absent.
 */

export const CONVERSATION: Statement = {
  name: 'conversation',
  kind: 'read',
  cql: `SELECT conv, kind, title, created, creator, origin_hash, version, mentioned FROM {ks}.conversations
    WHERE conv = ?`,
};
const WRITE_CONVERSATION: Statement = {
  name: 'writeConversation',
  kind: 'write',
  cql: `INSERT INTO {ks}.conversations (conv, kind, title, created, creator, origin_hash, version, mentioned)
    VALUES (?, ?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ?`,
};
export const MEMBERS: Statement = {
  name: 'members',
  kind: 'read',
  cql: `SELECT user, role, join_seq, left_seq, read_seq, read_n, delivered_seq, shown_seq, prefs, mentions
    FROM {ks}.members
    WHERE conv = ? AND shard = 0`,
};
const WRITE_MEMBERSHIP: Statement = {
  name: 'writeMembership',
  kind: 'write',
  cql: `INSERT INTO {ks}.members (conv, shard, user, role, join_seq, left_seq) VALUES (?, ?, ?, ?, ?, ?)
    USING TIMESTAMP ?`,
};
const WRITE_CURSOR: Statement = {
  name: 'writeCursor',
  kind: 'write',
  cql: `INSERT INTO {ks}.members (conv, shard, user, read_seq, read_n) VALUES (?, ?, ?, ?, ?) USING TIMESTAMP ?`,
};
const WRITE_DELIVERED: Statement = {
  name: 'writeDelivered',
  kind: 'write',
  cql: `INSERT INTO {ks}.members (conv, shard, user, delivered_seq) VALUES (?, ?, ?, ?) USING TIMESTAMP ?`,
};
const WRITE_SHOWN: Statement = {
  name: 'writeShown',
  kind: 'write',
  cql: `INSERT INTO {ks}.members (conv, shard, user, shown_seq) VALUES (?, ?, ?, ?) USING TIMESTAMP ?`,
};
const WRITE_MENTIONS: Statement = {
  name: 'writeMentions',
  kind: 'write',
  cql: `INSERT INTO {ks}.members (conv, shard, user, mentions) VALUES (?, ?, ?, ?) USING TIMESTAMP ?`,
};
const WRITE_PREFS: Statement = {
  name: 'writePrefs',
  kind: 'write',
  cql: `INSERT INTO {ks}.members (conv, shard, user, prefs) VALUES (?, ?, ?, ?) USING TIMESTAMP ?`,
};

const INBOX_COLUMNS = `conv, kind, title, peer, role, ts, head_seq, head_n, read_seq, read_n, left_seq, deleted,
  preview, prefs, mentions`;
export const INBOX: Statement = {
  name: 'inbox',
  kind: 'read',
  cql: `SELECT ${INBOX_COLUMNS}, settings FROM {ks}.inbox WHERE user = ?`,
};
export const INBOX_ROW: Statement = {
  name: 'inboxRow',
  kind: 'read',
  cql: `SELECT ${INBOX_COLUMNS} FROM {ks}.inbox WHERE user = ? AND conv = ?`,
};
const WRITE_INBOX: Statement = {
  name: 'writeInbox',
  kind: 'write',
  cql: `INSERT INTO {ks}.inbox (user, conv, kind, title, peer, role, ts, head_seq, head_n, left_seq, deleted,
    preview, mentions) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ?`,
};
const WRITE_INBOX_CURSOR: Statement = {
  name: 'writeInboxCursor',
  kind: 'write',
  cql: `INSERT INTO {ks}.inbox (user, conv, read_seq, read_n) VALUES (?, ?, ?, ?) USING TIMESTAMP ?`,
};
const WRITE_INBOX_PREFS: Statement = {
  name: 'writeInboxPrefs',
  kind: 'write',
  cql: `INSERT INTO {ks}.inbox (user, conv, prefs) VALUES (?, ?, ?) USING TIMESTAMP ?`,
};

export const USER: Statement = {
  name: 'user',
  kind: 'read',
  cql: 'SELECT settings, seen FROM {ks}.inbox WHERE user = ? LIMIT 1',
};
export const SETTINGS: Statement = {
  name: 'settings',
  kind: 'serialRead',
  cql: 'SELECT settings FROM {ks}.inbox WHERE user = ? LIMIT 1',
};
export const CHANGE_SETTINGS: Statement = {
  name: 'changeSettings',
  kind: 'conditional',
  cql: 'UPDATE {ks}.inbox SET settings = ? WHERE user = ? IF settings = ?',
};
const WRITE_SEEN: Statement = {
  name: 'writeSeen',
  kind: 'write',
  cql: 'INSERT INTO {ks}.inbox (user, seen) VALUES (?, ?) USING TIMESTAMP ?',
};

/** What rows weigh in a batch beside their texts. */
const MEMBER_BYTES = 220;
const CURSOR_BYTES = 80;
const PREFS_BYTES = 120;
const INBOX_BYTES = 320;
const SEEN_BYTES = 120;
/** Of the 512 members that share a shard; supergroups will need more of them. */
const SHARD_0 = intCell(0);

export function conversationWrite(row: ConversationRow): BatchRow {
  const { conv, kind, title = '', created, creator, originHash, version, mentioned = 0 } = row;
  const numbers = [u64Cell(originHash), u64Cell(version), u64Cell(mentioned), u64Cell(reflectedTo(row))];
  const params = [uuidCell(conv), kind, title, u64Cell(created), creator, ...numbers];
  return { statement: WRITE_CONVERSATION, params };
}

export function memberWrites(
  conv: ConversationId,
  /** What the conversation's row is written with, if it is. */
  reflected: Seq | undefined,
  rows: readonly MemberRow[],
  batches: PartitionBatches,
): void {
  const convCell = uuidCell(conv);
  for (const { user, role, join, left, read, readN, delivered, shown, prefs, mentions } of rows) {
    const at = u64Cell(Math.max(reflected ?? 0, join, left));
    const membership = [convCell, SHARD_0, user, role, u64Cell(join), u64Cell(left), at];
    const readCell = u64Cell(read);
    const cursor = [convCell, SHARD_0, user, readCell, u64Cell(readN), readCell];
    const writes: BatchRow[] = [
      { statement: WRITE_MEMBERSHIP, params: membership },
      { statement: WRITE_CURSOR, params: cursor },
    ];
    let bytes = MEMBER_BYTES + 2 * user.length;
    const addCursor = (statement: Statement, seq: Seq): void => {
      const seqCell = u64Cell(seq);
      writes.push({ statement, params: [convCell, SHARD_0, user, seqCell, seqCell] });
      bytes += CURSOR_BYTES + user.length;
    };
    if (delivered > read) addCursor(WRITE_DELIVERED, delivered);
    if (shown !== undefined) addCursor(WRITE_SHOWN, shown);
    if (mentions !== undefined) {
      const text = mentionsText(mentions);
      const params = [convCell, SHARD_0, user, text, u64Cell(mentions.upTo)];
      writes.push({ statement: WRITE_MENTIONS, params });
      bytes += CURSOR_BYTES + text.length;
    }
    if (prefs !== undefined) {
      const params = [convCell, SHARD_0, user, prefsText(prefs), u64Cell(prefs.at)];
      writes.push({ statement: WRITE_PREFS, params });
      bytes += PREFS_BYTES + user.length;
    }
    batches.addTogether(`m ${conv}`, writes, bytes);
  }
}

export function inboxWrites(rows: readonly InboxRow[], batches: PartitionBatches): void {
  for (const { user, entry, readN, mentions } of rows) {
    const mentioned = mentions === undefined ? '' : mentionsText(mentions);
    const { conv, kind, title = '', peer = '', role, ts, head, n, removed = 0, read, unread } = entry;
    const preview = previewText(entry.preview);
    const convCell = uuidCell(conv);
    const at = u64Cell(Math.max(head, removed));
    // Of the messages behind the cursor, those that count no more: all of them, for who was removed.
    const deleted = Math.max(0, n - readN - unread);
    const counts = [u64Cell(ts), u64Cell(head), u64Cell(n), u64Cell(removed), u64Cell(deleted)];
    const state = [user, convCell, kind, title, peer, role, ...counts, preview, mentioned, at];
    const readCell = u64Cell(read);
    const cursor = [user, convCell, readCell, u64Cell(readN), readCell];
    const writes: BatchRow[] = [
      { statement: WRITE_INBOX, params: state },
      { statement: WRITE_INBOX_CURSOR, params: cursor },
    ];
    let bytes = INBOX_BYTES + 3 * (title.length + preview.length) + 2 * user.length + mentioned.length;
    const prefs = prefsOf(entry);
    if (prefs !== undefined) {
      const params = [user, convCell, prefsText(prefs), u64Cell(prefs.at)];
      writes.push({ statement: WRITE_INBOX_PREFS, params });
      bytes += PREFS_BYTES + user.length;
    }
    batches.addTogether(`i ${user}`, writes, bytes);
  }
}

export function seenWrite(user: string, seen: number, batches: PartitionBatches): void {
  const cell = u64Cell(seen);
  batches.addOne(user, { statement: WRITE_SEEN, params: [user, cell, cell] }, SEEN_BYTES);
}

/** null: nothing was ever set. */
export function settingsText({ receipts, presence, at }: UserSettings): string | null {
  return at === 0 ? null : JSON.stringify([receipts, presence, at]);
}

export function userRow(row: Row | undefined, user: string): UserRow {
  const seen = (row?.seen ?? null) === null ? 0 : numberOf(row?.seen as types.Long);
  return { user, settings: settingsFrom(row?.settings), seen };
}

export function settingsFrom(text: unknown): UserSettings {
  if (typeof text !== 'string') return UNSET;
  const [receipts, presence, at] = JSON.parse(text) as [boolean, Visibility, number];
  return { receipts, presence, at };
}

export function conversationRow(row: Row): ConversationRow {
  // Rows of before mentions have none.
  const mentioned = row.mentioned === null ? 0 : numberOf(row.mentioned as types.Long);
  return {
    conv: uuidOf(row.conv as types.Uuid),
    kind: row.kind as ConversationKind,
    title: present(row.title),
    created: numberOf(row.created as types.Long),
    creator: row.creator as string,
    originHash: numberOf(row.origin_hash as types.Long),
    version: numberOf(row.version as types.Long),
    ...(mentioned > 0 && { mentioned }),
  };
}

export function memberRow(row: Row): MemberRow {
  const read = numberOf(row.read_seq as types.Long);
  const delivered = row.delivered_seq === null ? 0 : numberOf(row.delivered_seq as types.Long);
  const shown = row.shown_seq === null ? undefined : numberOf(row.shown_seq as types.Long);
  const prefs = prefsFrom(row.prefs);
  const mentions = unreadMentions(mentionsFrom(row.mentions), read);
  return {
    user: row.user as string,
    role: row.role as Role,
    join: numberOf(row.join_seq as types.Long),
    left: numberOf(row.left_seq as types.Long),
    read,
    readN: numberOf(row.read_n as types.Long),
    delivered: Math.max(read, delivered),
    ...(shown !== undefined && { shown }),
    ...(prefs && { prefs }),
    ...(mentions && { mentions }),
  };
}

export function inboxRow(row: Row, user: string): InboxRow {
  const removed = numberOf(row.left_seq as types.Long);
  const n = numberOf(row.head_n as types.Long);
  const readN = numberOf(row.read_n as types.Long);
  const read = numberOf(row.read_seq as types.Long);
  const mentions = unreadMentions(mentionsFrom(row.mentions), read);
  const entry: Entry = {
    conv: uuidOf(row.conv as types.Uuid),
    kind: row.kind as ConversationKind,
    title: present(row.title),
    peer: present(row.peer),
    role: row.role as Role,
    removed: removed === 0 ? undefined : removed,
    head: numberOf(row.head_seq as types.Long),
    n,
    ts: numberOf(row.ts as types.Long),
    read,
    // Of columns with timestamps of their own: the head may be older than the cursor beside it.
    unread: Math.max(0, n - readN - numberOf(row.deleted as types.Long)),
    preview: previewOf(row.preview as string),
    ...shownPrefs(prefsFrom(row.prefs)),
    ...(mentions && { mentions: mentions.seqs.length }),
  };
  return { user, entry, readN, ...(mentions && { mentions }) };
}

function previewText(preview: Preview | undefined): string {
  if (preview === undefined) return '';
  return JSON.stringify([preview.seq, preview.from, preview.kind, preview.text]);
}

function previewOf(text: string): Preview | undefined {
  if (text === '') return undefined;
  const [seq, from, kind, words] = JSON.parse(text) as [Seq, string, string, string];
  return { seq, from, kind, text: words };
}

function mentionsText({ seqs, upTo }: Mentions): string {
  return [upTo, ...seqs].join(' ');
}

function mentionsFrom(text: unknown): Mentions | undefined {
  if (typeof text !== 'string' || text === '') return undefined;
  const [upTo = 0, ...seqs] = text.split(' ').map(Number);
  return { seqs, upTo };
}

function prefsText({ mute, pin, archive, at }: MemberPrefs): string {
  return JSON.stringify([mute, pin, archive, at]);
}

function prefsFrom(text: unknown): MemberPrefs | undefined {
  if (typeof text !== 'string') return undefined;
  const [mute, pin, archive, at] = JSON.parse(text) as [number, boolean, boolean, number];
  return { mute, pin, archive, at };
}

function present(text: unknown): string | undefined {
  return text === '' ? undefined : (text as string);
}
