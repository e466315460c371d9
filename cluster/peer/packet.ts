/**
 * A bus message between two processes: a header, and what its kind carries.
 *
 *   0  u8   0xca                             34  u32  flow: which numbering of the sender's end
 *   1  u8   kind                             38  u64  seq: data its number; beacon the last number
 *   2  16 B the sender's id                  46  u32  the flow acknowledged …
 *  18  u64  boot of the sender's end         50  u64  … up to this number, …
 *  26  u64  boot of the receiver's end,      58  u32  … and how often something in it was given up
 *           0: not known yet                 62       data: frames, each behind its u32 length
 *                                                     nak, gone: ranges of numbers, u64 from, u64 to
 * Integers are big-endian.
 */
import { uuidFromBytes, uuidToBytes } from '../../src/core/ids.ts';
import { readU32, readU64, writeU32, writeU64 } from '../../src/protocol/message-frame.ts';

export const PACKET_HEADER_BYTES = 62;
const MAGIC = 0xca;

export const DATA = 1;
export const BEACON = 2;
/** "These I miss." */
export const NAK = 3;
/** "These I have no more." */
export const GONE = 4;
export type PacketKind = typeof DATA | typeof BEACON | typeof NAK | typeof GONE;

export interface PacketHeader {
  readonly kind: PacketKind;
  readonly from: string;
  readonly boot: number;
  readonly toBoot: number;
  readonly flow: number;
  readonly seq: number;
  readonly ackFlow: number;
  readonly ack: number;
  readonly losses: number;
}

export interface SeqRange {
  readonly from: number;
  readonly to: number;
}

/** Fills the first PACKET_HEADER_BYTES. */
export function writeHeader(bytes: Uint8Array, header: PacketHeader): void {
  bytes[0] = MAGIC;
  bytes[1] = header.kind;
  uuidToBytes(header.from, bytes, 2);
  writeU64(bytes, 18, header.boot);
  writeU64(bytes, 26, header.toBoot);
  writeU32(bytes, 34, header.flow);
  writeU64(bytes, 38, header.seq);
  writeU32(bytes, 46, header.ackFlow);
  writeU64(bytes, 50, header.ack);
  writeU32(bytes, 58, header.losses);
}

/** undefined: no packet of this protocol. */
export function readHeader(bytes: Uint8Array): PacketHeader | undefined {
  if (bytes.length < PACKET_HEADER_BYTES || bytes[0] !== MAGIC) return undefined;
  const kind = bytes[1] as number;
  if (kind < DATA || kind > GONE) return undefined;
  const header: PacketHeader = {
    kind: kind as PacketKind,
    from: uuidFromBytes(bytes, 2),
    boot: readU64(bytes, 18),
    toBoot: readU64(bytes, 26),
    flow: readU32(bytes, 34),
    seq: readU64(bytes, 38),
    ackFlow: readU32(bytes, 46),
    ack: readU64(bytes, 50),
    losses: readU32(bytes, 58),
  };
  const { boot, toBoot, seq, ack } = header;
  const sound = [boot, toBoot, seq, ack].every(Number.isSafeInteger) && boot > 0;
  return sound && !(kind === DATA && seq === 0) ? header : undefined;
}

export function writeRanges(header: PacketHeader, ranges: readonly SeqRange[]): Uint8Array {
  const bytes = new Uint8Array(PACKET_HEADER_BYTES + 16 * ranges.length);
  writeHeader(bytes, header);
  ranges.forEach(({ from, to }, i) => {
    writeU64(bytes, PACKET_HEADER_BYTES + 16 * i, from);
    writeU64(bytes, PACKET_HEADER_BYTES + 16 * i + 8, to);
  });
  return bytes;
}

/** undefined: they are none. */
export function readRanges(bytes: Uint8Array): SeqRange[] | undefined {
  const count = (bytes.length - PACKET_HEADER_BYTES) / 16;
  if (!Number.isInteger(count)) return undefined;
  const ranges: SeqRange[] = [];
  for (let i = 0; i < count; i++) {
    const from = readU64(bytes, PACKET_HEADER_BYTES + 16 * i);
    const to = readU64(bytes, PACKET_HEADER_BYTES + 16 * i + 8);
    if (!Number.isSafeInteger(to) || from < 1 || to < from) return undefined;
    ranges.push({ from, to });
  }
  return ranges;
}

/** Whether the frames of a data packet fill it exactly. */
export function framesFit(bytes: Uint8Array): boolean {
  let at = PACKET_HEADER_BYTES;
  while (at < bytes.length) {
    if (at + 5 > bytes.length) return false; // a frame has a byte or more
    at += 4 + readU32(bytes, at);
  }
  return at === bytes.length;
}
