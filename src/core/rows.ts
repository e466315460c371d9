import type { Entry, Role } from './entry.ts';
import type { ConversationId, DeviceId, Seq, UserId } from './ids.ts';
import type { ConversationKind } from './requests.ts';
import type { UserSettings } from './users.ts';

/** A row of the log as the store keeps it. (conv, seq, fence) -> the rest never changes. */
export interface StoredRow {
  readonly seq: Seq;
  readonly fence: number;
  /** The committed seq when the row was written: all up to it is safe to read. */
  readonly c: Seq;
  /** The seq of the last event, up to this row, that changed member rows: members, settings, mentions. */
  readonly m: Seq;
  /** The seq up to which deduplication rows were durable when the row was written. */
  readonly x: Seq;
  /** The `message` frame in its binary form. */
  readonly env: Uint8Array;
}

/** A committed event: its place, and its `message` frame. */
export type LogEvent = Pick<StoredRow, 'seq' | 'env'>;

/** A row on its way into the log. */
export interface AppendRow {
  readonly seq: Seq;
  readonly m: Seq;
  readonly env: Uint8Array;
  /** The deduplication key, beside the conversation; an event of the server's own has cmid ''. */
  readonly user: UserId;
  readonly device: DeviceId;
  readonly cmid: string;
  /** Of kind, body and target: tells a retry from another payload under the same cmid. */
  readonly hash: number;
}

/** One durable write: all of it or nothing. At most one per conversation is in flight. */
export interface AppendBatch {
  readonly conv: ConversationId;
  readonly fence: number;
  /** The committed seq before this batch. */
  readonly c: Seq;
  /** Seqs dense from c + 1, at most 256 rows and 48 KiB (one row alone may exceed it), within one bucket. */
  readonly rows: readonly AppendRow[];
  /** The new conversation that this batch begins; its rows are durable before the batch is. */
  readonly establish: Establishment | undefined;
  /** Set by the actor host: the slot to be marked dirty for this conversation with the batch; 0: marked already. */
  dirtySlot: number;
}

export interface Establishment {
  readonly conversation: ConversationRow;
  readonly members: readonly MemberRow[];
}

export interface ConversationRow {
  readonly conv: ConversationId;
  readonly kind: ConversationKind;
  readonly title: string | undefined;
  /** Unix ms. */
  readonly created: number;
  readonly creator: UserId;
  /** Of kind, creator and members as first requested: tells a repeated `create` from another one. */
  readonly originHash: number;
  /** The seq of the last membership or settings change that this row and the member rows reflect, … */
  readonly version: Seq;
  /** … and of the last message with mentions; undefined: there was none. */
  readonly mentioned?: Seq | undefined;
}

/** Up to which event the rows of a conversation and of its members are all that the log says. */
export function reflectedTo({ version, mentioned = 0 }: ConversationRow): Seq {
  return Math.max(version, mentioned);
}

/** A member's row in the conversation's own partition; kept, with `left`, when the member goes. */
export interface MemberRow {
  readonly user: UserId;
  readonly role: Role;
  /** The seq of the event that made the user a member (0: from a direct's beginning). */
  readonly join: Seq;
  /** The seq of the event that ended the membership; 0 for a member. */
  readonly left: Seq;
  /** The read cursor, and the number of messages up to it. */
  readonly read: Seq;
  readonly readN: number;
  /** What a device of the member's has: never below `read`. */
  readonly delivered: Seq;
  /** The read cursor as the others see it, of a member who has hidden it at some time; undefined: as it is. */
  readonly shown?: Seq | undefined;
  /** undefined: nothing was ever set. */
  readonly prefs?: MemberPrefs | undefined;
  /** undefined: none. */
  readonly mentions?: Mentions | undefined;
}

/** The unread messages that mention a member: at most MENTIONS_KEPT_MAX, the last ones. */
export interface Mentions {
  /** Rising; in a row some may be read already. */
  readonly seqs: readonly Seq[];
  /** The seq up to which it is all of them. */
  readonly upTo: Seq;
}
export const MENTIONS_KEPT_MAX = 256;

/** Those that are not read; undefined: none. */
export function unreadMentions(mentions: Mentions | undefined, read: Seq): Mentions | undefined {
  if (mentions === undefined || (mentions.seqs[0] ?? 0) > read) return mentions;
  const seqs = mentions.seqs.filter((seq) => seq > read);
  return seqs.length === 0 ? undefined : { seqs, upTo: mentions.upTo };
}

/** How a member wants a conversation shown, on all own devices. */
export interface MemberPrefs {
  /** Unix ms; 0: not muted. */
  readonly mute: number;
  readonly pin: boolean;
  readonly archive: boolean;
  /** Rises with each change: fence * 2^20 + a count of the term's. */
  readonly at: number;
}

/** A user's row of a conversation in the user's own partition: all that `welcome` needs. */
export interface InboxRow {
  readonly user: UserId;
  readonly entry: Entry;
  /** Number of messages up to `entry.read`. */
  readonly readN: number;
  /** Those of `entry.mentions`. */
  readonly mentions?: Mentions | undefined;
}

/** All rows of a user, in no order, and what the user has set for all conversations. */
export interface Inbox {
  readonly rows: readonly InboxRow[];
  readonly settings: UserSettings;
}

/** A deduplication row found: what was committed under the id. */
export interface DedupHit {
  readonly seq: Seq;
  readonly ts: number;
  readonly hash: number;
}

/** A client message id and what was committed under it. */
export interface KnownId extends DedupHit {
  readonly user: UserId;
  readonly device: DeviceId;
  readonly cmid: string;
}

/** All that an owner knows of a conversation, for the one who goes on with it: nothing of it need be read. */
export interface HandOver {
  readonly conversation: ConversationRow;
  readonly members: readonly MemberRow[];
  readonly head: Seq;
  /** The last events, seqs rising up to head. */
  readonly tail: readonly LogEvent[];
  /** The last message that is no event of the server's; undefined: there is none. */
  readonly lastMessage: Uint8Array | undefined;
  /** The ids of all rows from `coversFrom` on. */
  readonly ids: readonly KnownId[];
  readonly coversFrom: Seq;
}

/** What the projector writes for one conversation at one time. */
export interface ProjectionWrite {
  readonly conv: ConversationId;
  readonly fence: number;
  /** Present when members or settings changed since the last write. */
  readonly conversation: ConversationRow | undefined;
  /** Changed member rows (roles, cursors, leavings), whole. */
  readonly members: readonly MemberRow[];
  readonly inbox: readonly InboxRow[];
}
