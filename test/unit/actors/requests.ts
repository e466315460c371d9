/** Requests as an edge makes them, with defaults for all that a test does not care about. */
import type {
  CreateRequest,
  DeliveredRequest,
  HistoryRequest,
  MemberChange,
  MembersRequest,
  PrefsRequest,
  ReadRequest,
  ReceiptsRequest,
  SendRequest,
  TypingRequest,
} from '../../../src/core/requests.ts';

export const CONV = '0190a000-0000-7000-8000-000000000001';

let nextId = 1;

interface Common {
  readonly edge?: string;
  readonly session?: number;
  readonly id?: number;
  readonly conv?: string;
  readonly device?: string;
  readonly bytes?: number;
}

function base(user: string, { edge, session, id, conv, device, bytes }: Common): CreateRequest {
  return {
    edge: edge ?? 'edge',
    session: session ?? sessionOf(user),
    id: id ?? nextId++,
    conv: conv ?? CONV,
    user,
    device: device ?? 'phone',
    bytes: bytes ?? 100,
  } as CreateRequest;
}

/** Each user has one session unless a test says otherwise. */
function sessionOf(user: string): number {
  let session = 0;
  for (const letter of user) session = session * 31 + letter.charCodeAt(0);
  return session;
}

/** A client message id that is a UUIDv7 without a believable time: never too old by itself. */
export function cmid(index: number): string {
  return `0fffffff-ffff-7000-8000-${index.toString(16).padStart(12, '0')}`;
}

export interface SendOptions extends Common {
  readonly text?: string;
  readonly kind?: string;
  readonly retry?: boolean;
  readonly ordinal?: number;
  readonly base?: number;
  readonly mentions?: readonly string[];
  readonly after?: number;
}

let lastOrdinal = 1_000;

/** Without an ordinal: one that waits for no other, behind all before it. */
export function send(user: string, id: string, options: SendOptions = {}): SendRequest {
  const ordinal = options.ordinal ?? ++lastOrdinal;
  return {
    ...base(user, options),
    t: 'send',
    cmid: id,
    kind: options.kind ?? 'text',
    body: new TextEncoder().encode(options.text ?? 'hi'),
    text: true,
    mentions: options.mentions,
    retry: options.retry ?? false,
    ordinal,
    base: options.base ?? ordinal,
    after: options.after ?? 0,
  };
}

export function createGroup(
  members: readonly string[],
  options: Common & { title?: string } = {},
): CreateRequest {
  const { title } = options;
  return { ...base(members[0] as string, options), t: 'create', kind: 'group', members, title };
}

export function createDirect(members: readonly [string, string], options: Common = {}): CreateRequest {
  return { ...base(members[0], options), t: 'create', kind: 'direct', members, title: undefined };
}

export function history(
  user: string,
  options: Common & { after?: number; before?: number; limit?: number } = {},
): HistoryRequest {
  const { after, before, limit } = options;
  return { ...base(user, options), t: 'history', after, before, limit: limit ?? 50 };
}

export function members(user: string, change?: MemberChange, options: Common = {}): MembersRequest {
  return { ...base(user, options), t: 'members', change };
}

export function read(user: string, seq: number, options: Common = {}): ReadRequest {
  return { ...base(user, { ...options, id: 0 }), t: 'read', seq, isHidden: false };
}

export function delivered(user: string, seq: number, options: Common = {}): DeliveredRequest {
  return { ...base(user, { ...options, id: 0 }), t: 'delivered', seq };
}

export function receipts(
  user: string,
  options: Common & { seq?: number; before?: string; limit?: number } = {},
): ReceiptsRequest {
  const { seq, before, limit } = options;
  return { ...base(user, options), t: 'receipts', seq, before, limit: limit ?? 50 };
}

export function prefs(
  user: string,
  set: { mute?: number; pin?: boolean; archive?: boolean },
  options: Common = {},
): PrefsRequest {
  const { mute, pin, archive } = set;
  return { ...base(user, options), t: 'prefs', mute, pin, archive };
}

export function typing(user: string, on = true, options: Common = {}): TypingRequest {
  return { ...base(user, { ...options, id: 0 }), t: 'typing', on };
}

export const add = (...users: string[]): MemberChange => ({ op: 'add', users });
export const remove = (...users: string[]): MemberChange => ({ op: 'remove', users });
