import type { ConversationId, NodeId, Seq } from '../../src/core/ids.ts';
import type { NodeRequest } from '../../src/core/requests.ts';
import type { PeerBounds } from './bounds.ts';
import { SeenHeads } from './seen-heads.ts';

/** A request that its owner has not answered. */
export class Pending {
  readonly ticket: number;
  readonly request: NodeRequest;
  /** Monotonic ms. */
  readonly submittedAt: number;
  owner: NodeId;
  sentAt: number;
  /** Where it went: the flow's numbering, and the packet in it; 0: what became of it is not known. */
  flow = 0;
  seq = 0;
  redirects = 0;
  /** The highest seq that was acknowledged before it came. */
  readonly after: Seq;
  /** The lowest ordinal of its session's sends before it that was refused since it was sent: no base may be higher. */
  baseMax = Number.POSITIVE_INFINITY;

  constructor(ticket: number, request: NodeRequest, owner: NodeId, now: number, after: Seq) {
    this.ticket = ticket;
    this.request = request;
    this.owner = owner;
    this.after = after;
    this.submittedAt = now;
    this.sentAt = now;
  }

  /** Whether it may have changed something by the time that it is given up. */
  get isWrite(): boolean {
    const { request } = this;
    switch (request.t) {
      case 'send':
      case 'create':
        return true;
      case 'members':
        return request.change !== undefined;
      case 'history':
      case 'read':
      case 'delivered':
      case 'typing':
      case 'receipts':
      case 'prefs': // they may have, and do no harm when they come again
      case 'settings':
        return false;
    }
  }
}

type Bounds = Pick<PeerBounds, 'requestsMax' | 'requestBytesMax' | 'headsSeenMax'>;

/** The unanswered requests of an edge, in the order in which they came. */
export class PendingRequests {
  readonly #bounds: Bounds;
  readonly #byTicket = new Map<number, Pending>();
  readonly #byConv = new Map<ConversationId, Pending[]>();
  readonly #heads: SeenHeads;
  #lastTicket = 0;
  #bytes = 0;

  constructor(bounds: Bounds) {
    this.#bounds = bounds;
    this.#heads = new SeenHeads(bounds.headsSeenMax);
  }

  get size(): number {
    return this.#byTicket.size;
  }

  /** undefined: there is no room. */
  add(request: NodeRequest, owner: NodeId, now: number): Pending | undefined {
    const { requestsMax, requestBytesMax } = this.#bounds;
    if (this.#byTicket.size >= requestsMax || this.#bytes + request.bytes > requestBytesMax) return undefined;
    // A copy that the client itself sent before may be anywhere.
    const after = request.t === 'send' && !request.retry ? this.#heads.of(request.conv) : 0;
    const pending = new Pending(++this.#lastTicket, request, owner, now, after);
    this.#byTicket.set(pending.ticket, pending);
    this.#bytes += request.bytes;
    const others = this.#byConv.get(request.conv);
    if (others === undefined) this.#byConv.set(request.conv, [pending]);
    else others.push(pending);
    return pending;
  }

  get(ticket: number): Pending | undefined {
    return this.#byTicket.get(ticket);
  }

  /** The last one of the conversation. */
  lastOf(conv: ConversationId): Pending | undefined {
    return this.#byConv.get(conv)?.at(-1);
  }

  acked(pending: Pending, seq: Seq): void {
    this.#heads.note(pending.request.conv, seq);
    this.remove(pending);
  }

  remove(pending: Pending): void {
    const { ticket, request } = pending;
    if (!this.#byTicket.delete(ticket)) return;
    this.#bytes -= request.bytes;
    const all = this.#byConv.get(request.conv) as Pending[];
    if (all.length === 1) this.#byConv.delete(request.conv);
    else all.splice(all.indexOf(pending), 1);
  }

  /**
   * The same for a send that was refused and will come again: those of its session behind it must not be taken for the
   * next ones now.
   */
  refused(pending: Pending): void {
    this.remove(pending);
    const { request } = pending;
    if (request.t !== 'send') return;
    for (const later of this.#byConv.get(request.conv) ?? []) {
      const { t, session } = later.request;
      if (t === 'send' && session === request.session && later.request.ordinal > request.ordinal)
        later.baseMax = Math.min(later.baseMax, request.ordinal);
    }
  }

  /** The oldest first; those met may be removed on the way. */
  all(): IterableIterator<Pending> {
    return this.#byTicket.values();
  }

  /**
   * Those of one conversation in their order, each with its session's lowest ordinal there that is unanswered, or was
   * refused since: a send that goes to an owner that knows nothing of the session can be taken in by that alone.
   */
  *ofConversation(conv: ConversationId): Generator<[Pending, base: number]> {
    const bases = new Map<number, number>();
    for (const pending of [...(this.#byConv.get(conv) ?? [])]) {
      const { request } = pending;
      if (request.t === 'send' && !bases.has(request.session)) bases.set(request.session, request.ordinal);
      yield [pending, Math.min(bases.get(request.session) ?? 0, pending.baseMax)];
    }
  }
}
