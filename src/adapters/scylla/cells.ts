import type { types } from 'cassandra-driver';
import { uuidFromBytes, uuidToBytes } from '../../core/ids.ts';
import { writeU64 } from '../../protocol/message-frame.ts';

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

/** The same bytes, not copied. */
export function blobCell(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

export function numberOf(value: types.Long): number {
  return value.toNumber();
}

export function uuidOf(value: types.Uuid): string {
  return uuidFromBytes(value.getBuffer(), 0);
}

/** A copy: the driver's is a view into a whole answer, which would be kept with it. */
export function bytesOf(value: Buffer): Uint8Array {
  return new Uint8Array(value);
}
