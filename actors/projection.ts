import type { UserId } from '../src/core/ids.ts';
import { type InboxRow, type MemberRow, type ProjectionWrite, reflectedTo } from '../src/core/rows.ts';
import type { SequencerState } from './sequencer-state.ts';

/**
 * The rows that bring the small tables up to the committed state, for the users named or for all who may be
 * shown the conversation.
 */
export function projectionOf(state: SequencerState, users: ReadonlySet<UserId> | undefined): ProjectionWrite {
  const members: MemberRow[] = [];
  const inbox: InboxRow[] = [];
  for (const member of state.members.values()) {
    if (member.dirty) members.push(state.memberRow(member));
    const named = users === undefined || users.has(member.user);
    if (named && state.isShownTo(member.user)) inbox.push(state.inboxRow(member));
  }
  for (const departed of state.departed.values()) {
    members.push(departed.row);
    inbox.push(departed.inbox);
  }
  // Whenever member rows are written that reflect a later event, so is the row that says so.
  const { version, mentioned } = state;
  const current = reflectedTo(state.conversation) === Math.max(version, mentioned);
  const conversation = current ? undefined : state.conversationRow();
  return { conv: state.conv, fence: state.fence, conversation, members, inbox };
}

/** The write is durable: what has not changed since is clean. */
export function settleProjection(state: SequencerState, write: ProjectionWrite): void {
  if (write.conversation !== undefined && reflectedTo(write.conversation) > reflectedTo(state.conversation)) {
    state.conversation = write.conversation;
  }
  for (const row of write.members) {
    const member = state.members.get(row.user);
    if (
      member !== undefined &&
      row.left === 0 &&
      member.join === row.join &&
      member.role === row.role &&
      member.read === row.read &&
      member.delivered === row.delivered &&
      member.shown === row.shown &&
      member.prefs === row.prefs &&
      member.mentions === row.mentions
    ) {
      member.dirty = false;
    }
    if (state.departed.get(row.user)?.row === row) state.departed.delete(row.user);
  }
}
