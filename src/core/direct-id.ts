import { createHash } from 'node:crypto';
import { type ConversationId, type UserId, uuidFromBytes } from './ids.ts';

/**
 * The id of the direct conversation of two users, computable by both sides: made of "carillon/direct/1" NUL a NUL b,
 * a < b by bytes.
 */
export function directConversationId(one: UserId, other: UserId): ConversationId {
  const [a, b] = one < other ? [one, other] : [other, one]; // names are ASCII: code units are bytes
  return uuidV8(`carillon/direct/1\0${a}\0${b}`);
}

/** The first 16 bytes of the text's SHA-256, with version nibble 8 and variant 10. */
export function uuidV8(text: string): ConversationId {
  const digest = createHash('sha256').update(text).digest();
  digest[6] = ((digest[6] as number) & 0x0f) | 0x80;
  digest[8] = ((digest[8] as number) & 0x3f) | 0x80;
  return uuidFromBytes(digest, 0);
}
