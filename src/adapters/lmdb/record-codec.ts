/**
 * The log's format. A record is what one turn wrote: one or more chunks, each the value of one LMDB key (the
 * chunk's number, u64, from 1, without a gap), all in one transaction. A chunk:
 *
 *   0 u32 crc32 of all that follows   8 u32 entries                  16 u64 the chunk's own number
 *   4 u8 format, 3 B zero            12 u32 live messages            24 entries
 * `live` counts the messages not erased, for the erasure and retention of a later step. An entry:
 *
 *   0 u8  type                        8 16 B conv                    48 rows: u64 m, u64 hash,
 *   1 u8  zero                       24 u64 fence                       u32 env bytes, env
 *   2 u16 rows                       32 u64 c (the rows are          then puts: u8 table, u8 zero,
 *   4 u32 bytes of the whole entry      c + 1, c + 2 …)                 u16 key bytes, u32 value bytes,
 *                                    40 u64 slot (0: none)              key, value
 * Integers are big-endian. `batch`: what an append wrote, rows, puts (the establishment) and a dirty mark of
 * `slot`. `projection`: puts alone. `clear`: the dirty marks of slots below `slot` are gone.
 */
import { crc32 } from './checksum.ts';
import { type ConversationId, uuidFromBytes } from '../../core/ids.ts';
import type { AppendBatch } from '../../core/rows.ts';
import { readU32, readU64, writeU32, writeU64 } from '../../protocol/message-frame.ts';

export const FORMAT = 1;
export const ENTRY = { batch: 1, projection: 2, clear: 3 } as const;
export const CHUNK_HEADER_BYTES = 24;
export const ENTRY_HEADER_BYTES = 48;
export const ROW_HEADER_BYTES = 20;
const PUT_HEADER_BYTES = 8;

/** A row of one of the small tables, ready for LMDB. */
export interface Put {
  readonly table: number;
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** Encodes one record into an arena that is used over and over: a record's bytes hold until the next `begin`. */
export class RecordWriter {
  readonly #chunkBytesMax: number;
  #arena = Buffer.allocUnsafeSlow(256 * 1024);
  #ends: number[] = [];
  #first = 0;
  #start = 0;
  #at = 0;
  #entries = 0;
  #live = 0;

  /** A chunk is closed rather than grown beyond `chunkBytesMax`; an entry larger than that has one alone. */
  constructor(chunkBytesMax: number) {
    this.#chunkBytesMax = chunkBytesMax;
  }

  /** `first` is the number of the record's first chunk. */
  begin(first: number): void {
    this.#ends = [];
    this.#first = first;
    this.#start = 0;
    this.#open();
  }

  get bytes(): number {
    return this.#at;
  }
  /** Where the entry added last lies: its chunk's number … */
  get chunk(): number {
    return this.#first + this.#ends.length;
  }
  /** … and its offset in the chunk. */
  position = 0;

  /** `key` is the conversation's id as bytes. */
  addBatch(batch: AppendBatch, key: Uint8Array, puts: readonly Put[]): void {
    let bytes = ENTRY_HEADER_BYTES + putsBytes(puts);
    for (const row of batch.rows) bytes += ROW_HEADER_BYTES + row.env.length;
    this.#addHeader(ENTRY.batch, key, batch.rows.length, bytes, batch.fence, batch.c, batch.dirtySlot);
    const arena = this.#arena;
    let at = this.#at + ENTRY_HEADER_BYTES;
    for (const { m, hash, env } of batch.rows) {
      writeU64(arena, at, m);
      writeU64(arena, at + 8, hash);
      writeU32(arena, at + 16, env.length);
      arena.set(env, at + ROW_HEADER_BYTES);
      at += ROW_HEADER_BYTES + env.length;
    }
    this.#live += batch.rows.length;
    this.#addPuts(puts, at);
    this.#at += bytes;
  }

  addProjection(key: Uint8Array, fence: number, puts: readonly Put[]): void {
    const bytes = ENTRY_HEADER_BYTES + putsBytes(puts);
    this.#addHeader(ENTRY.projection, key, 0, bytes, fence, 0, 0);
    this.#addPuts(puts, this.#at + ENTRY_HEADER_BYTES);
    this.#at += bytes;
  }

  addClear(slot: number, fence: number): void {
    this.#addHeader(ENTRY.clear, NO_CONVERSATION, 0, ENTRY_HEADER_BYTES, fence, 0, slot);
    this.#at += ENTRY_HEADER_BYTES;
  }

  /** The record's chunks, in the order of their numbers. */
  finish(): Uint8Array[] {
    this.#close();
    let start = 0;
    return this.#ends.map((end) => {
      const chunk = this.#arena.subarray(start, end);
      start = end;
      return chunk;
    });
  }

  #addHeader(
    type: number,
    key: Uint8Array,
    rows: number,
    bytes: number,
    fence: number,
    c: number,
    slot: number,
  ): void {
    if (this.#entries > 0 && this.#at - this.#start + bytes > this.#chunkBytesMax) {
      this.#close();
      this.#open();
    }
    this.#reserve(bytes);
    const arena = this.#arena;
    const at = this.#at;
    arena[at] = type;
    arena[at + 1] = 0;
    arena[at + 2] = rows >>> 8;
    arena[at + 3] = rows;
    writeU32(arena, at + 4, bytes);
    for (let i = 0; i < 16; i++) arena[at + 8 + i] = key[i] as number;
    writeU64(arena, at + 24, fence);
    writeU64(arena, at + 32, c);
    writeU64(arena, at + 40, slot);
    this.position = at - this.#start;
    this.#entries++;
  }

  #addPuts(puts: readonly Put[], from: number): void {
    const arena = this.#arena;
    let at = from;
    for (const { table, key, value } of puts) {
      arena[at] = table;
      arena[at + 1] = 0;
      arena[at + 2] = key.length >>> 8;
      arena[at + 3] = key.length;
      writeU32(arena, at + 4, value.length);
      arena.set(key, at + PUT_HEADER_BYTES);
      arena.set(value, at + PUT_HEADER_BYTES + key.length);
      at += PUT_HEADER_BYTES + key.length + value.length;
    }
  }

  #open(): void {
    this.#at = this.#start;
    this.#reserve(CHUNK_HEADER_BYTES);
    this.#at = this.#start + CHUNK_HEADER_BYTES;
    this.#entries = 0;
    this.#live = 0;
  }

  #close(): void {
    const arena = this.#arena;
    const start = this.#start;
    writeU32(arena, start + 4, FORMAT << 24);
    writeU32(arena, start + 8, this.#entries);
    writeU32(arena, start + 12, this.#live);
    writeU64(arena, start + 16, this.chunk);
    writeU32(arena, start, crc32(arena.subarray(start + 4, this.#at)));
    this.#ends.push(this.#at);
    this.#start = this.#at;
  }

  #reserve(bytes: number): void {
    if (this.#at + bytes <= this.#arena.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(this.#arena.length * 2, this.#at + bytes));
    larger.set(this.#arena.subarray(0, this.#at));
    this.#arena = larger;
  }
}

const NO_CONVERSATION = new Uint8Array(16);

function putsBytes(puts: readonly Put[]): number {
  let bytes = 0;
  for (const put of puts) bytes += PUT_HEADER_BYTES + put.key.length + put.value.length;
  return bytes;
}

/** Says what is wrong with a chunk as a whole; undefined for a sound one. */
export function chunkFault(chunk: Uint8Array, number: number): string | undefined {
  if (chunk.length < CHUNK_HEADER_BYTES) return `chunk ${number} is cut short`;
  if (readU32(chunk, 0) !== crc32(chunk.subarray(4))) return `chunk ${number} does not match its checksum`;
  if (chunk[4] !== FORMAT)
    return `chunk ${number} has format ${chunk[4]}; this program knows format ${FORMAT}`;
  if (readU64(chunk, 16) !== number) return `chunk ${number} says that it is chunk ${readU64(chunk, 16)}`;
  return undefined;
}

/** Walks a chunk: `nextEntry`, then its rows with `nextRow`, then its puts with `nextPut`. Copies nothing. */
export class ChunkReader {
  readonly chunk: Uint8Array;
  position = 0;
  type = 0;
  rows = 0;
  fence = 0;
  c = 0;
  slot = 0;
  /** Of the row read last. */
  seq = 0;
  m = 0;
  hash = 0;
  envAt = 0;
  envBytes = 0;
  /** Of the put read last. */
  table = 0;
  keyAt = 0;
  keyBytes = 0;
  valueAt = 0;
  valueBytes = 0;
  #at: number;
  #entryEnd: number;
  readonly #end: number;

  /** `end`: of the chunk's bytes, where `chunk` is a buffer that holds more. */
  constructor(chunk: Uint8Array, end: number, position = CHUNK_HEADER_BYTES) {
    this.chunk = chunk;
    this.#end = end;
    this.#at = position;
    this.#entryEnd = position;
  }

  get conv(): ConversationId {
    return uuidFromBytes(this.chunk, this.position + 8);
  }

  nextEntry(): boolean {
    const { chunk } = this;
    const at = this.#entryEnd;
    if (at === this.#end) return false;
    if (at + ENTRY_HEADER_BYTES > this.#end) throw new RangeError('an entry is cut short');
    this.position = at;
    this.type = chunk[at] as number;
    this.rows = ((chunk[at + 2] as number) << 8) | (chunk[at + 3] as number);
    this.#entryEnd = at + readU32(chunk, at + 4);
    if (this.#entryEnd > this.#end || this.#entryEnd < at + ENTRY_HEADER_BYTES) {
      throw new RangeError('an entry goes beyond its chunk');
    }
    this.fence = readU64(chunk, at + 24);
    this.c = readU64(chunk, at + 32);
    this.slot = readU64(chunk, at + 40);
    this.seq = this.c;
    this.#at = at + ENTRY_HEADER_BYTES;
    return true;
  }

  nextRow(): boolean {
    if (this.seq === this.c + this.rows) return false;
    const { chunk } = this;
    const at = this.#at;
    this.seq++;
    this.m = readU64(chunk, at);
    this.hash = readU64(chunk, at + 8);
    this.envBytes = readU32(chunk, at + 16);
    this.envAt = at + ROW_HEADER_BYTES;
    this.#at = this.envAt + this.envBytes;
    if (this.#at > this.#entryEnd) throw new RangeError('a row goes beyond its entry');
    return true;
  }

  /** Only once all rows have been read. */
  nextPut(): boolean {
    const { chunk } = this;
    const at = this.#at;
    if (at === this.#entryEnd) return false;
    this.table = chunk[at] as number;
    this.keyBytes = ((chunk[at + 2] as number) << 8) | (chunk[at + 3] as number);
    this.valueBytes = readU32(chunk, at + 4);
    this.keyAt = at + PUT_HEADER_BYTES;
    this.valueAt = this.keyAt + this.keyBytes;
    this.#at = this.valueAt + this.valueBytes;
    if (this.#at > this.#entryEnd) throw new RangeError('a put goes beyond its entry');
    return true;
  }

  /** A copy of the `message` frame of the row read last. */
  env(): Uint8Array {
    return copyBytes(this.chunk, this.envAt, this.envBytes);
  }
}

/** Not `slice`: a Buffer's is a view. */
export function copyBytes(from: Uint8Array, at: number, bytes: number): Uint8Array {
  const copy = new Uint8Array(bytes);
  copy.set(new Uint8Array(from.buffer, from.byteOffset + at, bytes));
  return copy;
}
