import type { Entry, Role } from '../core/entry.ts';
import type { Head, Message, PresenceEvent, Receipt, TypingEvent, UserPrefs } from '../protocol/frames.ts';
import type { ClientError } from './errors.ts';
import type { ConnectionState } from './link.ts';

export interface ClientEvents {
  /** An event of a conversation's log, as it came (a timeline gives them complete and in order). */
  message: Message;
  /** There is news up to `seq` that did not come as `message`. */
  head: Head;
  /** The conversation as the user sees it now: new, changed, or left (`removed`). */
  conversation: Entry;
  /** Members' cursors moved; without items, some were missed: ask `receipts`. */
  receipt: Receipt;
  /** Somebody else began to type, or stopped: said so, sent it, or was not heard of for 6 s. */
  typing: TypingEvent;
  /** How one is who is watched (`client.users.watch`): when the watch begins, and at each change. */
  presence: PresenceEvent;
  /** What the user has set for all conversations has changed, here or on another device. */
  settings: UserPrefs;
  /** What is held of the conversation's log is no longer valid. */
  reset: { readonly conv: string };
  state: ConnectionState;
  /** All conversations changed since the last time are known. */
  synced: undefined;
  /** An error that answers no request, and failures to renew the token. */
  error: ClientError;
}

export interface SendOptions {
  /** `text` by default. */
  readonly kind?: string;
  /** Users at whom the message is aimed, up to 64; only members are told. */
  readonly mentions?: readonly string[];
}

export interface MemberList {
  /** The seq of the last change of members. */
  readonly seq: number;
  readonly members: readonly (readonly [user: string, role: Role])[];
}

/** How the user wants a conversation shown, on all devices; what is absent stays as it is. */
export interface PrefsChange {
  /** Unix ms until which it is muted; 0 ends that. */
  readonly mute?: number;
  readonly pin?: boolean;
  readonly archive?: boolean;
}

/** Whose cursors: of those who have the message `seq`, or of all. */
export interface ReceiptsRange {
  readonly seq?: number;
  readonly before?: string;
  /** 1–200, 50 by default. */
  readonly limit?: number;
}

export type MemberChange =
  | { readonly add: readonly string[] }
  | { readonly remove: readonly string[] }
  | { readonly role: readonly (readonly [user: string, role: Role])[] }
  | { readonly leave: true };
