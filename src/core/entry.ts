import type { ConversationId, Seq, UserId } from './ids.ts';
import type { ConversationKind } from './requests.ts';

export type Role = 'owner' | 'admin' | 'member';

export interface Preview {
  readonly seq: Seq;
  readonly from: UserId;
  readonly kind: string;
  /** The text's first 200 characters; empty for a body of bytes. */
  readonly text: string;
}

/** A conversation as one user sees it: what `welcome`, `conversations` and `conversation` carry. */
export interface Entry {
  readonly conv: ConversationId;
  readonly kind: ConversationKind;
  readonly title: string | undefined;
  /** The other user of a direct conversation. */
  readonly peer: UserId | undefined;
  readonly role: Role;
  /** The seq at which the user ceased to be a member; undefined for a member. */
  readonly removed: Seq | undefined;
  readonly head: Seq;
  /** The number of messages (no system events) up to `head`. */
  readonly n: number;
  /** Unix ms of the last event; of the creation while there is none. */
  readonly ts: number;
  readonly read: Seq;
  readonly unread: number;
  readonly preview: Preview | undefined;
  /** Unix ms until which the user wants no notice of it. */
  readonly mute?: number | undefined;
  readonly pin?: boolean | undefined;
  readonly archive?: boolean | undefined;
  /** Orders what the user has set (mute, pin, archive): of two entries that of the higher one is newer. */
  readonly set?: number | undefined;
  /** Unread messages that mention the user; none: undefined. */
  readonly mentions?: number | undefined;
}

/** What is unread of the conversations that the user is in and has not muted. `now`: Unix ms. */
export function badgeOf(entries: Iterable<Entry>, now: number): number {
  let badge = 0;
  for (const { removed, unread, mute = 0 } of entries)
    if (removed === undefined && mute <= now) badge += unread;
  return badge;
}
