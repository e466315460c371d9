import type { LookUpOutcome, Outbox } from '../src/core/actor.ts';
import type { Seq } from '../src/core/ids.ts';
import type { ConversationRequest } from '../src/core/requests.ts';
import type { DedupHit } from '../src/core/rows.ts';

/** What was learnt of a request since it came. */
export interface Known {
  /** Of a send: where its id is, or up to which seq it is absent. */
  readonly hit?: DedupHit;
  readonly absentTo: Seq;
  /** Of a change: since this term began its edge has said that it waits for it, so no other owner's answer reached it. */
  readonly isAwaited?: boolean;
}

export const NOTHING_KNOWN: Known = { absentTo: 0 };
const AWAITED: Known = { absentTo: 0, isAwaited: true };

/**
 * Requests of a held session in the order in which they came, with what is known of each. As long as a look-up is not
 * answered: as if its send were absent up to the head as it was then. undefined: that could not be learnt.
 */
type Held = Map<ConversationRequest, Known | undefined>;

interface Session {
  readonly requests: Held;
  /** What was asked and is not answered. */
  asked: number;
  /** One is answered: the session goes on when the others are, however much comes behind. */
  isClosed: boolean;
}

/**
 * Sessions of which something is asked before they go on: the store for the id of a send, the edge whether it waits for
 * a change. What they request next waits behind it, others go on.
 */
export class HeldSessions {
  readonly #sessions = new Map<string, Session>();
  readonly #asksMax: number;
  readonly #requestsMax: number;
  readonly #bytesMax: number;
  #asks = 0;
  #waiting = 0;
  #bytes = 0;

  /** `requestsMax` and `bytesMax` bound what waits beside at most `asksMax` requests that something is asked of. */
  constructor(asksMax: number, requestsMax: number, bytesMax: number) {
    this.#asksMax = asksMax;
    this.#requestsMax = requestsMax;
    this.#bytesMax = bytesMax;
  }

  get size(): number {
    return this.#asks + this.#waiting;
  }
  /** Of all requests that wait. */
  get bytes(): number {
    return this.#bytes;
  }

  holds(request: ConversationRequest): boolean {
    return this.#sessions.size > 0 && this.#sessions.has(key(request));
  }

  /**
   * Holds a send that is to be looked up, or a change that is to be confirmed, and its session with it; false: there is
   * no room, or it is to wait for its turn.
   */
  ask(request: ConversationRequest, head: Seq, out: Outbox): boolean {
    const known = this.#sessions.get(key(request));
    if (known?.isClosed === true || this.#asks >= this.#asksMax) return false;
    if (known !== undefined && this.#bytes + request.bytes > this.#bytesMax) return false;
    const session = known ?? { requests: new Map() as Held, asked: 0, isClosed: false };
    if (known === undefined) this.#sessions.set(key(request), session);
    session.requests.set(request, request.t === 'send' ? { absentTo: head } : NOTHING_KNOWN);
    session.asked++;
    this.#asks++;
    this.#bytes += request.bytes;
    if (request.t === 'send') out.lookUp(request);
    else out.confirm(request);
    return true;
  }

  /** Puts a request behind its held session's; false when too many wait. */
  add(request: ConversationRequest): boolean {
    const session = this.#sessions.get(key(request));
    if (session === undefined || this.#waiting >= this.#requestsMax) return false;
    if (this.#bytes + request.bytes > this.#bytesMax) return false;
    session.requests.set(request, NOTHING_KNOWN);
    this.#waiting++;
    this.#bytes += request.bytes;
    return true;
  }

  /** A look-up came back, while `head` was committed; returns all that may go on now, in order. */
  lookedUp(
    request: ConversationRequest,
    outcome: LookUpOutcome,
    head: Seq,
  ): Iterable<[ConversationRequest, Known | undefined]> {
    const session = this.#asking(request);
    if (outcome.t === 'found' && outcome.hit.seq <= head)
      session.requests.set(request, { absentTo: 0, hit: outcome.hit });
    else if (outcome.t === 'unavailable') session.requests.set(request, undefined);
    return this.#answered(session, request);
  }

  /** The edge has said whether it waits for a change, or was not to be asked; returns all that may go on now, in order. */
  confirmed(
    request: ConversationRequest,
    isAwaited: boolean,
  ): Iterable<[ConversationRequest, Known | undefined]> {
    const session = this.#asking(request);
    session.requests.set(request, isAwaited ? AWAITED : undefined);
    return this.#answered(session, request);
  }

  #asking(request: ConversationRequest): Session {
    const session = this.#sessions.get(key(request));
    if (session?.requests.has(request) === true) return session;
    throw new Error(`${request.conv}: an answer came that nothing waits for`);
  }

  /** The session goes on if this was the last answer that it waited for. */
  #answered(
    session: Session,
    request: ConversationRequest,
  ): Iterable<[ConversationRequest, Known | undefined]> {
    session.isClosed = true;
    this.#asks--;
    this.#waiting++;
    if (--session.asked > 0) return [];
    this.#sessions.delete(key(request));
    this.#waiting -= session.requests.size;
    for (const each of session.requests.keys()) this.#bytes -= each.bytes;
    return session.requests;
  }

  releaseAll(): ConversationRequest[] {
    const all = [...this.#sessions.values()].flatMap(({ requests }) => [...requests.keys()]);
    this.#sessions.clear();
    this.#asks = this.#waiting = this.#bytes = 0;
    return all;
  }
}

function key(request: ConversationRequest): string {
  return `${request.edge}/${request.session}`;
}
