import type { Seq } from '../src/core/ids.ts';
import type { ConversationRequest, SendRequest } from '../src/core/requests.ts';

/** A send that waits for its look-up, and what its session asked since. */
export interface Held {
  readonly request: SendRequest;
  /** The head when the look-up was asked for: of rows above it its answer says nothing. */
  readonly head: Seq;
  readonly behind: ConversationRequest[];
}

/** Sessions of which a send waits for its look-up: what they ask next waits behind it, others go on. */
export class HeldSessions {
  readonly #sessions = new Map<string, Held>();
  readonly #sessionsMax: number;
  readonly #requestsMax: number;
  readonly #bytesMax: number;
  #waiting = 0;
  #bytes = 0;

  /** `requestsMax` and `bytesMax` bound what waits behind the sends of at most `sessionsMax` sessions. */
  constructor(sessionsMax: number, requestsMax: number, bytesMax: number) {
    this.#sessionsMax = sessionsMax;
    this.#requestsMax = requestsMax;
    this.#bytesMax = bytesMax;
  }

  get size(): number {
    return this.#sessions.size + this.#waiting;
  }
  /** Of all requests that wait. */
  get bytes(): number {
    return this.#bytes;
  }

  holds(request: ConversationRequest): boolean {
    return this.#sessions.size > 0 && this.#sessions.has(key(request));
  }

  /** Holds the request's session; false when too many are held. */
  hold(request: SendRequest, head: Seq): boolean {
    if (this.#sessions.size >= this.#sessionsMax) return false;
    this.#sessions.set(key(request), { request, head, behind: [] });
    this.#bytes += request.bytes;
    return true;
  }

  /** Puts a request behind its held session's; false when too many wait. */
  add(request: ConversationRequest): boolean {
    const held = this.#sessions.get(key(request));
    if (held === undefined || this.#waiting >= this.#requestsMax) return false;
    if (this.#bytes + request.bytes > this.#bytesMax) return false;
    held.behind.push(request);
    this.#waiting++;
    this.#bytes += request.bytes;
    return true;
  }

  /** The look-up came: what was held with it. */
  release(request: SendRequest): Held {
    const held = this.#sessions.get(key(request));
    if (held === undefined) throw new Error(`${request.conv}: a look-up came back that nothing waits for`);
    this.#sessions.delete(key(request));
    this.#waiting -= held.behind.length;
    this.#bytes -= request.bytes;
    for (const next of held.behind) this.#bytes -= next.bytes;
    return held;
  }

  releaseAll(): ConversationRequest[] {
    const all = [...this.#sessions.values()].flatMap(({ request, behind }) => [request, ...behind]);
    this.#sessions.clear();
    this.#waiting = 0;
    this.#bytes = 0;
    return all;
  }
}

function key(request: ConversationRequest): string {
  return `${request.edge}/${request.session}`;
}
