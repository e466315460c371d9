/**
 * The binary `ack` frame, 56 bytes.
 *
 *   0  u8   0x50                  4  u32  id          40  u64 seq
 *   1  u8   flags (1 duplicate)   8  16 B conv        48  u64 ts
 *   2  u16  zero                 24  16 B cmid
 * Integers are big-endian.
 */
import { uuidFromBytes, uuidToBytes } from '../core/ids.ts';
import { type Ack, SERVER_FRAMES } from './frames.ts';
import { readU32, readU64, writeU32, writeU64 } from './message-frame.ts';

export const ACK_BYTES = 56;
export const ACK_DUPLICATE = 0x01;

/** Fills `frame`, which has ACK_BYTES of any content. */
export function writeAck(
  frame: Uint8Array,
  id: number,
  conv: string,
  cmid: string,
  seq: number,
  ts: number,
  duplicate: boolean,
): void {
  frame[0] = SERVER_FRAMES.ack.type;
  frame[1] = duplicate ? ACK_DUPLICATE : 0;
  frame[2] = 0;
  frame[3] = 0;
  writeU32(frame, 4, id);
  uuidToBytes(conv, frame, 8);
  uuidToBytes(cmid, frame, 24);
  writeU64(frame, 40, seq);
  writeU64(frame, 48, ts);
}

/** Bytes behind ACK_BYTES are of a later protocol. Throws a RangeError when there are fewer. */
export function readAck(frame: Uint8Array): Ack {
  if (frame.length < ACK_BYTES) throw new RangeError(`ack has ${ACK_BYTES} bytes, not ${frame.length}`);
  const ack: Ack = {
    t: 'ack',
    id: readU32(frame, 4),
    conv: uuidFromBytes(frame, 8),
    cmid: uuidFromBytes(frame, 24),
    seq: readU64(frame, 40),
    ts: readU64(frame, 48),
  };
  return ((frame[1] as number) & ACK_DUPLICATE) === 0 ? ack : { ...ack, duplicate: true };
}
