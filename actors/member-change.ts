import type { Outbox } from '../src/core/actor.ts';
import type { Answer, MemberChange, MembersRequest } from '../src/core/requests.ts';
import { LIMITS } from '../src/protocol/limits.ts';
import type { Draft } from './draft.ts';
import { applyEvent, judge } from './membership.ts';
import { refuse, UNAVAILABLE_RETRY_MS } from './refusals.ts';
import type { SequencerState } from './sequencer-state.ts';

/** Ended memberships whose rows are still to be written. */
const DEPARTED_MAX = 1_024;

/** Puts a membership change into the draft or answers it; false: it must wait until the draft is committed. */
export function changeMembers(
  state: SequencerState,
  draft: Draft,
  request: MembersRequest,
  change: MemberChange,
  out: Outbox,
): boolean {
  if (state.conversation.kind === 'direct' && draft.members.has(request.user)) {
    refuse(request, 'forbidden', 'conv: the members of a direct conversation never change.', undefined, out);
    return true;
  }
  if (state.departed.size >= DEPARTED_MAX) {
    refuse(request, 'overloaded', 'Too many membership changes at once.', UNAVAILABLE_RETRY_MS, out);
    return true;
  }
  const verdict = judge(draft.members, request.user, change, LIMITS.groupMembersMax);
  if (verdict.t === 'event') {
    const members = applyEvent(draft.members, verdict.event, draft.nextSeq, draft.n);
    draft.addEvent(request, 'sys.members', verdict.event, members);
    return true;
  }
  if (draft.version > state.version) {
    draft.closed = true; // the verdict rests on a change that may yet fail
    return false;
  }
  if (verdict.t === 'refused') refuse(request, verdict.code, verdict.message, undefined, out);
  else out.answer(request, { t: 'ok', seq: state.version, members: undefined });
  return true;
}

export function memberList(state: SequencerState): Answer {
  const members = [...state.members.values()].map(({ user, role }) => [user, role] as const);
  return { t: 'ok', seq: state.version, members };
}
