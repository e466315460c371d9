import { makeRoom } from '../../src/core/bounded-map.ts';
import type { ConversationId, UserId } from '../../src/core/ids.ts';
import type { Answer } from '../../src/core/requests.ts';
import type { PeerBounds } from './bounds.ts';
import type { PeerLink } from './peer-link.ts';
import type { SnapshotPart } from './presence-codec.ts';
import type { RemoteRequest } from './request-codec.ts';
import { SentLog } from './sent-log.ts';

/** What an owner knows of one edge. */
export class EdgePeer {
  readonly link: PeerLink;
  /** Users with a session there: as the edge said last, in its flow. */
  readonly users = new Set<UserId>();
  readonly sent: SentLog;
  /** Whether `users` is all of them: a snapshot came, and nothing was lost since. */
  isKnown = false;
  /** Whether a snapshot ever came: until then all that was committed may be news to its users. */
  wasKnown = false;
  /** Raised when the edge knows none of the sets sent to it any more. */
  setsEpoch = 1;
  lastSet = 0;
  /** Users of a snapshot whose last part is still to come. */
  #incoming: Set<UserId> | undefined;
  /** Changes taken in, and how they were answered; the oldest first. */
  readonly #changes = new Map<number, Answer | undefined>();
  readonly #changesMax: number;

  constructor(link: PeerLink, bounds: PeerBounds) {
    this.link = link;
    this.sent = new SentLog(bounds.sentMax);
    this.#changesMax = bounds.answeredChangesMax;
  }

  /** Takes a part of a snapshot in; with the last one returns who is not in it. */
  takeSnapshot({ isFirst, isLast, users }: SnapshotPart): UserId[] | undefined {
    if (isFirst) this.#incoming = new Set();
    for (const user of users) this.#incoming?.add(user);
    const all = this.#incoming;
    if (!isLast || all === undefined) return undefined; // with its first part lost it is none
    this.#incoming = undefined;
    this.isKnown = true;
    this.wasKnown = true;
    return [...this.users].filter((user) => !all.has(user));
  }

  /** What it knows may not be all any more. */
  doubt(): void {
    this.isKnown = false;
    this.#incoming = undefined;
  }

  /**
   * A change done twice may undo what was done between. `new`: it is to be done; else it is under way
   * (undefined) or answered.
   */
  takeChange({ ticket, isResend }: RemoteRequest): Answer | undefined | 'new' {
    if (isResend && this.#changes.has(ticket)) return this.#changes.get(ticket);
    makeRoom(this.#changes, this.#changesMax);
    this.#changes.set(ticket, undefined);
    return 'new';
  }

  /** It was sent on to another owner. */
  changeGone(ticket: number): void {
    this.#changes.delete(ticket);
  }

  changeAnswered(ticket: number, answer: Answer): void {
    // One that was refused for now may be done when it comes again.
    if (answer.t === 'error') this.#changes.delete(ticket);
    else if (this.#changes.has(ticket)) this.#changes.set(ticket, answer);
  }

  /** Notes that something of the conversation is on its way, to all its recipients here or to one user. */
  note(conv: ConversationId, user: UserId | undefined): void {
    this.sent.note(conv, user, this.link.openSeq);
  }
}
