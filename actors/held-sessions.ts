import type { LookUpOutcome } from '../src/core/actor.ts';
import type { Seq } from '../src/core/ids.ts';
import type { ConversationRequest, SendRequest } from '../src/core/requests.ts';
import type { DedupHit } from '../src/core/rows.ts';

/** What the store said of a send: where its id is, or up to which seq it is absent. */
export interface LookedUp {
  readonly absentTo: Seq;
  readonly hit?: DedupHit;
}

export const NOT_LOOKED_UP: LookedUp = { absentTo: 0 };

/**
 * Requests of a held session in the order in which they came, with what is known of each. As long as a look-up is not
 * answered: as if its send were absent up to the head as it was then. undefined: that could not be read.
 */
type Held = Map<ConversationRequest, LookedUp | undefined>;

interface Session {
  readonly requests: Held;
  /** Look-ups that are not answered. */
  asked: number;
  /** One is answered: the session goes on when the others are, however much comes behind. */
  isClosed: boolean;
}

/** Sessions of which a send waits for its look-up: what they ask next waits behind it, others go on. */
export class HeldSessions {
  readonly #sessions = new Map<string, Session>();
  readonly #lookUpsMax: number;
  readonly #requestsMax: number;
  readonly #bytesMax: number;
  #lookUps = 0;
  #waiting = 0;
  #bytes = 0;

  /** `requestsMax` and `bytesMax` bound what waits beside at most `lookUpsMax` sends that are looked up. */
  constructor(lookUpsMax: number, requestsMax: number, bytesMax: number) {
    this.#lookUpsMax = lookUpsMax;
    this.#requestsMax = requestsMax;
    this.#bytesMax = bytesMax;
  }

  get size(): number {
    return this.#lookUps + this.#waiting;
  }
  /** Of all requests that wait. */
  get bytes(): number {
    return this.#bytes;
  }

  holds(request: ConversationRequest): boolean {
    return this.#sessions.size > 0 && this.#sessions.has(key(request));
  }

  /** Holds a send that is to be looked up, and its session with it; false: there is no room, or it is to wait for its turn. */
  lookUp(request: SendRequest, head: Seq): boolean {
    const known = this.#sessions.get(key(request));
    if (known?.isClosed === true || this.#lookUps >= this.#lookUpsMax) return false;
    if (known !== undefined && this.#bytes + request.bytes > this.#bytesMax) return false;
    const session = known ?? { requests: new Map() as Held, asked: 0, isClosed: false };
    if (known === undefined) this.#sessions.set(key(request), session);
    session.requests.set(request, { absentTo: head });
    session.asked++;
    this.#lookUps++;
    this.#bytes += request.bytes;
    return true;
  }

  /** Puts a request behind its held session's; false when too many wait. */
  add(request: ConversationRequest): boolean {
    const session = this.#sessions.get(key(request));
    if (session === undefined || this.#waiting >= this.#requestsMax) return false;
    if (this.#bytes + request.bytes > this.#bytesMax) return false;
    session.requests.set(request, NOT_LOOKED_UP);
    this.#waiting++;
    this.#bytes += request.bytes;
    return true;
  }

  /**
   * A look-up came back, while `head` was committed; returns all that the session asked if it was the last one that it
   * waited for.
   */
  answered(
    request: SendRequest,
    outcome: LookUpOutcome,
    head: Seq,
  ): Iterable<readonly [ConversationRequest, LookedUp | undefined]> {
    const session = this.#sessions.get(key(request));
    if (session === undefined || !session.requests.has(request))
      throw new Error(`${request.conv}: a look-up came back that nothing waits for`);
    if (outcome.t === 'found' && outcome.hit.seq <= head)
      session.requests.set(request, { absentTo: 0, hit: outcome.hit });
    else if (outcome.t === 'unavailable') session.requests.set(request, undefined);
    session.isClosed = true;
    this.#lookUps--;
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
    this.#lookUps = this.#waiting = this.#bytes = 0;
    return all;
  }
}

function key(request: ConversationRequest): string {
  return `${request.edge}/${request.session}`;
}
