import type { Outbox } from '../src/core/actor.ts';
import type { ErrorCode } from '../src/core/errors.ts';
import { type ConversationRequest, type CreateRequest, isChange } from '../src/core/requests.ts';
import { LIMITS } from '../src/protocol/limits.ts';

/** How long a client is asked to wait when the store refuses, … */
export const UNAVAILABLE_RETRY_MS = 1_000;
/** … and when something before its request must be settled first. */
export const OUT_OF_TURN_RETRY_MS = 200;

export function refuse(
  request: ConversationRequest,
  code: ErrorCode,
  message: string,
  retryAfterMs: number | undefined,
  out: Outbox,
): void {
  out.answer(request, { t: 'error', code, message, retryAfterMs });
}

export function refuseStranger(request: ConversationRequest, out: Outbox): void {
  refuse(request, 'not_member', 'conv: you are not a member of this conversation.', undefined, out);
}

/** True: it is answered. */
export function refuseOutOfTurn(request: ConversationRequest, out: Outbox): true {
  const message = 'A send before this one was refused; send that one again first.';
  refuse(request, 'unavailable', message, OUT_OF_TURN_RETRY_MS, out);
  return true;
}

/** There is no room behind what is asked of its session. */
export function refuseHeld(request: ConversationRequest, out: Outbox): void {
  const message = 'Too many requests wait for what is asked of the store or the edge.';
  refuse(request, 'overloaded', message, OUT_OF_TURN_RETRY_MS, out);
}

/** What was asked of it is not known. */
export function refuseUnread(request: ConversationRequest, out: Outbox): void {
  const message = isChange(request)
    ? 'Whether another node has done it is not known now.'
    : 'The store cannot be read now.';
  refuse(request, 'unavailable', message, UNAVAILABLE_RETRY_MS, out);
}

export function refuseTooMany(request: CreateRequest, out: Outbox): void {
  const message = `members: a group has at most ${LIMITS.groupMembersMax}, the creator included; these are ${request.members.length}.`;
  refuse(request, 'too_large', message, undefined, out);
}

export function refuseOtherOrigin(request: ConversationRequest, out: Outbox): void {
  const message = 'conv: it exists with another kind, creator or members; pick a new id.';
  refuse(request, 'conflict', message, undefined, out);
}

export function refuseUnknown(request: ConversationRequest, out: Outbox): void {
  const message = 'It may have happened; send it again with `retry`.';
  refuse(request, 'timed_out_unknown', message, UNAVAILABLE_RETRY_MS, out);
}
