import type { Role } from '../src/core/entry.ts';
import type { ErrorCode } from '../src/core/errors.ts';
import type { Seq, UserId } from '../src/core/ids.ts';
import type { MemberChange } from '../src/core/requests.ts';
import type { MemberPrefs, Mentions } from '../src/core/rows.ts';

/** A current member. Role and join change only by replacing the object; the cursor moves in place. */
export interface Member {
  readonly user: UserId;
  readonly role: Role;
  readonly join: Seq;
  read: Seq;
  readN: number;
  /** What a device has; never below the read cursor. */
  delivered: Seq;
  /** The read cursor as the others see it, once it was hidden; never above it. */
  shown?: Seq | undefined;
  /** Replaced, never changed. */
  prefs?: MemberPrefs | undefined;
  /** Replaced, never changed. */
  mentions?: Mentions | undefined;
  /** Whether the member's row lags behind this. */
  dirty: boolean;
}

/** The body of a `sys.members` event: all that a reader of the log needs to follow the membership. */
export interface MembersEvent {
  readonly add?: readonly UserId[];
  readonly remove?: readonly UserId[];
  readonly leave?: UserId;
  readonly role?: readonly (readonly [UserId, Role])[];
}

export type Verdict =
  | { readonly t: 'event'; readonly event: MembersEvent }
  | { readonly t: 'unchanged' }
  | { readonly t: 'refused'; readonly code: ErrorCode; readonly message: string };

const UNCHANGED: Verdict = { t: 'unchanged' };

function refused(code: ErrorCode, message: string): Verdict {
  return { t: 'refused', code, message };
}

/** What `by`'s change comes to, given the members now. By state: who is where it asks gets no event. */
export function judge(
  members: ReadonlyMap<UserId, Member>,
  by: UserId,
  change: MemberChange,
  membersMax: number,
): Verdict {
  const actor = members.get(by);
  if (actor === undefined) return refused('not_member', 'You are not a member of this conversation.');
  switch (change.op) {
    case 'add':
      return judgeAdd(members, actor, change.users, membersMax);
    case 'remove':
      return judgeRemove(members, actor, change.users);
    case 'role':
      return judgeRole(members, actor, change.roles);
    case 'leave':
      return { t: 'event', event: leaving(members, actor) };
  }
}

function judgeAdd(
  members: ReadonlyMap<UserId, Member>,
  actor: Member,
  users: readonly UserId[],
  membersMax: number,
): Verdict {
  if (actor.role === 'member') return refused('forbidden', 'add: only an owner or an admin may add members.');
  const add = [...new Set(users)].filter((user) => !members.has(user));
  if (add.length === 0) return UNCHANGED;
  if (members.size + add.length > membersMax) {
    return refused('too_large', `add: a group has at most ${membersMax} members; ${members.size} are in it.`);
  }
  return { t: 'event', event: { add } };
}

function judgeRemove(members: ReadonlyMap<UserId, Member>, actor: Member, users: readonly UserId[]): Verdict {
  if (actor.role === 'member')
    return refused('forbidden', 'remove: only an owner or an admin may remove members.');
  if (users.includes(actor.user)) return refused('invalid', 'remove: use `leave` to go yourself.');
  const remove = [...new Set(users)].filter((user) => members.has(user));
  for (const user of remove) {
    if (actor.role === 'admin' && members.get(user)?.role !== 'member') {
      return refused('forbidden', `remove: an admin may remove members only, and ${user} is more than that.`);
    }
  }
  return remove.length === 0 ? UNCHANGED : { t: 'event', event: { remove } };
}

function judgeRole(
  members: ReadonlyMap<UserId, Member>,
  actor: Member,
  roles: readonly (readonly [UserId, Role])[],
): Verdict {
  if (actor.role !== 'owner') return refused('forbidden', 'role: only an owner may change roles.');
  const wanted = new Map<UserId, Role>(roles);
  for (const user of wanted.keys()) {
    if (!members.has(user)) return refused('invalid', `role: ${user} is not a member; add them first.`);
  }
  const role = [...wanted].filter(([user, to]) => members.get(user)?.role !== to);
  if (role.length === 0) return UNCHANGED;
  const ownersLeft = [...members.values()].filter(
    (member) => (wanted.get(member.user) ?? member.role) === 'owner',
  );
  if (ownersLeft.length === 0)
    return refused('invalid', 'role: at least one owner must remain; name another one first.');
  return { t: 'event', event: { role } };
}

/** The last owner's place goes to the longest-standing admin, else member; of equals, the first by name. */
function leaving(members: ReadonlyMap<UserId, Member>, actor: Member): MembersEvent {
  const others = [...members.values()].filter((member) => member.user !== actor.user);
  if (actor.role !== 'owner' || others.length === 0 || others.some((member) => member.role === 'owner')) {
    return { leave: actor.user };
  }
  const admins = others.filter((member) => member.role === 'admin');
  const heir = (admins.length > 0 ? admins : others).reduce((best, member) =>
    member.join < best.join || (member.join === best.join && member.user < best.user) ? member : best,
  );
  return { leave: actor.user, role: [[heir.user, 'owner']] };
}

/** The members after the event at `seq`, when `n` messages were sent; `members` itself stays as it is. */
export function applyEvent(
  members: ReadonlyMap<UserId, Member>,
  event: MembersEvent,
  seq: Seq,
  n: number,
): Map<UserId, Member> {
  const next = new Map(members);
  for (const user of event.add ?? []) {
    // Applied already, when a log is replayed over rows that are ahead of it.
    if (next.get(user)?.join === seq) continue;
    next.set(user, { user, role: 'member', join: seq, read: seq, readN: n, delivered: seq, dirty: true });
  }
  for (const user of event.remove ?? []) next.delete(user);
  if (event.leave !== undefined) next.delete(event.leave);
  for (const [user, role] of event.role ?? []) {
    const member = next.get(user);
    if (member !== undefined) next.set(user, { ...member, role, dirty: true });
  }
  return next;
}
