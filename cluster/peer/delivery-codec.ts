/**
 * Deliveries on their way from an owner to an edge.
 *
 * An event is told to a recipient set, which was sent before it in the same flow (big-endian):
 *   0 u8 0x45 | 1 3 B zero | 4 u32 set | 8 u64 the sending session (of this edge; 0: none) | 16 the `message` frame
 * A set names users: it goes once per change and not per event, so their names cost little, and no table of handles
 * has to be kept in step between two processes that lose packets. Arrays: set number, the number that it replaces
 * (0: none), conv, version, users; forget numbers; head conv, user, seq, n, unread; entry user, entry; receipt set,
 * items; cursor conv, item; typing set, user, on.
 */
import type { Entry, Preview, Role } from '../../src/core/entry.ts';
import { shownPrefs } from '../../src/core/prefs.ts';
import type {
  Audience,
  CursorDelivery,
  EntryDelivery,
  HeadDelivery,
  MessageDelivery,
  Receipt,
  ReceiptDelivery,
  TypingDelivery,
} from '../../src/core/requests.ts';
import {
  MESSAGE_HEADER_BYTES,
  N_AT,
  readU32,
  readU64,
  SEQ_AT,
  writeU32,
  writeU64,
} from '../../src/protocol/message-frame.ts';
import { SERVER_FRAMES } from '../../src/protocol/frames.ts';
import type { FrameSink } from './flow-sender.ts';
import {
  FRAME,
  isConv,
  isCount,
  isFlag,
  isOptional,
  isReceipt,
  isReceipts,
  isText,
  isUser,
  isUsers,
  readFields,
  writeFields,
} from './frame.ts';

const EVENT_HEADER_BYTES = 16;

export function writeEvent(sink: FrameSink, set: number, session: number, frame: Uint8Array): void {
  const at = sink.reserve(EVENT_HEADER_BYTES + frame.length);
  const bytes = sink.buffer;
  bytes[at] = FRAME.event;
  bytes.fill(0, at + 1, at + 4);
  writeU32(bytes, at + 4, set);
  writeU64(bytes, at + 8, session);
  bytes.set(frame, at + EVENT_HEADER_BYTES);
}

/** Whether a frame of type `event` is one. */
export function isEvent(bytes: Uint8Array, start: number, end: number): boolean {
  if (end - start < EVENT_HEADER_BYTES + MESSAGE_HEADER_BYTES) return false;
  return bytes[start + EVENT_HEADER_BYTES] === SERVER_FRAMES.message.type;
}

export function eventSet(bytes: Uint8Array, start: number): number {
  return readU32(bytes, start + 4);
}

/** The event of a frame that `isEvent`, for the set's users. Its `frame` is a view. */
export function readEvent(
  edge: string,
  audience: Audience,
  bytes: Uint8Array,
  start: number,
  end: number,
): MessageDelivery {
  const frame = bytes.subarray(start + EVENT_HEADER_BYTES, end);
  const exceptSession = readU64(bytes, start + 8);
  return {
    t: 'message',
    conv: audience.conv,
    seq: readU64(frame, SEQ_AT),
    n: readU64(frame, N_AT),
    frame,
    audience,
    exceptEdge: exceptSession === 0 ? '' : edge,
    exceptSession,
  };
}

export interface RecipientSet {
  readonly number: number;
  readonly replaces: number;
  readonly audience: Audience;
}

export function writeSet(
  sink: FrameSink,
  number: number,
  replaces: number,
  { conv, version, users }: Audience,
): void {
  writeFields(sink, FRAME.set, [number, replaces, conv, version, users]);
}

export function readSet(bytes: Uint8Array, start: number, end: number): RecipientSet | undefined {
  const [number, replaces, conv, version, users] = readFields(bytes, start, end) ?? [];
  if (!isCount(number) || !isCount(replaces) || !isConv(conv) || !isCount(version) || !isUsers(users))
    return undefined;
  return { number, replaces, audience: { conv, version, users } };
}

export function writeForget(sink: FrameSink, number: number): void {
  writeFields(sink, FRAME.forget, [number]);
}

export function readForget(bytes: Uint8Array, start: number, end: number): number | undefined {
  const [number] = readFields(bytes, start, end) ?? [];
  return isCount(number) ? number : undefined;
}

export function writeHead(sink: FrameSink, { conv, user, seq, n, unread }: HeadDelivery): void {
  writeFields(sink, FRAME.head, [conv, user, seq, n, unread]);
}

export function readHead(bytes: Uint8Array, start: number, end: number): HeadDelivery | undefined {
  const [conv, user, seq, n, unread] = readFields(bytes, start, end) ?? [];
  if (!isConv(conv) || !isUser(user) || !isCount(seq) || !isCount(n) || !isCount(unread)) return undefined;
  return { t: 'head', conv, user, seq, n, unread };
}

export function writeEntry(sink: FrameSink, { user, entry }: EntryDelivery): void {
  const { conv, kind, title, peer, role, removed, head, n, ts, read, unread, preview } = entry;
  const { mute, pin, archive, set, mentions } = entry;
  const shown = preview && [preview.seq, preview.from, preview.kind, preview.text];
  writeFields(sink, FRAME.entry, [
    user,
    conv,
    kind,
    role,
    head,
    n,
    ts,
    read,
    unread,
    title,
    peer,
    removed,
    shown,
    mute,
    pin,
    archive,
    set,
    mentions,
  ]);
}

/** To a recipient set, as an event is. */
export function writeReceipt(sink: FrameSink, set: number, { items }: ReceiptDelivery): void {
  writeFields(sink, FRAME.receipt, [set, items]);
}

export function readReceipt(
  bytes: Uint8Array,
  start: number,
  end: number,
): { readonly set: number; readonly items: readonly Receipt[] } | undefined {
  const [set, items] = readFields(bytes, start, end) ?? [];
  return isCount(set) && isReceipts(items) ? { set, items } : undefined;
}

/** To one user. */
export function writeCursor(sink: FrameSink, { conv, item }: CursorDelivery): void {
  writeFields(sink, FRAME.cursor, [conv, item]);
}

export function readCursor(bytes: Uint8Array, start: number, end: number): CursorDelivery | undefined {
  const [conv, item] = readFields(bytes, start, end) ?? [];
  if (!isConv(conv) || !isReceipt(item)) return undefined;
  return { t: 'cursor', conv, user: item[0], item };
}

export function writeTyping(sink: FrameSink, set: number, { user, on }: TypingDelivery): void {
  writeFields(sink, FRAME.typing, [set, user, on]);
}

export function readTyping(
  bytes: Uint8Array,
  start: number,
  end: number,
): { readonly set: number; readonly user: string; readonly on: boolean } | undefined {
  const [set, user, on] = readFields(bytes, start, end) ?? [];
  return isCount(set) && isUser(user) && isFlag(on) ? { set, user, on } : undefined;
}

const KINDS: readonly unknown[] = ['direct', 'group', 'supergroup'];
const ROLES: readonly unknown[] = ['owner', 'admin', 'member'];

export function readEntry(bytes: Uint8Array, start: number, end: number): EntryDelivery | undefined {
  const fields = readFields(bytes, start, end) ?? [];
  const [user, conv, kind, role, head, n, ts, read, unread, title, peer, removed, shown, ...prefs] = fields;
  if (!isUser(user) || !isConv(conv) || !KINDS.includes(kind) || !ROLES.includes(role)) return undefined;
  if (!isCount(head) || !isCount(n) || !isCount(ts) || !isCount(read) || !isCount(unread)) return undefined;
  if (!isOptional(title, isText) || !isOptional(peer, isUser) || !isOptional(removed, isCount))
    return undefined;
  const preview = shown === undefined || shown === null ? undefined : previewOf(shown);
  if (preview === 'malformed') return undefined;
  const [mute, pin, archive, set, mentions] = prefs;
  if (!isOptional(mute, isCount) || !isOptional(set, isCount) || !isOptional(mentions, isCount))
    return undefined;
  if (!isOptional(pin, isFlag) || !isOptional(archive, isFlag)) return undefined;
  const entry: Entry = {
    conv,
    kind: kind as Entry['kind'],
    title: title ?? undefined,
    peer: peer ?? undefined,
    role: role as Role,
    removed: removed ?? undefined,
    head,
    n,
    ts,
    read,
    unread,
    preview,
    ...(typeof set === 'number' &&
      shownPrefs({ mute: mute ?? 0, pin: pin ?? false, archive: archive ?? false, at: set })),
    ...(typeof mentions === 'number' && { mentions }),
  };
  return { t: 'conversation', user, entry };
}

function previewOf(shown: unknown): Preview | 'malformed' {
  const [seq, from, kind, text] = Array.isArray(shown) ? (shown as unknown[]) : [];
  if (!isCount(seq) || !isUser(from) || !isText(kind) || !isText(text)) return 'malformed';
  return { seq, from, kind, text };
}
