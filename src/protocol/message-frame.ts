/**
 * The binary `message` frame: what the sequencer encodes once, the store keeps and the edge writes.
 *
 *   0  u8   0x51              8  16 B conv          48 u64 n          64 u32 body bytes
 *   1  u8   flags            24  16 B cmid or 0s    56 u64 ts         68 from, device, kind, body,
 *   2  u8   kind bytes (0: "text")                                       then (flag EXTRAS) a msgpack map
 *   3  u8   from bytes       40  u64  seq
 *   4  u8   device bytes
 *   5  3 B  zero
 * Integers are big-endian.
 */
import { hash52, hashText } from '../core/hash.ts';
import { type ConversationId, uuidFromBytes, uuidToBytes } from '../core/ids.ts';
import { SERVER_FRAMES } from './frames.ts';
import { packExtras, unpackExtras } from './msgpack.ts';

export const FLAG_TEXT = 0x01;
export const FLAG_CMID = 0x02;
export const FLAG_EXTRAS = 0x80;
export const MESSAGE_HEADER_BYTES = 68;

export const CMID_AT = 24;
export const SEQ_AT = 40;
export const N_AT = 48;
export const TS_AT = 56;
export const BODY_BYTES_AT = 64;

const decoder = new TextDecoder();

export interface MessageFields {
  readonly conv: ConversationId;
  readonly seq: number;
  readonly n: number;
  readonly ts: number;
  /** ASCII, as users and devices are. */
  readonly from: string;
  readonly device: string;
  /** '' for an event of the server's own. */
  readonly cmid: string;
  readonly kind: string;
  readonly body: Uint8Array;
  readonly text: boolean;
  /** None: undefined. */
  readonly mentions?: readonly string[] | undefined;
}

export function encodeMessage(fields: MessageFields): Uint8Array {
  const kind = fields.kind === 'text' ? EMPTY : new TextEncoder().encode(fields.kind);
  const fromBytes = fields.from.length;
  const deviceBytes = fields.device.length;
  const bodyAt = MESSAGE_HEADER_BYTES + fromBytes + deviceBytes + kind.length;
  const { mentions } = fields;
  const extras = mentions === undefined ? EMPTY : packExtras({ mentions });
  const end = bodyAt + fields.body.length;
  const frame = new Uint8Array(end + extras.length);
  frame[0] = SERVER_FRAMES.message.type;
  frame[1] =
    (fields.text ? FLAG_TEXT : 0) |
    (fields.cmid === '' ? 0 : FLAG_CMID) |
    (extras.length === 0 ? 0 : FLAG_EXTRAS);
  frame[2] = kind.length;
  frame[3] = fromBytes;
  frame[4] = deviceBytes;
  uuidToBytes(fields.conv, frame, 8);
  if (fields.cmid !== '') uuidToBytes(fields.cmid, frame, CMID_AT);
  writeU64(frame, SEQ_AT, fields.seq);
  writeU64(frame, N_AT, fields.n);
  writeU64(frame, TS_AT, fields.ts);
  writeU32(frame, BODY_BYTES_AT, fields.body.length);
  writeAscii(frame, MESSAGE_HEADER_BYTES, fields.from);
  writeAscii(frame, MESSAGE_HEADER_BYTES + fromBytes, fields.device);
  frame.set(kind, bodyAt - kind.length);
  frame.set(fields.body, bodyAt);
  frame.set(extras, end);
  return frame;
}

/** The header fields of a frame that the server itself encoded (so nothing is checked). */
export function messageConv(frame: Uint8Array): ConversationId {
  return uuidFromBytes(frame, 8);
}
/** Whether a device sent it: an event of the server's own has no cmid. */
export function messageIsSent(frame: Uint8Array): boolean {
  return ((frame[1] as number) & FLAG_CMID) !== 0;
}
export function messageCmid(frame: Uint8Array): string {
  return ((frame[1] as number) & FLAG_CMID) === 0 ? '' : uuidFromBytes(frame, CMID_AT);
}
export function messageFrom(frame: Uint8Array): string {
  return ascii(frame, MESSAGE_HEADER_BYTES, frame[3] as number);
}
export function messageDevice(frame: Uint8Array): string {
  return ascii(frame, MESSAGE_HEADER_BYTES + (frame[3] as number), frame[4] as number);
}
export function messageKind(frame: Uint8Array): string {
  const length = frame[2] as number;
  if (length === 0) return 'text';
  const at = MESSAGE_HEADER_BYTES + (frame[3] as number) + (frame[4] as number);
  return decoder.decode(frame.subarray(at, at + length));
}
export function messageIsText(frame: Uint8Array): boolean {
  return ((frame[1] as number) & FLAG_TEXT) !== 0;
}
export function messageBody(frame: Uint8Array): Uint8Array {
  const at = MESSAGE_HEADER_BYTES + (frame[2] as number) + (frame[3] as number) + (frame[4] as number);
  return frame.subarray(at, at + readU32(frame, BODY_BYTES_AT));
}
export function messageText(frame: Uint8Array): string {
  return decoder.decode(messageBody(frame));
}

/** Whom it mentions; what a later version says beside that is passed over. */
export function messageMentions(frame: Uint8Array): readonly string[] {
  if (((frame[1] as number) & FLAG_EXTRAS) === 0) return NOBODY;
  const at = MESSAGE_HEADER_BYTES + (frame[2] as number) + (frame[3] as number) + (frame[4] as number);
  const { mentions } = unpackExtras(frame.subarray(at + readU32(frame, BODY_BYTES_AT)));
  return Array.isArray(mentions) ? (mentions as string[]) : NOBODY;
}
const NOBODY: readonly string[] = [];

/** What tells one payload from another under the same client message id; stored, so it never changes. */
export function payloadHash(kind: string, body: Uint8Array, text: boolean): number {
  return hash52(body, hashText(kind) ^ (text ? 1 : 0));
}

export function readU32(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at] as number) * 0x1000000 +
    (((bytes[at + 1] as number) << 16) | ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number))
  );
}
export function writeU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}
/** An integer up to 2^53 - 1; beyond it the result is not exact, and callers check `Number.isSafeInteger`. */
export function readU64(bytes: Uint8Array, at: number): number {
  return readU32(bytes, at) * 2 ** 32 + readU32(bytes, at + 4);
}
export function writeU64(bytes: Uint8Array, at: number, value: number): void {
  writeU32(bytes, at, Math.floor(value / 2 ** 32));
  writeU32(bytes, at + 4, value >>> 0);
}

const EMPTY = new Uint8Array(0);

function writeAscii(bytes: Uint8Array, at: number, text: string): void {
  for (let i = 0; i < text.length; i++) bytes[at + i] = text.charCodeAt(i);
}
function ascii(bytes: Uint8Array, at: number, length: number): string {
  let text = '';
  for (let i = 0; i < length; i++) text += String.fromCharCode(bytes[at + i] as number);
  return text;
}
