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

const HIT_BYTES = 24;

/** What was committed under an id, as one cell: a third of the work that a cell per number is. */
export function hitCell({ seq, ts, hash }: DedupHit): Buffer {
  const cell = Buffer.allocUnsafe(HIT_BYTES);
  writeU64(cell, 0, seq);
  writeU64(cell, 8, ts);
  writeU64(cell, 16, hash);
  return cell;
}

export function hitOf(cell: Buffer): DedupHit {
  return { seq: readU64(cell, 0), ts: readU64(cell, 8), hash: readU64(cell, 16) };
}
