/** The requests that decoded frames stand for. */
import { Buffer } from 'node:buffer';
import { directConversationId } from '../core/direct-id.ts';
import type { ErrorCode } from '../core/errors.ts';
import { type ConversationId, uuidV7 } from '../core/ids.ts';
import type { System } from '../core/ports.ts';
import { homeOf } from '../core/users.ts';
import type {
  CreateRequest,
  DeliveredRequest,
  HistoryRequest,
  MemberChange,
  MembersRequest,
  PrefsRequest,
  ReadRequest,
  ReceiptsRequest,
  RequestBase,
  SendRequest,
  SettingsRequest,
  TypingRequest,
} from '../core/requests.ts';
import type {
  Create,
  Delivered,
  History,
  ListReceipts,
  Members,
  Prefs,
  Read,
  Typing,
} from '../protocol/frames.ts';
import { LIMITS } from '../protocol/limits.ts';
import type { DecodedSend } from '../protocol/server-codec.ts';
import type { LanePlace } from './lanes.ts';
import type { Session } from './session.ts';

/** What a request counts for in a mailbox, beside its body or list. */
const REQUEST_BYTES = 256;
const USER_BYTES = 64;

/** What all requests have. A send, of which there are many, is made in one piece. */
function requestOf(
  edge: string,
  { number, user, device }: Session,
  id: number,
  conv: ConversationId,
  bytes = REQUEST_BYTES,
): RequestBase {
  return { edge, session: number, id, conv, user, device, bytes };
}

export function sendRequest(
  edge: string,
  session: Session,
  frame: DecodedSend,
  place: LanePlace,
): SendRequest {
  return {
    t: 'send',
    edge,
    session: session.number,
    id: frame.id,
    conv: frame.conv,
    user: session.user,
    device: session.device,
    bytes: REQUEST_BYTES + frame.body.length + USER_BYTES * (frame.mentions?.length ?? 0),
    cmid: frame.cmid,
    kind: frame.kind,
    body: Buffer.from(frame.body), // the one copy, of what may view the socket's buffer; pooled, as it lives briefly
    text: frame.text,
    mentions: frame.mentions,
    retry: frame.retry,
    ordinal: place.ordinal,
    base: place.base,
    after: 0,
  };
}

export function historyRequest(edge: string, session: Session, frame: History): HistoryRequest {
  return {
    t: 'history',
    ...requestOf(edge, session, frame.id, frame.conv),
    after: frame.after,
    before: frame.before,
    limit: frame.limit ?? LIMITS.historyLimitDefault,
  };
}

export function membersRequest(edge: string, session: Session, frame: Members): MembersRequest {
  const named = (frame.add ?? frame.remove ?? frame.role ?? []).length;
  return {
    t: 'members',
    ...requestOf(edge, session, frame.id, frame.conv, REQUEST_BYTES + USER_BYTES * named),
    change: memberChange(frame),
  };
}

function memberChange(frame: Members): MemberChange | undefined {
  if (frame.add !== undefined) return { op: 'add', users: frame.add };
  if (frame.remove !== undefined) return { op: 'remove', users: frame.remove };
  if (frame.role !== undefined) return { op: 'role', roles: frame.role };
  return frame.leave === true ? { op: 'leave' } : undefined;
}

export function readRequest(edge: string, session: Session, frame: Read): ReadRequest {
  return {
    t: 'read',
    ...requestOf(edge, session, 0, frame.conv),
    seq: frame.seq,
    isHidden: session.account?.settings.receipts === false,
  };
}

export function deliveredRequest(edge: string, session: Session, frame: Delivered): DeliveredRequest {
  return {
    t: 'delivered',
    ...requestOf(edge, session, 0, frame.conv),
    seq: frame.seq,
  };
}

export function typingRequest(edge: string, session: Session, frame: Typing): TypingRequest {
  return {
    t: 'typing',
    ...requestOf(edge, session, 0, frame.conv),
    on: frame.on,
  };
}

/** Of one conversation, or of all: then it goes to the user's home. */
export function prefsRequest(edge: string, session: Session, frame: Prefs): PrefsRequest | SettingsRequest {
  const { id, conv, mute, pin, archive, receipts, presence } = frame;
  if (conv === undefined) {
    const base = requestOf(edge, session, id, homeOf(session.user));
    const known = session.account?.settings.at ?? 0;
    return { t: 'settings', ...base, receipts, presence, base: known };
  }
  return { t: 'prefs', ...requestOf(edge, session, id, conv), mute, pin, archive };
}

export function receiptsRequest(edge: string, session: Session, frame: ListReceipts): ReceiptsRequest {
  return {
    t: 'receipts',
    ...requestOf(edge, session, frame.id, frame.conv),
    seq: frame.seq,
    before: frame.before,
    limit: frame.limit ?? LIMITS.receiptsLimitDefault,
  };
}

/** What is wrong with a `create`. */
export interface CreateProblem {
  readonly t: 'problem';
  readonly code: ErrorCode;
  readonly message: string;
}

/** The creator is the first of the members, and no one is named twice. */
export function createRequest(
  edge: string,
  session: Session,
  frame: Create,
  system: System,
): CreateRequest | CreateProblem {
  const members = [...new Set([session.user, ...frame.members])];
  if (frame.kind === 'supergroup')
    return problem('unsupported', 'kind: supergroup is of a later version; make a group.');
  if (frame.kind === 'direct' && members.length !== 2)
    return problem('invalid', 'members: a direct conversation names exactly one other user.');
  if (frame.kind === 'direct' && frame.title !== undefined)
    return problem('invalid', 'title: a direct conversation has none; leave it out.');
  if (members.length > LIMITS.groupMembersMax)
    return problem(
      'too_large',
      `members: a group has at most ${LIMITS.groupMembersMax}, the creator included; these are ${members.length}.`,
    );
  return {
    t: 'create',
    edge,
    session: session.number,
    id: frame.id,
    conv:
      frame.kind === 'direct'
        ? directConversationId(session.user, members[1] as string)
        : (frame.conv ?? uuidV7(system.now(), system.random(10))),
    user: session.user,
    device: session.device,
    bytes: REQUEST_BYTES + USER_BYTES * members.length,
    kind: frame.kind,
    members,
    title: frame.title,
  };
}

function problem(code: ErrorCode, message: string): CreateProblem {
  return { t: 'problem', code, message };
}
