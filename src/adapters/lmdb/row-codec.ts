/**
 * The values of the small tables: a stamp, u64, by which the newer of two states of a row is told, then the
 * row's fields as a msgpack array (fields are only ever appended).
 */
import { Packr, Unpackr } from 'msgpackr';
import type { Role } from '../../core/entry.ts';
import type { ConversationId } from '../../core/ids.ts';
import type { ConversationKind } from '../../core/requests.ts';
import { prefsOf, shownPrefs } from '../../core/prefs.ts';
import {
  type ConversationRow,
  type InboxRow,
  type MemberPrefs,
  type MemberRow,
  type Mentions,
  reflectedTo,
  unreadMentions,
} from '../../core/rows.ts';
import type { UserSettings, Visibility } from '../../core/users.ts';
import { readU64, writeU64 } from '../../protocol/message-frame.ts';

const STAMP_BYTES = 8;
const packr = new Packr({ useRecords: false });
const unpackr = new Unpackr({ useRecords: false });

export function conversationValue(row: ConversationRow): Uint8Array {
  const fields: ConversationFields = [
    row.kind,
    row.title ?? null,
    row.created,
    row.creator,
    row.originHash,
    row.version,
  ];
  if (row.mentioned !== undefined) fields.push(row.mentioned);
  return stamped(reflectedTo(row), fields);
}

export function conversationRow(value: Uint8Array, conv: ConversationId): ConversationRow {
  const [kind, title, created, creator, originHash, version, mentioned] = fields<ConversationFields>(value);
  const row = { conv, kind, title: title ?? undefined, created, creator, originHash, version };
  return { ...row, ...(mentioned !== undefined && { mentioned }) };
}

/** Cursors only move forward, and a member who went comes back at a later seq. */
export function memberValue(row: MemberRow): Uint8Array {
  const { user, role, join, left, read, readN, delivered, shown, prefs, mentions } = row;
  const fields: MemberFields = [user, role, join, left, read, readN, delivered];
  const rest = [prefs && prefsFields(prefs), shown, mentions && mentionsFields(mentions)] as const;
  if (rest.some((field) => field !== undefined)) for (const field of rest) fields.push(field ?? null);
  return stamped(Math.max(row.join, row.left, row.delivered), fields);
}

export function memberRow(value: Uint8Array): MemberRow {
  // Rows of before receipts end with `readN`, those of who has set and hidden nothing with `delivered`.
  const [user, role, join, left, read, readN, delivered = read, set, shown, of] = fields<MemberFields>(value);
  const mentions = unreadMentions(mentionsFrom(of), read);
  return {
    ...{ user, role, join, left, read, readN, delivered },
    ...(typeof shown === 'number' && { shown }),
    ...(set && { prefs: prefsFrom(set) }),
    ...(mentions && { mentions }),
  };
}

export function inboxValue({ user, entry, readN, mentions }: InboxRow): Uint8Array {
  const { preview } = entry;
  const fields: InboxFields = [
    user,
    readN,
    entry.conv,
    entry.kind,
    entry.title ?? null,
    entry.peer ?? null,
    entry.role,
    entry.removed ?? null,
    entry.head,
    entry.n,
    entry.ts,
    entry.read,
    entry.unread,
    preview === undefined ? null : [preview.seq, preview.from, preview.kind, preview.text],
  ];
  const prefs = prefsOf(entry);
  if (prefs !== undefined || mentions !== undefined) fields.push(prefs ? prefsFields(prefs) : null);
  if (mentions !== undefined) fields.push(mentionsFields(mentions));
  return stamped(Math.max(entry.head, entry.removed ?? 0), fields);
}

export function inboxRow(value: Uint8Array): InboxRow {
  const [user, readN, conv, kind, title, peer, role, removed, head, n, ts, read, unread, preview, set, of] =
    fields<InboxFields>(value);
  const mentions = mentionsFrom(of);
  return {
    user,
    readN,
    entry: {
      conv,
      kind,
      title: title ?? undefined,
      peer: peer ?? undefined,
      role,
      removed: removed ?? undefined,
      head,
      n,
      ts,
      read,
      unread,
      preview:
        preview === null
          ? undefined
          : { seq: preview[0], from: preview[1], kind: preview[2], text: preview[3] },
      ...shownPrefs(set ? prefsFrom(set) : undefined),
      ...(mentions && { mentions: mentions.seqs.length }),
    },
    ...(mentions && { mentions }),
  };
}

export function settingsValue({ receipts, presence, at }: UserSettings): Uint8Array {
  const fields: SettingsFields = [receipts, presence, at];
  return stamped(at, fields);
}

export function settingsOf(value: Uint8Array): UserSettings {
  const [receipts, presence, at] = fields<SettingsFields>(value);
  return { receipts, presence, at };
}

export function seenValue(seen: number): Uint8Array {
  return stamped(seen, []);
}

export function seenOf(value: Uint8Array): number {
  return readU64(value, 0);
}

type SettingsFields = [receipts: boolean, presence: Visibility, at: number];
type ConversationFields = [ConversationKind, string | null, number, string, number, number, number?];
type MentionsFields = [upTo: number, ...seqs: number[]];
type PrefsFields = [mute: number, pin: boolean, archive: boolean, at: number];
type MemberFields = [
  string,
  Role,
  number,
  number,
  number,
  number,
  number?,
  (PrefsFields | null)?,
  (number | null)?,
  (MentionsFields | null)?,
];
type InboxFields = [
  string,
  number,
  string,
  ConversationKind,
  string | null,
  string | null,
  Role,
  number | null,
  number,
  number,
  number,
  number,
  number,
  [number, string, string, string] | null,
  (PrefsFields | null)?,
  MentionsFields?,
];

function mentionsFields({ seqs, upTo }: Mentions): MentionsFields {
  return [upTo, ...seqs];
}

function mentionsFrom(fields: MentionsFields | null | undefined): Mentions | undefined {
  if (fields === undefined || fields === null) return undefined;
  const [upTo, ...seqs] = fields;
  return { seqs, upTo };
}

function prefsFields({ mute, pin, archive, at }: MemberPrefs): PrefsFields {
  return [mute, pin, archive, at];
}

function prefsFrom([mute, pin, archive, at]: PrefsFields): MemberPrefs {
  return { mute, pin, archive, at };
}

function stamped(stamp: number, fields: readonly unknown[]): Uint8Array {
  const packed = packr.pack(fields);
  const value = new Uint8Array(STAMP_BYTES + packed.length);
  writeU64(value, 0, stamp);
  value.set(packed, STAMP_BYTES);
  return value;
}

function fields<T>(value: Uint8Array): T {
  return unpackr.unpack(value.subarray(STAMP_BYTES)) as T;
}
