import type { ErrorCode } from './errors.ts';
import type { ConversationId, DeviceId, Seq, UserId } from './ids.ts';
import type { Entry, Role } from './entry.ts';
import type { UserSettings, UserState, Visibility } from './users.ts';

/** What every request of a session to a conversation's owner carries. */
export interface RequestBase {
  /** The edge that holds the session, and the session's number there (never used twice by one edge). */
  readonly edge: string;
  readonly session: number;
  /** The client's request id; 0 for a frame without one. */
  readonly id: number;
  readonly conv: ConversationId;
  readonly user: UserId;
  readonly device: DeviceId;
  /** What the request counts for in a mailbox's byte bound. */
  readonly bytes: number;
}

export interface SendRequest extends RequestBase {
  readonly t: 'send';
  readonly cmid: string;
  /** `text` or another name of up to 32 characters. */
  readonly kind: string;
  /** The body, owned by the request: never a view of a socket's buffer. */
  readonly body: Uint8Array;
  /** Whether the body is UTF-8 text (checked by the edge). */
  readonly text: boolean;
  /** Whom it is said to mention. */
  readonly mentions: readonly UserId[] | undefined;
  /** The client says that it sent this cmid before. */
  readonly retry: boolean;
  /** The place of this send among the session's sends to this conversation: rising, gaps mean nothing, … */
  readonly ordinal: number;
  /** … and the lowest of those still unanswered when it was sent. */
  readonly base: number;
  /** If an earlier copy was committed, then behind this seq; 0: nothing is known. */
  readonly after: Seq;
}

export type ConversationKind = 'direct' | 'group' | 'supergroup';

export interface CreateRequest extends RequestBase {
  readonly t: 'create';
  readonly kind: ConversationKind;
  /** All members, the creator first, no one twice. */
  readonly members: readonly UserId[];
  readonly title: string | undefined;
}

export interface HistoryRequest extends RequestBase {
  readonly t: 'history';
  /** At most one of the two; neither asks for the newest page. Both exclude their seq. */
  readonly after: Seq | undefined;
  readonly before: Seq | undefined;
  readonly limit: number;
}

export interface MembersRequest extends RequestBase {
  readonly t: 'members';
  /** undefined asks for the list. */
  readonly change: MemberChange | undefined;
}

export type MemberChange =
  | { readonly op: 'add'; readonly users: readonly UserId[] }
  | { readonly op: 'remove'; readonly users: readonly UserId[] }
  | { readonly op: 'role'; readonly roles: readonly (readonly [UserId, Role])[] }
  | { readonly op: 'leave' };

export interface ReadRequest extends RequestBase {
  readonly t: 'read';
  readonly seq: Seq;
  /** The others are not to be shown it. */
  readonly isHidden: boolean;
}

/** A device of the user has all up to `seq`. */
export interface DeliveredRequest extends RequestBase {
  readonly t: 'delivered';
  readonly seq: Seq;
}

/** The user began to type, or stopped. */
export interface TypingRequest extends RequestBase {
  readonly t: 'typing';
  readonly on: boolean;
}

export interface ReceiptsRequest extends RequestBase {
  readonly t: 'receipts';
  /** Of whom this has reached; undefined: of all. */
  readonly seq: Seq | undefined;
  /** The last user of the page before. */
  readonly before: UserId | undefined;
  readonly limit: number;
}

/** How the user wants the conversation shown; what is undefined stays. */
export interface PrefsRequest extends RequestBase {
  readonly t: 'prefs';
  readonly mute: number | undefined;
  readonly pin: boolean | undefined;
  readonly archive: boolean | undefined;
}

export type ConversationRequest =
  | SendRequest
  | CreateRequest
  | HistoryRequest
  | MembersRequest
  | ReadRequest
  | DeliveredRequest
  | TypingRequest
  | ReceiptsRequest
  | PrefsRequest;

/** What the user wants in all conversations; `conv` is the user's home (users.ts). What is undefined stays. */
export interface SettingsRequest extends RequestBase {
  readonly t: 'settings';
  readonly receipts: boolean | undefined;
  readonly presence: Visibility | undefined;
  /** `at` of the settings that it is a change of, as the edge knew them: one that comes late changes no others. */
  readonly base: number;
}

/** All that an edge asks of a node. */
export type NodeRequest = ConversationRequest | SettingsRequest;

/** Whether a request has no answer: what is lost of it is said again, or matters no more. */
export function isFleeting({ t }: NodeRequest): boolean {
  return t === 'read' || t === 'delivered' || t === 'typing';
}

/** Whether it may undo what was done between, if it is done twice. */
export function isChange(request: NodeRequest): boolean {
  return request.t === 'prefs' || (request.t === 'members' && request.change !== undefined);
}

/** The one answer that a request with an id gets (what has none gets one only when it fails). */
export type Answer =
  | AckAnswer
  | CreatedAnswer
  | PageAnswer
  | GrantAnswer
  | OkAnswer
  | ReceiptsAnswer
  | ErrorAnswer;

export interface AckAnswer {
  readonly t: 'ack';
  readonly seq: Seq;
  readonly ts: number;
  readonly duplicate: boolean;
}
export interface CreatedAnswer {
  readonly t: 'created';
}
export interface PageAnswer {
  readonly t: 'page';
  readonly head: Seq;
  /** `message` frames in their binary form, seqs rising. */
  readonly frames: readonly Uint8Array[];
  readonly more: boolean;
}
/** Leave for the edge to read the page from the store: rows of seq `from` to `to`, all committed. */
export interface GrantAnswer {
  readonly t: 'grant';
  readonly head: Seq;
  readonly from: Seq;
  readonly to: Seq;
  /** Read from the newest down (a `before` page, whose end is fixed), or from the oldest up. */
  readonly newestFirst: boolean;
  readonly limit: number;
  /** Whether more lies beyond `to` (or, newest first, below `from`) in the direction asked. */
  readonly moreBeyond: boolean;
}
export interface OkAnswer {
  readonly t: 'ok';
  /** Of a change of the members; undefined: no event was made. */
  readonly seq: Seq | undefined;
  readonly members: readonly (readonly [UserId, Role])[] | undefined;
}
/** A member's cursors. */
export type Receipt = readonly [user: UserId, delivered: Seq, read: Seq];

export interface ReceiptsAnswer {
  readonly t: 'receipts';
  readonly items: readonly Receipt[];
  /** How many of the others have read what was asked about. */
  readonly read: number | undefined;
  /** Where the next page goes on; undefined: there is none. */
  readonly before: UserId | undefined;
}
export interface ErrorAnswer {
  readonly t: 'error';
  readonly code: ErrorCode;
  readonly message: string;
  readonly retryAfterMs: number | undefined;
}

/**
 * The users who receive a conversation's events, from the membership change at `version` on. A new object
 * for each change, never mutated: an edge caches what it makes of one under its identity.
 */
export interface Audience {
  readonly conv: ConversationId;
  readonly version: Seq;
  readonly users: readonly UserId[];
}

/** What an owner sends to edges. Deliveries of one conversation are in order. */
export type Delivery = EventDelivery | SettingsDelivery | StateDelivery;
/** Of a conversation: each becomes one frame, the same to all who get it. */
export type EventDelivery =
  | MessageDelivery
  | HeadDelivery
  | EntryDelivery
  | ReceiptDelivery
  | CursorDelivery
  | TypingDelivery;

export interface MessageDelivery {
  readonly t: 'message';
  readonly conv: ConversationId;
  readonly seq: Seq;
  readonly n: number;
  /** The `message` frame in its binary form: also what the store keeps. */
  readonly frame: Uint8Array;
  readonly audience: Audience;
  /** The session that sent it, which gets the `ack` alone; session 0: none. */
  readonly exceptEdge: string;
  readonly exceptSession: number;
}
/** "There is news up to seq": to all sessions of one user. */
export interface HeadDelivery {
  readonly t: 'head';
  readonly conv: ConversationId;
  readonly user: UserId;
  readonly seq: Seq;
  readonly n: number;
  readonly unread: number;
}
/** The conversation as one user sees it, to all of the user's sessions: added, removed, or changed. */
export interface EntryDelivery {
  readonly t: 'conversation';
  readonly user: UserId;
  readonly entry: Entry;
}
/** Cursors that moved, to all members: at most once per conversation and second. */
export interface ReceiptDelivery {
  readonly t: 'receipt';
  readonly conv: ConversationId;
  readonly audience: Audience;
  readonly items: readonly Receipt[];
}
/** One's own cursors that the others are not shown, to all of the user's sessions. */
export interface CursorDelivery {
  readonly t: 'cursor';
  readonly conv: ConversationId;
  readonly user: UserId;
  readonly item: Receipt;
}
/** To all sessions of the user. */
export interface SettingsDelivery {
  readonly t: 'settings';
  readonly user: UserId;
  readonly settings: UserSettings;
}
/** How a user is, to those who watch the user at one edge. */
export interface StateDelivery {
  readonly t: 'state';
  readonly edge: string;
  readonly state: UserState;
}
/** To all members but the one who types. Never told again: it is of the moment. */
export interface TypingDelivery {
  readonly t: 'typing';
  readonly conv: ConversationId;
  readonly audience: Audience;
  readonly user: UserId;
  readonly on: boolean;
}
