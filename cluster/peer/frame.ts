/** The types of the frames that go over a link, and what is common to those that are msgpack arrays. */
import { isName, isUuid } from '../../src/core/ids.ts';
import type { Receipt } from '../../src/core/requests.ts';
import { VISIBILITIES, type Visibility } from '../../src/core/users.ts';
import { packFrame, unpackFields } from '../../src/protocol/msgpack.ts';
import { scanMsgpack } from '../../src/protocol/msgpack-scan.ts';
import { type FrameSink, writeFrame } from './flow-sender.ts';

/** Byte 0 of a frame. `send`, `ack`, `page` and `event` have fixed headers, the others are arrays of fields. */
export const FRAME = {
  // edge to owner
  send: 0x01,
  request: 0x02,
  announce: 0x03,
  depart: 0x04,
  snapshot: 0x05,
  watch: 0x06,
  unwatch: 0x07,
  awaited: 0x08,
  // owner to edge
  ack: 0x41,
  page: 0x42,
  answer: 0x43,
  redirect: 0x44,
  event: 0x45,
  set: 0x46,
  forget: 0x47,
  head: 0x48,
  entry: 0x49,
  resync: 0x4a,
  snapshotWanted: 0x4b,
  receipt: 0x4c,
  typing: 0x4d,
  cursor: 0x4e,
  settings: 0x4f,
  state: 0x50,
  asked: 0x51,
} as const;

export type FrameType = (typeof FRAME)[keyof typeof FRAME];

export function writeFields(sink: FrameSink, type: FrameType, fields: readonly unknown[]): void {
  writeFrame(sink, packFrame(type, fields));
}

/** The fields of the frame that is bytes[start] … bytes[end - 1]; undefined: it is no msgpack array. */
export function readFields(bytes: Uint8Array, start: number, end: number): unknown[] | undefined {
  const frame = bytes.subarray(start, end);
  if (scanMsgpack(frame, 1, 'array') !== undefined) return undefined;
  return unpackFields(frame);
}

// What the fields must be. A peer is no stranger, but it may be of another version.

export function isInteger(value: unknown): value is number {
  return Number.isSafeInteger(value);
}
/** An integer from 0. */
export function isCount(value: unknown): value is number {
  return isInteger(value) && value >= 0;
}
export function isFlag(value: unknown): value is boolean {
  return typeof value === 'boolean';
}
export function isText(value: unknown): value is string {
  return typeof value === 'string';
}
export function isUser(value: unknown): value is string {
  return typeof value === 'string' && isName(value);
}
export function isConv(value: unknown): value is string {
  return typeof value === 'string' && isUuid(value);
}
export function isUsers(value: unknown): value is string[] {
  return Array.isArray(value) && value.every(isUser);
}
export function isReceipt(value: unknown): value is Receipt {
  return Array.isArray(value) && isUser(value[0]) && isCount(value[1]) && isCount(value[2]);
}
export function isReceipts(value: unknown): value is Receipt[] {
  return Array.isArray(value) && value.every(isReceipt);
}
export function isVisibility(value: unknown): value is Visibility {
  return VISIBILITIES.includes(value as Visibility);
}
/** Absent, or of the kind that `is` tells. */
export function isOptional<T>(
  value: unknown,
  is: (value: unknown) => value is T,
): value is T | null | undefined {
  return value === undefined || value === null || is(value);
}
