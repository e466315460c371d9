/**
 * Requests on their way from an edge to an owner, under the ticket that their answer will bear.
 *
 * A send (big-endian):
 *   0 u8 0x01          5 u8 zero ×3       24 u32 id          36 16 B conv
 *   1 u8 flags         8 u64 ticket       28 u32 ordinal     52 16 B cmid
 *   2 u8 kind bytes   16 u64 session      32 u32 base        68 u32 bytes (for the mailbox's bound)
 *   3 u8 user bytes                                          72 u64 after
 *   4 u8 device bytes                                        80 user, device, kind, body
 * With FLAG_MENTIONS a u16 and so many bytes stand between kind and body: the names, with NUL between them.
 * The other requests are arrays: ticket, flags, t, session, id, conv, user, device, bytes, then their own fields.
 */
import { Buffer } from 'node:buffer';
import { isName, type Seq, uuidFromBytes, uuidToBytes } from '../../src/core/ids.ts';
import type {
  CreateRequest,
  MemberChange,
  NodeRequest,
  RequestBase,
  SendRequest,
} from '../../src/core/requests.ts';
import { readU32, readU64, writeU32, writeU64 } from '../../src/protocol/message-frame.ts';
import type { FrameSink } from './flow-sender.ts';
import {
  FRAME,
  isConv,
  isCount,
  isFlag,
  isInteger,
  isOptional,
  isText,
  isUser,
  isUsers,
  isVisibility,
  readFields,
  writeFields,
} from './frame.ts';

/** A request as its owner gets it from another process. */
export interface Ticketed {
  /** The number of its answer; never used twice by one edge. */
  readonly ticket: number;
  /** It was sent to an owner before, this one or another. */
  readonly isResend: boolean;
}
export type RemoteRequest = NodeRequest & Ticketed;

const SEND_HEADER_BYTES = 80;
const FLAG_TEXT = 1;
const FLAG_RETRY = 2;
const FLAG_RESEND = 4;
const FLAG_MENTIONS = 8;

/** `base` and `after` go in the place of the request's own: a re-send has a later base. */
export function writeRequest(
  sink: FrameSink,
  request: NodeRequest,
  ticket: number,
  isResend: boolean,
  base: number,
  after: Seq,
): void {
  if (request.t === 'send') writeSend(sink, request, ticket, isResend, base, after);
  else {
    const { t, session, id, conv, user, device, bytes } = request;
    const flags = isResend ? FLAG_RESEND : 0;
    const common = [ticket, flags, t, session, id, conv, user, device, bytes];
    writeFields(sink, FRAME.request, [...common, ...ownFields(request)]);
  }
}

function writeSend(
  sink: FrameSink,
  request: SendRequest,
  ticket: number,
  isResend: boolean,
  base: number,
  after: Seq,
): void {
  const { user, device, body } = request;
  const kindBytes = request.kind === 'text' ? 0 : Buffer.byteLength(request.kind);
  const names = request.mentions?.join('\0');
  const namesAt = SEND_HEADER_BYTES + user.length + device.length + kindBytes;
  const bodyAt = namesAt + (names === undefined ? 0 : 2 + names.length);
  const at = sink.reserve(bodyAt + body.length);
  const bytes = sink.buffer;
  bytes[at] = FRAME.send;
  // To the owner a re-send is a retry: an earlier copy may have been committed.
  bytes[at + 1] =
    (request.text ? FLAG_TEXT : 0) |
    (request.retry || isResend ? FLAG_RETRY : 0) |
    (isResend ? FLAG_RESEND : 0) |
    (names === undefined ? 0 : FLAG_MENTIONS);
  bytes[at + 2] = kindBytes;
  bytes[at + 3] = user.length;
  bytes[at + 4] = device.length;
  bytes.fill(0, at + 5, at + 8);
  writeU64(bytes, at + 8, ticket);
  writeU64(bytes, at + 16, request.session);
  writeU32(bytes, at + 24, request.id);
  writeU32(bytes, at + 28, request.ordinal);
  writeU32(bytes, at + 32, base);
  uuidToBytes(request.conv, bytes, at + 36);
  uuidToBytes(request.cmid, bytes, at + 52);
  writeU32(bytes, at + 68, request.bytes);
  writeU64(bytes, at + 72, after);
  writeAscii(bytes, at + SEND_HEADER_BYTES, user);
  writeAscii(bytes, at + SEND_HEADER_BYTES + user.length, device);
  if (kindBytes > 0) bytes.set(Buffer.from(request.kind), at + namesAt - kindBytes);
  if (names !== undefined) {
    bytes[at + namesAt] = names.length >> 8;
    bytes[at + namesAt + 1] = names.length;
    writeAscii(bytes, at + namesAt + 2, names);
  }
  bytes.set(body, at + bodyAt);
}

/** undefined: it is none. The body is a copy. */
export function readSend(
  edge: string,
  bytes: Uint8Array,
  start: number,
  end: number,
): (SendRequest & Ticketed) | undefined {
  if (end - start < SEND_HEADER_BYTES) return undefined;
  const flags = bytes[start + 1] as number;
  const kindBytes = bytes[start + 2] as number;
  const userAt = start + SEND_HEADER_BYTES;
  const deviceAt = userAt + (bytes[start + 3] as number);
  const kindAt = deviceAt + (bytes[start + 4] as number);
  const namesAt = kindAt + kindBytes;
  const hasNames = (flags & FLAG_MENTIONS) !== 0;
  const namesBytes = hasNames ? (bytes[namesAt] as number) * 256 + (bytes[namesAt + 1] as number) : 0;
  const bodyAt = namesAt + (hasNames ? 2 + namesBytes : 0);
  if (!(bodyAt <= end)) return undefined;
  const mentions = hasNames ? readAscii(bytes, namesAt + 2, bodyAt).split('\0') : undefined;
  if (mentions?.every(isName) === false) return undefined;
  const user = readAscii(bytes, userAt, deviceAt);
  const device = readAscii(bytes, deviceAt, kindAt);
  if (!isName(user) || !isName(device)) return undefined;
  return {
    t: 'send',
    edge,
    session: readU64(bytes, start + 16),
    id: readU32(bytes, start + 24),
    conv: uuidFromBytes(bytes, start + 36),
    user,
    device,
    bytes: readU32(bytes, start + 68),
    cmid: uuidFromBytes(bytes, start + 52),
    kind: kindBytes === 0 ? 'text' : decoder.decode(bytes.subarray(kindAt, namesAt)),
    body: new Uint8Array(bytes.subarray(bodyAt, end)), // it outlives the packet
    text: (flags & FLAG_TEXT) !== 0,
    mentions,
    retry: (flags & FLAG_RETRY) !== 0,
    ordinal: readU32(bytes, start + 28),
    base: readU32(bytes, start + 32),
    after: readU64(bytes, start + 72),
    ticket: readU64(bytes, start + 8),
    isResend: (flags & FLAG_RESEND) !== 0,
  };
}

/** undefined: it is none. */
export function readRequest(
  edge: string,
  bytes: Uint8Array,
  start: number,
  end: number,
): RemoteRequest | undefined {
  const fields = readFields(bytes, start, end);
  if (fields === undefined) return undefined;
  const [ticket, flags, t, session, id, conv, user, device, size, ...own] = fields;
  if (!isCount(ticket) || !isCount(flags) || !isCount(session) || !isCount(id)) return undefined;
  if (!isConv(conv) || !isUser(user) || !isUser(device) || !isCount(size)) return undefined;
  const base: RequestBase = { edge, session, id, conv, user, device, bytes: size };
  const ticketed: Ticketed = { ticket, isResend: (flags & FLAG_RESEND) !== 0 };
  switch (t) {
    case 'create':
      return createRequest(base, ticketed, own);
    case 'history':
      return historyRequest(base, ticketed, own);
    case 'members': {
      const change = own.length === 0 ? undefined : memberChange(own);
      return change === 'malformed' ? undefined : { t, ...base, change, ...ticketed };
    }
    case 'read':
      if (!isCount(own[0]) || !isOptional(own[1], isFlag)) return undefined;
      return { t, ...base, seq: own[0], isHidden: own[1] === true, ...ticketed };
    case 'delivered':
      return isCount(own[0]) ? { t, ...base, seq: own[0], ...ticketed } : undefined;
    case 'typing':
      return isFlag(own[0]) ? { t, ...base, on: own[0], ...ticketed } : undefined;
    case 'receipts':
      return receiptsRequest(base, ticketed, own);
    case 'prefs':
      return prefsRequest(base, ticketed, own);
    case 'settings':
      return settingsRequest(base, ticketed, own);
    default:
      return undefined;
  }
}

function ownFields(request: Exclude<NodeRequest, SendRequest>): unknown[] {
  switch (request.t) {
    case 'create':
      return [request.kind, request.members, request.title];
    case 'history':
      return [request.limit, request.after, request.before];
    case 'members': {
      const { change } = request;
      if (change === undefined) return [];
      if (change.op === 'leave') return [change.op];
      return [change.op, change.op === 'role' ? change.roles : change.users];
    }
    case 'read':
      return request.isHidden ? [request.seq, true] : [request.seq];
    case 'delivered':
      return [request.seq];
    case 'typing':
      return [request.on];
    case 'receipts':
      return [request.limit, request.seq, request.before];
    case 'prefs':
      return [request.mute, request.pin, request.archive];
    case 'settings':
      return [request.base, request.receipts, request.presence];
  }
}

const KINDS: readonly unknown[] = ['direct', 'group', 'supergroup'];
const ROLES: readonly unknown[] = ['owner', 'admin', 'member'];

function createRequest(
  base: RequestBase,
  ticketed: Ticketed,
  [kind, members, title]: readonly unknown[],
): RemoteRequest | undefined {
  if (!KINDS.includes(kind) || !isUsers(members) || !isOptional(title, isText)) return undefined;
  return {
    t: 'create',
    ...base,
    kind: kind as CreateRequest['kind'],
    members,
    title: title ?? undefined,
    ...ticketed,
  };
}

function historyRequest(
  base: RequestBase,
  ticketed: Ticketed,
  [limit, after, before]: readonly unknown[],
): RemoteRequest | undefined {
  if (!isInteger(limit) || !isOptional(after, isCount) || !isOptional(before, isCount)) return undefined;
  return {
    t: 'history',
    ...base,
    after: after ?? undefined,
    before: before ?? undefined,
    limit,
    ...ticketed,
  };
}

function receiptsRequest(
  base: RequestBase,
  ticketed: Ticketed,
  [limit, seq, before]: readonly unknown[],
): RemoteRequest | undefined {
  if (!isInteger(limit) || !isOptional(seq, isCount) || !isOptional(before, isUser)) return undefined;
  return {
    t: 'receipts',
    ...base,
    seq: seq ?? undefined,
    before: before ?? undefined,
    limit,
    ...ticketed,
  };
}

function memberChange([op, list]: readonly unknown[]): MemberChange | 'malformed' {
  if (op === 'leave') return { op };
  if ((op === 'add' || op === 'remove') && isUsers(list)) return { op, users: list };
  const isRoles = Array.isArray(list) && list.every((pair) => isUser(pair?.[0]) && ROLES.includes(pair?.[1]));
  if (op !== 'role' || !isRoles) return 'malformed';
  return { op, roles: list as (MemberChange & { op: 'role' })['roles'] };
}

const decoder = new TextDecoder();

function writeAscii(bytes: Uint8Array, at: number, text: string): void {
  for (let i = 0; i < text.length; i++) bytes[at + i] = text.charCodeAt(i);
}
function readAscii(bytes: Uint8Array, from: number, to: number): string {
  let text = '';
  for (let i = from; i < to; i++) text += String.fromCharCode(bytes[i] as number);
  return text;
}

function prefsRequest(
  base: RequestBase,
  ticketed: Ticketed,
  [mute, pin, archive]: readonly unknown[],
): RemoteRequest | undefined {
  if (!isOptional(mute, isCount) || !isOptional(pin, isFlag) || !isOptional(archive, isFlag))
    return undefined;
  return {
    t: 'prefs',
    ...base,
    mute: mute ?? undefined,
    pin: pin ?? undefined,
    archive: archive ?? undefined,
    ...ticketed,
  };
}

function settingsRequest(
  base: RequestBase,
  ticketed: Ticketed,
  [at, receipts, presence]: readonly unknown[],
): RemoteRequest | undefined {
  if (!isCount(at)) return undefined;
  if (!isOptional(receipts, isFlag) || !isOptional(presence, isVisibility)) return undefined;
  return {
    t: 'settings',
    ...base,
    receipts: receipts ?? undefined,
    presence: presence ?? undefined,
    base: at,
    ...ticketed,
  };
}
