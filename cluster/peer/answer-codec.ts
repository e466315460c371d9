/**
 * Answers on their way from an owner to an edge, under the tickets of their requests (big-endian):
 *   ack   0 u8 0x41 | 1 u8 flags (1 duplicate) | 2 6 B zero | 8 u64 ticket | 16 u64 seq | 24 u64 ts
 *   page  0 u8 0x42 | 1 u8 flags (1 more) | 2 6 B zero | 8 u64 ticket | 16 u64 head | 24 frames, each behind its u32
 *         length
 * The others are arrays: ticket, t, then their own fields; a redirect is ticket, owner; an owner's question whether a
 * request is still awaited is number, ticket, and what the edge says to it number, is it.
 */
import type { NodeId } from '../../src/core/ids.ts';
import { ERRORS, type ErrorCode } from '../../src/core/errors.ts';
import type {
  AckAnswer,
  Answer,
  GrantAnswer,
  OkAnswer,
  PageAnswer,
  ReceiptsAnswer,
} from '../../src/core/requests.ts';
import { readU32, readU64, writeU32, writeU64 } from '../../src/protocol/message-frame.ts';
import type { FrameSink } from './flow-sender.ts';
import {
  FRAME,
  isConv,
  isCount,
  isFlag,
  isOptional,
  isReceipts,
  isText,
  isUser,
  readFields,
  writeFields,
} from './frame.ts';

const HEADER_BYTES = 24;
const ACK_BYTES = 32;

export interface TicketedAnswer {
  readonly ticket: number;
  readonly answer: Answer;
}

export function writeAnswer(sink: FrameSink, ticket: number, answer: Answer): void {
  switch (answer.t) {
    case 'ack':
      return writeAck(sink, ticket, answer);
    case 'page':
      return writePage(sink, ticket, answer);
    case 'created':
      return writeFields(sink, FRAME.answer, [ticket, answer.t]);
    case 'ok':
      return writeFields(sink, FRAME.answer, [ticket, answer.t, answer.seq, answer.members]);
    case 'receipts':
      return writeFields(sink, FRAME.answer, [ticket, answer.t, answer.items, answer.read, answer.before]);
    case 'grant': {
      const { head, from, to, newestFirst, limit, moreBeyond } = answer;
      return writeFields(sink, FRAME.answer, [
        ticket,
        answer.t,
        head,
        from,
        to,
        newestFirst,
        limit,
        moreBeyond,
      ]);
    }
    case 'error': {
      const { code, message, retryAfterMs } = answer;
      return writeFields(sink, FRAME.answer, [ticket, answer.t, code, message, retryAfterMs]);
    }
  }
}

function writeAck(sink: FrameSink, ticket: number, { seq, ts, duplicate }: AckAnswer): void {
  const at = sink.reserve(ACK_BYTES);
  writeHeader(sink.buffer, at, FRAME.ack, duplicate, ticket, seq);
  writeU64(sink.buffer, at + 24, ts);
}

function writePage(sink: FrameSink, ticket: number, { head, frames, more }: PageAnswer): void {
  let bytes = HEADER_BYTES;
  for (const frame of frames) bytes += 4 + frame.length;
  let at = sink.reserve(bytes);
  writeHeader(sink.buffer, at, FRAME.page, more, ticket, head);
  at += HEADER_BYTES;
  for (const frame of frames) {
    writeU32(sink.buffer, at, frame.length);
    sink.buffer.set(frame, at + 4);
    at += 4 + frame.length;
  }
}

function writeHeader(
  bytes: Uint8Array,
  at: number,
  type: number,
  flag: boolean,
  ticket: number,
  seq: number,
): void {
  bytes[at] = type;
  bytes[at + 1] = flag ? 1 : 0;
  bytes.fill(0, at + 2, at + 8);
  writeU64(bytes, at + 8, ticket);
  writeU64(bytes, at + 16, seq);
}

/** undefined: it is none. */
export function readAck(bytes: Uint8Array, start: number, end: number): TicketedAnswer | undefined {
  if (end - start < ACK_BYTES) return undefined;
  const duplicate = bytes[start + 1] === 1;
  const answer: AckAnswer = {
    t: 'ack',
    seq: readU64(bytes, start + 16),
    ts: readU64(bytes, start + 24),
    duplicate,
  };
  return { ticket: readU64(bytes, start + 8), answer };
}

/** undefined: it is none. The frames are copies: they may wait for their socket. */
export function readPage(bytes: Uint8Array, start: number, end: number): TicketedAnswer | undefined {
  if (end - start < HEADER_BYTES) return undefined;
  const frames: Uint8Array[] = [];
  let at = start + HEADER_BYTES;
  while (at < end) {
    const next = at + 4 <= end ? at + 4 + readU32(bytes, at) : end + 1;
    if (next > end) return undefined;
    frames.push(bytes.slice(at + 4, next));
    at = next;
  }
  const head = readU64(bytes, start + 16);
  return {
    ticket: readU64(bytes, start + 8),
    answer: { t: 'page', head, frames, more: bytes[start + 1] === 1 },
  };
}

/** undefined: it is none. */
export function readAnswer(bytes: Uint8Array, start: number, end: number): TicketedAnswer | undefined {
  const fields = readFields(bytes, start, end);
  if (fields === undefined || !isCount(fields[0])) return undefined;
  const [ticket, t, ...own] = fields;
  const answer = t === 'created' ? ({ t } as const) : answerOf(t, own);
  return answer === undefined ? undefined : { ticket, answer };
}

function answerOf(t: unknown, own: readonly unknown[]): Answer | undefined {
  if (t === 'ok') return okAnswer(own);
  if (t === 'grant') return grantAnswer(own);
  if (t === 'receipts') return receiptsAnswer(own);
  const [code, message, retryAfterMs] = own;
  if (t !== 'error' || !isText(code) || !isText(message) || !isOptional(retryAfterMs, isCount))
    return undefined;
  // A code of a later version: what it asks of the client is not known here.
  const known: ErrorCode = Object.hasOwn(ERRORS, code) ? (code as ErrorCode) : 'internal';
  return { t, code: known, message, retryAfterMs: retryAfterMs ?? undefined };
}

function okAnswer([seq, members]: readonly unknown[]): OkAnswer | undefined {
  if (!isOptional(seq, isCount)) return undefined;
  if (members === undefined || members === null)
    return { t: 'ok', seq: seq ?? undefined, members: undefined };
  const sound = Array.isArray(members) && members.every((pair) => isUser(pair?.[0]) && isText(pair?.[1]));
  return sound ? { t: 'ok', seq: seq ?? undefined, members: members as OkAnswer['members'] } : undefined;
}

function grantAnswer([head, from, to, newestFirst, limit, moreBeyond]: readonly unknown[]):
  | GrantAnswer
  | undefined {
  if (!isCount(head) || !isCount(from) || !isCount(to) || !isCount(limit)) return undefined;
  if (!isFlag(newestFirst) || !isFlag(moreBeyond)) return undefined;
  return { t: 'grant', head, from, to, newestFirst, limit, moreBeyond };
}

function receiptsAnswer([items, read, before]: readonly unknown[]): ReceiptsAnswer | undefined {
  if (!isReceipts(items) || !isOptional(read, isCount) || !isOptional(before, isUser)) return undefined;
  return { t: 'receipts', items, read: read ?? undefined, before: before ?? undefined };
}

/** The request belongs to another owner. */
export function writeRedirect(sink: FrameSink, ticket: number, owner: NodeId): void {
  writeFields(sink, FRAME.redirect, [ticket, owner]);
}

export function readRedirect(
  bytes: Uint8Array,
  start: number,
  end: number,
): { readonly ticket: number; readonly owner: NodeId } | undefined {
  const [ticket, owner] = readFields(bytes, start, end) ?? [];
  return isCount(ticket) && isConv(owner) ? { ticket, owner } : undefined;
}

export function writeAsked(sink: FrameSink, number: number, ticket: number): void {
  writeFields(sink, FRAME.asked, [number, ticket]);
}

export function readAsked(
  bytes: Uint8Array,
  start: number,
  end: number,
): [number: number, ticket: number] | undefined {
  const [number, ticket] = readFields(bytes, start, end) ?? [];
  return isCount(number) && isCount(ticket) ? [number, ticket] : undefined;
}

export function writeAwaited(sink: FrameSink, number: number, isAwaited: boolean): void {
  writeFields(sink, FRAME.awaited, [number, isAwaited]);
}

export function readAwaited(
  bytes: Uint8Array,
  start: number,
  end: number,
): [number: number, isAwaited: boolean] | undefined {
  const [number, isAwaited] = readFields(bytes, start, end) ?? [];
  return isCount(number) && isFlag(isAwaited) ? [number, isAwaited] : undefined;
}
