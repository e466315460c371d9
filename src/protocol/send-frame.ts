/**
 * The binary `send` frame.
 *
 *   0  u8  0x10             3  u8   zero          24  16 B cmid
 *   1  u8  flags            4  u32  id            40  u32  body bytes
 *   2  u8  kind bytes       8  16 B conv          44  kind, body, then (flag EXTRAS) a msgpack map
 *          (0: "text")
 * Integers are big-endian.
 */
import { uuidToBytes } from '../core/ids.ts';
import { CLIENT_FRAMES, type Send } from './frames.ts';
import { writeU32 } from './message-frame.ts';
import { packExtras } from './msgpack.ts';

export const SEND_TEXT = 0x01;
export const SEND_RETRY = 0x02;
export const SEND_EXTRAS = 0x80;
export const SEND_HEADER_BYTES = 44;

export const SEND_ID_AT = 4;
export const SEND_CONV_AT = 8;
export const SEND_CMID_AT = 24;
export const SEND_BODY_BYTES_AT = 40;

const encoder = new TextEncoder();
const NOTHING = new Uint8Array(0);

/** `conv` and `cmid` must be UUIDs in lower case. */
export function encodeSend(send: Send): Uint8Array {
  const isText = typeof send.body === 'string';
  const body = typeof send.body === 'string' ? encoder.encode(send.body) : send.body;
  const kind = send.kind === undefined || send.kind === 'text' ? NOTHING : encoder.encode(send.kind);
  if (kind.length > 255) throw new RangeError('kind must be 1 to 32 characters');
  const { mentions } = send;
  const extras = mentions === undefined ? NOTHING : packExtras({ mentions });
  const end = SEND_HEADER_BYTES + kind.length + body.length;
  const frame = new Uint8Array(end + extras.length);
  frame[0] = CLIENT_FRAMES.send.type;
  frame[1] =
    (isText ? SEND_TEXT : 0) |
    (send.retry === true ? SEND_RETRY : 0) |
    (extras.length === 0 ? 0 : SEND_EXTRAS);
  frame[2] = kind.length;
  writeU32(frame, SEND_ID_AT, send.id);
  uuidToBytes(send.conv, frame, SEND_CONV_AT);
  uuidToBytes(send.cmid, frame, SEND_CMID_AT);
  writeU32(frame, SEND_BODY_BYTES_AT, body.length);
  frame.set(kind, SEND_HEADER_BYTES);
  frame.set(body, SEND_HEADER_BYTES + kind.length);
  frame.set(extras, end);
  return frame;
}
