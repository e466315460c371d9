import type { Seq } from '../../core/ids.ts';
import { readU32, writeU32 } from '../../protocol/message-frame.ts';

/** Where the rows of one batch lie: those up to seq `last`, in the entry at `position` of a chunk of the log. */
export interface Location {
  readonly last: Seq;
  readonly chunk: number;
  readonly position: number;
}

/** Locations of a full block: a row of the index. */
export const BLOCK_LOCATIONS = 16;
/** u48 last, u48 chunk, u16 position. */
export const LOCATION_BYTES = 14;
/** Chunks take an entry at no greater offset. */
export const POSITION_MAX = 0xffff;

export function writeLocation(bytes: Uint8Array, at: number, { last, chunk, position }: Location): void {
  writeU48(bytes, at, last);
  writeU48(bytes, at + 6, chunk);
  bytes[at + 12] = position >>> 8;
  bytes[at + 13] = position;
}

export function readLocation(bytes: Uint8Array, at: number): Location {
  return {
    last: readU48(bytes, at),
    chunk: readU48(bytes, at + 6),
    position: ((bytes[at + 12] as number) << 8) | (bytes[at + 13] as number),
  };
}

function writeU48(bytes: Uint8Array, at: number, value: number): void {
  const high = Math.floor(value / 2 ** 32);
  bytes[at] = high >>> 8;
  bytes[at + 1] = high;
  writeU32(bytes, at + 2, value >>> 0);
}
function readU48(bytes: Uint8Array, at: number): number {
  return (((bytes[at] as number) << 8) | (bytes[at + 1] as number)) * 2 ** 32 + readU32(bytes, at + 2);
}
