import { type ConversationId, uuidToBytes } from '../../core/ids.ts';
import { readU32, writeU64 } from '../../protocol/message-frame.ts';

/** LMDB keys: bytes whose order is the order that scans want. Integers are big-endian. */

export const CONV_BYTES = 16;
const SEQ_MAX = Number.MAX_SAFE_INTEGER;

export function logKey(chunk: number): Uint8Array {
  const key = new Uint8Array(8);
  writeU64(key, 0, chunk);
  return key;
}

export function indexKey(conv: ConversationId, last: number): Uint8Array {
  const key = new Uint8Array(CONV_BYTES + 8);
  uuidToBytes(conv, key, 0);
  writeU64(key, CONV_BYTES, last);
  return key;
}

/** Beyond all rows of the conversation. */
export function indexEnd(conv: ConversationId): Uint8Array {
  return indexKey(conv, SEQ_MAX);
}

/**
 * The client message id comes first: as a UUIDv7, which is recommended, it rises with time, so that new rows
 * lie side by side on few pages, and old ones, once expired, leave whole pages.
 */
export function dedupKey(conv: ConversationId, user: string, device: string, cmid: string): Uint8Array {
  const key = new Uint8Array(2 * CONV_BYTES + user.length + 1 + device.length);
  uuidToBytes(cmid, key, 0);
  uuidToBytes(conv, key, CONV_BYTES);
  writeName(key, 2 * CONV_BYTES, user);
  writeName(key, 2 * CONV_BYTES + user.length + 1, device);
  return key;
}

export function conversationKey(conv: ConversationId): Uint8Array {
  const key = new Uint8Array(CONV_BYTES);
  uuidToBytes(conv, key, 0);
  return key;
}

export function memberKey(conv: ConversationId, user: string): Uint8Array {
  const key = new Uint8Array(CONV_BYTES + user.length);
  uuidToBytes(conv, key, 0);
  writeName(key, CONV_BYTES, user);
  return key;
}

/** `user` NUL: the beginning of the keys of one user's rows. */
export function inboxPrefix(user: string): Uint8Array {
  const key = new Uint8Array(user.length + 1);
  writeName(key, 0, user);
  return key;
}

export function inboxKey(user: string, conv: ConversationId): Uint8Array {
  const key = new Uint8Array(user.length + 1 + CONV_BYTES);
  writeName(key, 0, user);
  uuidToBytes(conv, key, user.length + 1);
  return key;
}

/** One key per part of what is kept of a user: what is set, and when the user was seen. */
export function userKey(user: string, part: 'settings' | 'seen'): Uint8Array {
  const key = new Uint8Array(user.length + 2);
  writeName(key, 0, user);
  key[user.length + 1] = part === 'settings' ? 1 : 2;
  return key;
}

export function dirtyKey(slot: number, conv: ConversationId): Uint8Array {
  const key = new Uint8Array(8 + CONV_BYTES);
  writeU64(key, 0, slot);
  uuidToBytes(conv, key, 8);
  return key;
}

/** The least key greater than all that begin with `prefix`. */
export function prefixEnd(prefix: Uint8Array): Uint8Array {
  const end = prefix.slice();
  for (let i = end.length - 1; i >= 0; i--) {
    if ((end[i] as number) < 0xff) {
      end[i] = (end[i] as number) + 1;
      return end.subarray(0, i + 1);
    }
  }
  throw new RangeError('a prefix of 0xff bytes has no end');
}

/**
 * 32 bits to sort UUIDs by in bulk, so that those next to one another in a table come one after the other: the
 * leading ones, or of a UUIDv7 the low ones of its time, since all of one age share the leading ones.
 */
export function uuidRank(uuid: Uint8Array, at: number): number {
  return (uuid[at + 6] as number) >>> 4 === 7 ? readU32(uuid, at + 2) : readU32(uuid, at);
}

function writeName(key: Uint8Array, at: number, name: string): void {
  for (let i = 0; i < name.length; i++) key[at + i] = name.charCodeAt(i);
}
