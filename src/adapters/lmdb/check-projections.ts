import type { ConversationId, UserId } from '../../core/ids.ts';
import type { InboxRow } from '../../core/rows.ts';
import type { Findings } from './check.ts';
import type { ConversationCheck } from './check-conversation.ts';
import type { Environment } from './environment.ts';
import { CONV_BYTES } from './keys.ts';
import type { Overlay } from './overlay.ts';

/**
 * Compares conversations, members and inboxes with the log. They may be behind it, since the next owner of a
 * conversation catches up, unless the store was `closed` properly.
 */
export function checkProjections(
  env: Environment,
  overlay: Overlay,
  states: ReadonlyMap<ConversationId, ConversationCheck>,
  tailUsers: ReadonlySet<UserId>,
  closed: boolean,
  findings: Findings,
): void {
  for (const state of states.values()) checkMembers(overlay, state, findings);
  for (const user of inboxUsers(env, tailUsers)) {
    for (const row of overlay.tables.inbox(user)) checkInboxRow(row, user, states, closed, findings);
  }
}

function checkMembers(overlay: Overlay, state: ConversationCheck, findings: Findings): void {
  const { conv, members, membersAt, head, m } = state;
  const conversation = overlay.tables.conversation(conv);
  if (conversation === undefined) {
    if (head > 0) findings.add(conv, undefined, 'has events, and no row among the conversations');
    return;
  }
  if (conversation.version > Math.max(head, m)) {
    findings.add(conv, conversation.version, `its row reflects this event, and the log ends at ${head}`);
  }
  // Rows that are behind the last membership event are caught up from the log when the conversation wakes.
  if (members === undefined || membersAt > conversation.version) return;
  const rows = overlay.tables.members(conv).filter((row) => row.left === 0);
  const present = new Set(rows.map((row) => row.user));
  for (const user of members)
    if (!present.has(user)) findings.add(conv, membersAt, `${user} has no member row`);
  for (const user of present) {
    if (!members.has(user)) findings.add(conv, membersAt, `${user} has a member row and is no member`);
  }
  for (const { user, read } of rows) {
    if (read > head) findings.add(conv, read, `${user} has read up to here, and the log ends at ${head}`);
  }
}

function checkInboxRow(
  { entry }: InboxRow,
  user: UserId,
  states: ReadonlyMap<ConversationId, ConversationCheck>,
  closed: boolean,
  findings: Findings,
): void {
  const { conv, head, n, removed } = entry;
  const log = states.get(conv) ?? { head: 0, n: 0 };
  if (head > log.head) {
    findings.add(conv, head, `the inbox of ${user} shows it, and the log ends at ${log.head}`);
  } else if (removed === undefined && closed && head < log.head) {
    findings.add(
      conv,
      head,
      `the inbox of ${user} ends here, the log at ${log.head}, though it was closed properly`,
    );
  }
  if (removed === undefined && head === log.head && n !== log.n) {
    findings.add(conv, head, `the inbox of ${user} counts ${n} messages, the log ${log.n}`);
  }
}

function inboxUsers(env: Environment, tailUsers: ReadonlySet<UserId>): Set<UserId> {
  const users = new Set(tailUsers);
  for (const key of env.inbox.getKeys({ snapshot: true })) {
    users.add(Buffer.from(key.buffer, key.byteOffset, key.length - CONV_BYTES - 1).toString('latin1'));
  }
  return users;
}
