/**
 * The frames of protocol v1 as values, in their normative (JSON) shape. docs/protocol.md specifies them; the
 * tables at the end (numbers and field order) make the binary form, and a test compares them with the document.
 */
import type { Entry, Role } from '../core/entry.ts';
import type { CloseReason, ErrorCode } from '../core/errors.ts';
import type { ConversationKind } from '../core/requests.ts';
import type { Prefs, PrefsEvent, PresenceEvent, Unwatch, UserPrefs, Watch } from './user-frames.ts';

export type { Prefs, PrefsEvent, PresenceEvent, Unwatch, UserPrefs, Watch } from './user-frames.ts';

export interface Hello {
  readonly t: 'hello';
  readonly token: string;
  readonly device: string;
  readonly attempt?: number;
  readonly cursor?: string;
  readonly have?: readonly (readonly [conv: string, seq: number])[];
}
export interface Auth {
  readonly t: 'auth';
  readonly id: number;
  readonly token: string;
}
export interface ListConversations {
  readonly t: 'conversations';
  readonly id: number;
  readonly before?: string;
  readonly limit?: number;
}
export interface Create {
  readonly t: 'create';
  readonly id: number;
  readonly kind: ConversationKind;
  readonly members: readonly string[];
  readonly title?: string;
  readonly conv?: string;
}
/** `body` is a string for text, bytes otherwise. */
export interface Send {
  readonly t: 'send';
  readonly id: number;
  readonly conv: string;
  readonly cmid: string;
  readonly body: string | Uint8Array;
  readonly kind?: string;
  readonly retry?: boolean;
  readonly mentions?: readonly string[];
}
export interface History {
  readonly t: 'history';
  readonly id: number;
  readonly conv: string;
  readonly after?: number;
  readonly before?: number;
  readonly limit?: number;
}
export interface Members {
  readonly t: 'members';
  readonly id: number;
  readonly conv: string;
  readonly add?: readonly string[];
  readonly remove?: readonly string[];
  readonly role?: readonly (readonly [user: string, role: Role])[];
  readonly leave?: boolean;
}
export interface Read {
  readonly t: 'read';
  readonly conv: string;
  readonly seq: number;
}
export interface Delivered {
  readonly t: 'delivered';
  readonly conv: string;
  readonly seq: number;
}
export interface Typing {
  readonly t: 'typing';
  readonly conv: string;
  readonly on: boolean;
}
export interface ListReceipts {
  readonly t: 'receipts';
  readonly id: number;
  readonly conv: string;
  readonly seq?: number;
  readonly before?: string;
  readonly limit?: number;
}
export interface Ping {
  readonly t: 'ping';
  readonly id: number;
}

export type ClientFrame =
  | Hello
  | Auth
  | ListConversations
  | Create
  | Send
  | History
  | Members
  | Read
  | Delivered
  | Typing
  | ListReceipts
  | Prefs
  | Watch
  | Unwatch
  | Ping;

export interface WireLimits {
  readonly bodyBytesMax: number;
  readonly frameBytesMax: number;
  readonly sendsPerSecond: number;
  readonly burst: number;
  readonly heartbeatMs: number;
}
export interface Welcome {
  readonly t: 'welcome';
  readonly user: string;
  readonly device: string;
  readonly session: string;
  readonly now: number;
  readonly limits: WireLimits;
  readonly cursor: string;
  readonly conversations: readonly Entry[];
  readonly more: boolean;
  readonly before?: string;
  readonly badge: number;
  readonly prefs: UserPrefs;
}
export interface Ok {
  readonly t: 'ok';
  readonly id: number;
  readonly seq?: number;
  readonly members?: readonly (readonly [user: string, role: Role])[];
}
export interface ConversationsPage {
  readonly t: 'conversations';
  readonly id: number;
  readonly conversations: readonly Entry[];
  readonly before?: string;
  readonly more: boolean;
}
export interface Created {
  readonly t: 'created';
  readonly id: number;
  readonly conv: string;
}
export interface Ack {
  readonly t: 'ack';
  readonly id: number;
  readonly conv: string;
  readonly cmid: string;
  readonly seq: number;
  readonly ts: number;
  readonly duplicate?: boolean;
}
/** An event of the log, alone or in a page. `cmid` is absent from events of the server's own. */
export interface Message {
  readonly t: 'message';
  readonly conv: string;
  readonly seq: number;
  readonly n: number;
  readonly ts: number;
  readonly from: string;
  readonly device: string;
  readonly cmid?: string;
  readonly kind: string;
  readonly body: string | Uint8Array;
  readonly target?: number;
  /** Members at whom it is aimed; the sender is none of them. */
  readonly mentions?: readonly string[];
}
export interface Page {
  readonly t: 'page';
  readonly id: number;
  readonly conv: string;
  readonly head: number;
  readonly messages: readonly Message[];
  readonly more: boolean;
}
/** What a member has: all up to `delivered` reached a device, all up to `read` was read. */
export type ReceiptItem = readonly [user: string, delivered: number, read: number];
/** `read`: how many of the others have read up to the seq that was asked about. */
export interface ReceiptsPage {
  readonly t: 'receipts';
  readonly id: number;
  readonly conv: string;
  readonly items: readonly ReceiptItem[];
  readonly read?: number;
  readonly before?: string;
  readonly more: boolean;
}
export interface Pong {
  readonly t: 'pong';
  readonly id: number;
  readonly now: number;
}
/** `re` and `conv` when the frame that failed had no id. */
export interface ErrorFrame {
  readonly t: 'error';
  readonly id?: number;
  readonly code: ErrorCode;
  readonly message: string;
  readonly retryable: boolean;
  readonly retryAfterMs?: number;
  readonly re?: string;
  readonly conv?: string;
}
export interface Head {
  readonly t: 'head';
  readonly conv: string;
  readonly seq: number;
  readonly n: number;
  readonly unread?: number;
}
/** Of a conversation that the user may not read, `conv` and `removed` may be all there is. */
export interface ConversationEvent extends Partial<Omit<Entry, 'conv'>> {
  readonly t: 'conversation';
  readonly conv: string;
  /** As in `welcome`. */
  readonly badge?: number;
}
/** Cursors that moved; without items: some were missed. */
export interface Receipt {
  readonly t: 'receipt';
  readonly conv: string;
  readonly items: readonly ReceiptItem[];
}
/** A member began to type, or stopped. */
export interface TypingEvent {
  readonly t: 'typing';
  readonly conv: string;
  readonly user: string;
  readonly on: boolean;
}
export interface Reset {
  readonly t: 'reset';
  readonly conv: string;
}
export interface Bye {
  readonly t: 'bye';
  readonly code: number;
  readonly reason: CloseReason;
  readonly reconnect: boolean;
  readonly retryAfterMs?: number;
}

export type ServerFrame =
  | Welcome
  | Ok
  | ConversationsPage
  | Created
  | Ack
  | Page
  | ReceiptsPage
  | Pong
  | ErrorFrame
  | Message
  | Head
  | ConversationEvent
  | Receipt
  | TypingEvent
  | PresenceEvent
  | PrefsEvent
  | Reset
  | Bye;

export interface FrameSpec {
  /** Byte 0 of the binary form. */
  readonly type: number;
  /** The fields in the order of the binary form's array; new ones are only appended. */
  readonly fields: readonly string[];
}

/** Frames that clients send. `send` has a fixed header in the binary form: its order here is the document's. */
export const CLIENT_FRAMES = {
  hello: { type: 0x01, fields: ['token', 'device', 'attempt', 'cursor', 'have'] },
  auth: { type: 0x02, fields: ['id', 'token'] },
  conversations: { type: 0x03, fields: ['id', 'before', 'limit'] },
  create: { type: 0x04, fields: ['id', 'kind', 'members', 'title', 'conv'] },
  history: { type: 0x05, fields: ['id', 'conv', 'after', 'before', 'limit'] },
  members: { type: 0x06, fields: ['id', 'conv', 'add', 'remove', 'role', 'leave'] },
  read: { type: 0x07, fields: ['conv', 'seq'] },
  ping: { type: 0x08, fields: ['id'] },
  receipts: { type: 0x09, fields: ['id', 'conv', 'seq', 'before', 'limit'] },
  prefs: { type: 0x0a, fields: ['id', 'conv', 'mute', 'pin', 'archive', 'receipts', 'presence'] },
  send: { type: 0x10, fields: ['id', 'conv', 'cmid', 'body', 'kind', 'retry', 'mentions'] },
  delivered: { type: 0x23, fields: ['conv', 'seq'] },
  typing: { type: 0x24, fields: ['conv', 'on'] },
  watch: { type: 0x25, fields: ['id', 'users'] },
  unwatch: { type: 0x26, fields: ['id', 'users'] },
} as const satisfies Record<ClientFrame['t'], FrameSpec>;

/** Frames of later steps: answered with `unsupported`, their numbers kept free. */
export const LATER_FRAMES = {
  edit: 0x20,
  delete: 0x21,
  react: 0x22,
} as const satisfies Record<string, number>;

/** Frames that the server sends. `ack` and `message` have fixed headers in the binary form. */
export const SERVER_FRAMES = {
  welcome: {
    type: 0x41,
    fields: [
      'user',
      'device',
      'session',
      'now',
      'limits',
      'cursor',
      'conversations',
      'more',
      'before',
      'badge',
      'prefs',
    ],
  },
  ok: { type: 0x42, fields: ['id', 'seq', 'members'] },
  conversations: { type: 0x43, fields: ['id', 'conversations', 'before', 'more'] },
  created: { type: 0x44, fields: ['id', 'conv'] },
  page: { type: 0x45, fields: ['id', 'conv', 'head', 'messages', 'more'] },
  receipts: { type: 0x46, fields: ['id', 'conv', 'items', 'read', 'before', 'more'] },
  pong: { type: 0x48, fields: ['id', 'now'] },
  error: { type: 0x49, fields: ['id', 'code', 'message', 'retryable', 'retryAfterMs', 're', 'conv'] },
  ack: { type: 0x50, fields: ['id', 'conv', 'cmid', 'seq', 'ts', 'duplicate'] },
  message: {
    type: 0x51,
    fields: ['conv', 'seq', 'n', 'ts', 'from', 'device', 'cmid', 'kind', 'body', 'target', 'mentions'],
  },
  head: { type: 0x52, fields: ['conv', 'seq', 'n', 'unread'] },
  conversation: {
    type: 0x53,
    fields: [
      'conv',
      'kind',
      'title',
      'peer',
      'role',
      'removed',
      'head',
      'n',
      'ts',
      'read',
      'unread',
      'preview',
      'mute',
      'pin',
      'archive',
      'set',
      'mentions',
      'badge',
    ],
  },
  reset: { type: 0x54, fields: ['conv'] },
  bye: { type: 0x55, fields: ['code', 'reason', 'reconnect', 'retryAfterMs'] },
  receipt: { type: 0x56, fields: ['conv', 'items'] },
  typing: { type: 0x57, fields: ['conv', 'user', 'on'] },
  presence: { type: 0x58, fields: ['user', 'online', 'lastSeen'] },
  prefs: { type: 0x59, fields: ['receipts', 'presence'] },
} as const satisfies Record<ServerFrame['t'], FrameSpec>;

/** Objects inside frames, in the order of their binary arrays. An entry has the fields of `conversation`. */
export const NESTED = {
  limits: ['bodyBytesMax', 'frameBytesMax', 'sendsPerSecond', 'burst', 'heartbeatMs'],
  preview: ['seq', 'from', 'kind', 'text'],
  prefs: ['receipts', 'presence'],
} as const;

export const SUBPROTOCOLS = { binary: 'carillon.v1', json: 'carillon.v1.json' } as const;

export type Subprotocol = keyof typeof SUBPROTOCOLS;
