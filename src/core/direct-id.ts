import { createHash } from 'node:crypto';
import { type ConversationId, type UserId, uuidFromBytes } from './ids.ts';

/**
 * The id of the direct conversation of two users, computable by both sides: the first 16 bytes of
 * SHA-256("carillon/direct/1" NUL a NUL b), a < b by bytes, with version nibble 8 and variant 10.
 */
export function directConversationId(one: UserId, other: UserId): ConversationId {
  const [a, b] = one < other ? [one, other] : [other, one]; // names are ASCII: code units are bytes
  const digest = createHash('sha256').update(`carillon/direct/1\0${a}\0${b}`).digest();
  digest[6] = ((digest[6] as number) & 0x0f) | 0x80;
  digest[8] = ((digest[8] as number) & 0x3f) | 0x80;
  return uuidFromBytes(digest, 0);
}
