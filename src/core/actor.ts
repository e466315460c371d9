import type { Entry } from './entry.ts';
import type { ConversationId, Seq, UserId } from './ids.ts';
import type {
  Answer,
  ConversationRequest,
  CursorDelivery,
  Delivery,
  PrefsRequest,
  ReadRequest,
  ReceiptDelivery,
  SendRequest,
} from './requests.ts';
import type {
  AppendBatch,
  ConversationRow,
  DedupHit,
  HandOver,
  LogEvent,
  MemberRow,
  ProjectionWrite,
  StoredRow,
} from './rows.ts';

/** Unix milliseconds, read once per turn by the host; never used for safety. */
export type Instant = number;

/**
 * A synchronous state machine. A turn is `receive` for each waiting message, then one `endTurn`; both are
 * functions of (state, message, now) that speak to the world through `out` alone.
 */
export interface Actor<M> {
  receive(message: M, now: Instant, out: Outbox): void;
  /** Closes the turn: what was gathered becomes one batch. */
  endTurn(now: Instant, out: Outbox): void;
  /** While true a batch is in flight: the host leaves requests in the mailbox and delivers completions alone. */
  readonly busy: boolean;
}

/** What an actor wants done. The host turns each item into a port call and its completion into a message. */
export interface Outbox {
  /** One durable write; completes as `appended`. The actor is busy until then. */
  append(batch: AppendBatch): void;
  /** Answers a request; every request with an id is answered exactly once. */
  answer(request: ConversationRequest, answer: Answer): void;
  /** To every online device of the members that the delivery names. Only what is committed. */
  publish(delivery: Delivery): void;
  /** Committed state has changed, for everyone (undefined) or for one user alone: have it projected, coalesced. */
  project(user: UserId | undefined): void;
  /** A member's cursor has moved: have it written, and then shown to the others. */
  receipt(user: UserId): void;
  /** What a user has set has changed: the request is answered `ok` once that is written. */
  whenWritten(request: PrefsRequest): void;
  /** Looks an id up among those that left the window; completes as `lookedUp`. */
  lookUp(request: SendRequest): void;
  /** Asks the request's edge whether it still waits for an answer; completes as `confirmed`. */
  confirm(request: ConversationRequest): void;
  /** Asks, as soon as nothing urgent is under way, for committed rows; completes as `recalled`. */
  recall(from: Seq, to: Seq): void;
  /** Asks for one committed row; completes as `fetched`. */
  fetch(request: ReadRequest, seq: Seq): void;
  /** The actor has nothing worth keeping in memory. */
  passivate(): void;
}

/** Completions of outbox items, as messages. */
export type Completion =
  | { readonly t: 'appended'; readonly batch: AppendBatch; readonly outcome: AppendOutcome }
  | { readonly t: 'lookedUp'; readonly request: SendRequest; readonly outcome: LookUpOutcome }
  | { readonly t: 'confirmed'; readonly request: ConversationRequest; readonly isAwaited: boolean }
  | Recalled
  | { readonly t: 'fetched'; readonly request: ReadRequest; readonly row: StoredRow | undefined };

/** Rows from … to; undefined: they could not be read. */
export interface Recalled {
  readonly t: 'recalled';
  readonly from: Seq;
  readonly to: Seq;
  readonly rows: readonly LogEvent[] | undefined;
}

/**
 * committed: durable, and the fence still ours. fenced: another term owns the conversation. unavailable:
 * certainly not written. timedOutUnknown: it may or may not have been written.
 */
export type AppendOutcome = 'committed' | 'fenced' | 'unavailable' | 'timedOutUnknown';

export type LookUpOutcome =
  | { readonly t: 'found'; readonly hit: DedupHit }
  | { readonly t: 'none' }
  | { readonly t: 'unavailable' };

/** What is told of members' cursors. */
export type CursorNews = readonly (ReceiptDelivery | CursorDelivery)[];

export type ConversationMessage = ConversationRequest | Completion;

/** The actor of a conversation as its host sees it. */
export interface ConversationActor extends Actor<ConversationMessage> {
  readonly conv: ConversationId;
  /** The highest committed seq. */
  readonly head: Seq;
  /** Whether the conversation exists: an actor of none is not worth keeping. */
  readonly exists: boolean;
  /** Whether nothing is in flight, held or waiting inside. */
  readonly idle: boolean;
  /** Roughly what it holds in memory. */
  readonly bytes: number;
  /** Its term is over (fenced, or a write of unknown outcome): it refuses everything until activated anew. */
  readonly sealed: boolean;
  /** Ends the term from outside: answers all that is in it, in the manner of a write of unknown outcome. */
  seal(out: Outbox): void;
  /** All that another process needs to go on from here; of an idle actor whose conversation exists. */
  handOver(): HandOver;
  /** What is to be written about the users named (undefined: about all), from committed state. */
  projection(users: ReadonlySet<UserId> | undefined): ProjectionWrite;
  /** The write is durable. */
  projected(write: ProjectionWrite): void;
  /** What is now told of these members' cursors, which the write made durable: to all, and to those who hide theirs. */
  receiptsOf(users: ReadonlySet<UserId>, write: ProjectionWrite): CursorNews;
  /** The members, current ones alone. */
  readonly users: readonly UserId[];
  /** The conversation as a member, or one who just ceased to be one, sees it. */
  entryFor(user: UserId): Entry | undefined;
}

/** All that an actor starts from, read by the host at activation. */
export interface Activation {
  readonly conv: ConversationId;
  readonly fence: number;
  /** undefined: no such conversation. */
  readonly conversation: ConversationRow | undefined;
  readonly members: readonly MemberRow[];
  readonly head: Seq;
  /** The last committed rows, seqs rising up to head; at most the window's 1,024, and fewer after a take-over. */
  readonly tail: readonly LogEvent[];
  /** Rows of events that the member rows don't reflect yet: membership, settings, mentions; seqs rising. */
  readonly unprojected: readonly LogEvent[];
  /** What its last owner handed over beside that: a tail may then be shorter. */
  readonly warm?: Pick<HandOver, 'ids' | 'coversFrom' | 'lastMessage'> | undefined;
}

/** Makes the actor of a conversation; the composition root passes it to the host, so that cluster/ never imports actors/. */
export type ActorFactory = (activation: Activation) => ConversationActor;
