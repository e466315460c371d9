import { CMID_AT, MESSAGE_HEADER_BYTES, readU64, TS_AT, writeU64 } from '../../protocol/message-frame.ts';
import type { DedupHit } from '../../core/rows.ts';

export const DEDUP_VALUE_BYTES = 24;
const CONV_AT = 8;
const UUID_BYTES = 16;
const KEY_BYTES_MAX = 2 * UUID_BYTES + 64 + 1 + 64;
const ROWS_FIRST = 256;
const ROW_BYTES_GUESS = 72;

/**
 * Deduplication rows that the table does not hold yet: keys and values as the table wants them, one behind the
 * other, and a hash table over them. Plain memory: a row is no object and costs the collector nothing.
 */
export class DedupRows {
  count = 0;
  bytes: Uint8Array;
  #at = 0;
  /** Where each row begins, and the end of the last; the hashes of their keys. */
  #starts: Uint32Array;
  #hashes: Uint32Array;
  /** Row number + 1 by hash, linear probing, at most half full; 0 is empty. */
  #slots: Int32Array;
  readonly #seed: number;

  /** `seed` is random, so that clients can't choose ids that collide. */
  constructor(seed: number, rowsExpected: number) {
    const rows = 2 ** Math.ceil(Math.log2(Math.max(ROWS_FIRST, rowsExpected)));
    this.#seed = seed;
    this.bytes = new Uint8Array(rows * ROW_BYTES_GUESS);
    this.#starts = new Uint32Array(rows + 1);
    this.#hashes = new Uint32Array(rows);
    this.#slots = new Int32Array(rows * 2);
  }

  keyStart(row: number): number {
    return this.#starts[row] as number;
  }
  valueStart(row: number): number {
    return (this.#starts[row + 1] as number) - DEDUP_VALUE_BYTES;
  }

  /** The row of a `message` frame with a cmid, which lies at `frame` of `source`. */
  add(source: Uint8Array, frame: number, seq: number, payloadHash: number): void {
    if (this.count === this.#hashes.length) this.#growRows();
    if (this.#at + KEY_BYTES_MAX + DEDUP_VALUE_BYTES > this.bytes.length) this.#growBytes();
    const bytes = this.bytes;
    const userBytes = source[frame + 3] as number;
    const nameBytes = userBytes + (source[frame + 4] as number);
    let at = this.#at;
    let hash = this.#seed;
    for (let i = 0; i < UUID_BYTES; i++)
      hash = mix(hash, (bytes[at++] = source[frame + CMID_AT + i] as number));
    for (let i = 0; i < UUID_BYTES; i++)
      hash = mix(hash, (bytes[at++] = source[frame + CONV_AT + i] as number));
    for (let i = 0; i < nameBytes; i++) {
      if (i === userBytes) hash = mix(hash, (bytes[at++] = 0));
      hash = mix(hash, (bytes[at++] = source[frame + MESSAGE_HEADER_BYTES + i] as number));
    }
    writeU64(bytes, at, seq);
    for (let i = 0; i < 8; i++) bytes[at + 8 + i] = source[frame + TS_AT + i] as number;
    writeU64(bytes, at + 16, payloadHash);
    this.#at = at + DEDUP_VALUE_BYTES;
    this.#hashes[this.count] = avalanche(hash);
    this.#starts[++this.count] = this.#at;
    this.#link(this.count - 1);
  }

  /** By the table's key. Of several under one key the last. */
  find(key: Uint8Array): DedupHit | undefined {
    let hash = this.#seed;
    for (let i = 0; i < key.length; i++) hash = mix(hash, key[i] as number);
    const mask = this.#slots.length - 1;
    let found = -1;
    for (let slot = avalanche(hash) & mask; this.#slots[slot] !== 0; slot = (slot + 1) & mask) {
      const row = (this.#slots[slot] as number) - 1;
      if (row > found && this.#hasKey(row, key)) found = row;
    }
    return found < 0 ? undefined : dedupHit(this.bytes, this.valueStart(found));
  }

  #hasKey(row: number, key: Uint8Array): boolean {
    const start = this.keyStart(row);
    if (this.valueStart(row) - start !== key.length) return false;
    for (let i = 0; i < key.length; i++) if (this.bytes[start + i] !== key[i]) return false;
    return true;
  }

  #link(row: number): void {
    const mask = this.#slots.length - 1;
    let slot = (this.#hashes[row] as number) & mask;
    while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
    this.#slots[slot] = row + 1;
  }

  #growRows(): void {
    const rows = this.#hashes.length * 2;
    this.#starts = grown(this.#starts, new Uint32Array(rows + 1));
    this.#hashes = grown(this.#hashes, new Uint32Array(rows));
    this.#slots = new Int32Array(rows * 2);
    for (let row = 0; row < this.count; row++) this.#link(row);
  }

  #growBytes(): void {
    const larger = new Uint8Array(this.bytes.length * 2);
    larger.set(this.bytes);
    this.bytes = larger;
  }
}

export function dedupHit(bytes: Uint8Array, at: number): DedupHit {
  return { seq: readU64(bytes, at), ts: readU64(bytes, at + 8), hash: readU64(bytes, at + 16) };
}

function mix(hash: number, byte: number): number {
  return Math.imul(hash ^ byte, 0x01000193);
}
function avalanche(hash: number): number {
  const h = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  return (h ^ (h >>> 13)) >>> 0;
}
function grown(from: Uint32Array, to: Uint32Array): Uint32Array {
  to.set(from);
  return to;
}
