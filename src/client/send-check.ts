import { isName, isUuid } from '../core/ids.ts';
import { LIMITS } from '../protocol/limits.ts';
import { ClientError } from './errors.ts';

/** Why no server would take the message; undefined: one may. */
export function sendProblem(
  conv: string,
  body: string | Uint8Array,
  mentions: readonly string[] | undefined,
  bodyBytesMax: number,
): ClientError | undefined {
  if (!isUuid(conv)) return new ClientError('invalid', `conv: ${conv} is not a UUID in lower case`);
  if (mentions !== undefined && (mentions.length > LIMITS.mentionsMax || !mentions.every(isName)))
    return new ClientError('invalid', `mentions: up to ${LIMITS.mentionsMax} names of users`);
  if (typeof body === 'string' && /\p{Surrogate}/u.test(body)) {
    return new ClientError('invalid', 'body: holds half a surrogate pair, which UTF-8 cannot');
  }
  const bytes = typeof body === 'string' ? utf8Bytes(body) : body.length;
  if (bytes <= bodyBytesMax) return undefined;
  return new ClientError('too_large', `body: ${bytes} bytes, of at most ${bodyBytesMax}`);
}

function utf8Bytes(text: string): number {
  return text.length * 3 <= LIMITS.bodyBytesMax ? text.length : new TextEncoder().encode(text).length;
}
