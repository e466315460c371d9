import type { types } from 'cassandra-driver';
import { uuidFromBytes, uuidToBytes } from '../../core/ids.ts';
import type { DedupHit } from '../../core/rows.ts';
import { readU64, writeU64 } from '../../protocol/message-frame.ts';

/** Values to and from CQL. The driver takes a Buffer for a column of any type as it is: the cheapest way. */

/** A bigint of 0 … 2^53 - 1. */
export function u64Cell(value: number): Buffer {
  const cell = Buffer.allocUnsafe(8);
  writeU64(cell, 0, value);
  return cell;
}

/** A bigint of at most 2^53 - 1, on either side of 0. */
export function i64Cell(value: number): Buffer {
  const cell = Buffer.allocUnsafe(8);
  cell.writeBigInt64BE(BigInt(value));
  return cell;
}

export function intCell(value: number): Buffer {
  const cell = Buffer.allocUnsafe(4);
  cell.writeInt32BE(value, 0);
  return cell;
}

export function uuidCell(uuid: string): Buffer {
  const cell = Buffer.allocUnsafe(16);
  uuidToBytes(uuid, cell, 0);
  return cell;
}

export function numberOf(value: types.Long): number {
  return value.toNumber();
}

/** Columns of a row by name. */
export function numbersOf<K extends string>(
  row: { readonly [column: string]: unknown },
  ...columns: K[]
): Record<K, number> {
  const result = {} as Record<K, number>;
  for (const column of columns) result[column] = numberOf(row[column] as types.Long);
  return result;
}

export function uuidOf(value: types.Uuid): string {
  return uuidFromBytes(value.getBuffer(), 0);
}

/** A copy: the driver's is a view into a whole answer, which would be kept with it. */
export function bytesOf(value: Buffer): Uint8Array {
  return new Uint8Array(value);
}

export const HIT_BYTES = 24;

/** What was committed under an id: seq | ts | hash, 8 bytes each. */
export function writeHit(bytes: Uint8Array, at: number, { seq, ts, hash }: DedupHit): void {
  writeU64(bytes, at, seq);
  writeU64(bytes, at + 8, ts);
  writeU64(bytes, at + 16, hash);
}

export function hitOf(bytes: Uint8Array, at: number): DedupHit {
  return { seq: readU64(bytes, at), ts: readU64(bytes, at + 8), hash: readU64(bytes, at + 16) };
}
