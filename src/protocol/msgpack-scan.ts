/**
 * Walks msgpack bytes before they are decoded, so that the decoder sees nothing but what the protocol allows:
 * no extensions, depth and number of values bounded, every length within the frame, strings of UTF-8, and none but
 * strings as keys (at others the decoder throws).
 */
import { isUtf8 } from 'node:buffer';
import { LIMITS } from './limits.ts';

export interface ScanProblem {
  /** The bytes are no msgpack value of the kind asked; else they are, with content that is not allowed. */
  readonly malformed: boolean;
  readonly message: string;
}

const TRUNCATED: ScanProblem = {
  malformed: true,
  message: 'the msgpack is cut short: a length runs past the end',
};
const TRAILING: ScanProblem = {
  malformed: true,
  message: 'bytes follow the msgpack value: there must be one alone',
};
const RESERVED: ScanProblem = { malformed: true, message: '0xc1 is no msgpack' };
const EXTENSION: ScanProblem = { malformed: false, message: 'msgpack extensions are not allowed' };
const TOO_DEEP: ScanProblem = {
  malformed: false,
  message: `msgpack may be nested up to ${LIMITS.msgpackDepthMax} deep`,
};
const TOO_MANY: ScanProblem = {
  malformed: false,
  message: `msgpack may hold up to ${LIMITS.msgpackItemsMax} values`,
};
const BAD_KEY: ScanProblem = { malformed: false, message: 'the keys of msgpack maps must be strings' };
const NOT_UTF8: ScanProblem = { malformed: false, message: 'msgpack strings must be UTF-8' };

/** By the token: how many bytes of a length, a number or a header follow it (tokens from 0xc0 to 0xdf). */
const FOLLOWING = [
  // nil, reserved, false, true, bin 8–32, ext 8–32, float 32 and 64, uint 8–64
  0, 0, 0, 0, 1, 2, 4, 1, 2, 4, 4, 8, 1, 2, 4, 8,
  // int 8–64, fixext 1–16, str 8–32, array 16 and 32, map 16 and 32
  1, 2, 4, 8, 1, 1, 1, 1, 1, 1, 2, 4, 2, 4, 2, 4,
] as const;

/** The first problem of the one `kind` of value that fills `bytes` from `start` on; undefined when there is none. */
export function scanMsgpack(
  bytes: Uint8Array,
  start: number,
  kind: 'array' | 'map',
): ScanProblem | undefined {
  const first = bytes[start] ?? 0xc0;
  if (kind === 'array' ? !isArray(first) : !isMap(first)) {
    return { malformed: true, message: `there must be a msgpack ${kind}` };
  }
  /** Values still to come, by depth; of a map keys and values, so that an even number means a key. */
  const remaining = [1];
  const isOfMap = [false];
  let values = 0;
  let at = start;
  while (remaining.length > 0) {
    const depth = remaining.length - 1;
    if (remaining[depth] === 0) {
      remaining.pop();
      isOfMap.pop();
      continue;
    }
    const isKey = isOfMap[depth] === true && (remaining[depth] as number) % 2 === 0;
    (remaining[depth] as number)--;
    if (at >= bytes.length) return TRUNCATED;
    const token = bytes[at++] as number;
    const following = token >= 0xc0 && token < 0xe0 ? (FOLLOWING[token - 0xc0] as number) : 0;
    if (following > bytes.length - at) return TRUNCATED;
    if (token === 0xc1) return RESERVED;
    if (isExtension(token)) return EXTENSION;
    const isString = (token >= 0xa0 && token < 0xc0) || (token >= 0xd9 && token <= 0xdb);
    if (isKey && !isString) return BAD_KEY;
    const isBin = token >= 0xc4 && token <= 0xc6;
    const isContainer = isArray(token) || isMap(token);
    const count = isString || isBin || isContainer ? countOf(bytes, at, token, following) : 0;
    at += following;
    if (count > bytes.length - at) return TRUNCATED; // each value of a container takes a byte or more
    if (++values > LIMITS.msgpackItemsMax) return TOO_MANY;
    if (isContainer) {
      if (values + count > LIMITS.msgpackItemsMax) return TOO_MANY;
      if (remaining.length > LIMITS.msgpackDepthMax) return TOO_DEEP;
      remaining.push(count);
      isOfMap.push(isMap(token));
    } else {
      if (isString && !isUtf8(bytes.subarray(at, at + count))) return NOT_UTF8;
      at += count;
    }
  }
  return at === bytes.length ? undefined : TRAILING;
}

/** The first value of the array at `start` if it is a non-negative integer of up to 32 bits: a request's id. */
export function leadingInteger(bytes: Uint8Array, start: number): number | undefined {
  const token = bytes[start] ?? 0xc0;
  if (!isArray(token) || token === 0x90) return undefined;
  const at = start + 1 + (token === 0xdc ? 2 : token === 0xdd ? 4 : 0);
  const first = bytes[at] ?? 0xc0;
  if (first < 0x80) return first;
  const length = first === 0xcc ? 1 : first === 0xcd ? 2 : first === 0xce ? 4 : 0;
  return length === 0 || at + length >= bytes.length ? undefined : readUint(bytes, at + 1, length);
}

function isArray(token: number): boolean {
  return (token >= 0x90 && token < 0xa0) || token === 0xdc || token === 0xdd;
}
function isMap(token: number): boolean {
  return (token >= 0x80 && token < 0x90) || token === 0xde || token === 0xdf;
}
function isExtension(token: number): boolean {
  return (token >= 0xc7 && token <= 0xc9) || (token >= 0xd4 && token <= 0xd8);
}

/** Bytes of a string or bin, values of an array, keys and values of a map. */
function countOf(bytes: Uint8Array, at: number, token: number, following: number): number {
  if (following > 0) return readUint(bytes, at, following) * (isMap(token) ? 2 : 1);
  if (token < 0x90) return (token & 0x0f) * 2;
  return token < 0xa0 ? token & 0x0f : token & 0x1f;
}

function readUint(bytes: Uint8Array, at: number, length: number): number {
  let value = 0;
  for (let i = 0; i < length; i++) value = value * 256 + (bytes[at + i] as number);
  return value;
}
