import { makeRoom } from '../../src/core/bounded-map.ts';
import type { ConversationId, NodeId } from '../../src/core/ids.ts';

/** Whom a ring names; undefined: nobody. */
export type OwnerOf = (conv: ConversationId) => NodeId | undefined;

/**
 * Where requests go: to the owner that a redirect named while it lives; else to the one that the ring named before it
 * changed, who goes on serving until it hands over; else to the one that the ring names.
 */
export class Routes {
  readonly #ring: OwnerOf;
  readonly #formerRing: OwnerOf;
  readonly #routesMax: number;
  /** What redirects said, the oldest first. */
  readonly #redirects = new Map<ConversationId, NodeId>();
  #live: ReadonlySet<NodeId> = new Set();

  constructor(ring: OwnerOf, formerRing: OwnerOf, routesMax: number) {
    this.#ring = ring;
    this.#formerRing = formerRing;
    this.#routesMax = routesMax;
  }

  get live(): ReadonlySet<NodeId> {
    return this.#live;
  }

  useLive(live: ReadonlySet<NodeId>): void {
    this.#live = live;
    for (const [conv, owner] of this.#redirects) if (!live.has(owner)) this.#redirects.delete(conv);
  }

  /** undefined: nobody who lives. */
  ownerOf(conv: ConversationId): NodeId | undefined {
    const owner = this.#redirects.get(conv) ?? this.#named(conv);
    return owner !== undefined && this.#live.has(owner) ? owner : undefined;
  }

  /** False: the owner named is not known to live. */
  redirect(conv: ConversationId, owner: NodeId): boolean {
    if (!this.#live.has(owner)) return false;
    this.#redirects.delete(conv);
    if (this.#named(conv) === owner && this.#ring(conv) === owner) return true;
    makeRoom(this.#redirects, this.#routesMax);
    this.#redirects.set(conv, owner);
    return true;
  }

  #named(conv: ConversationId): NodeId | undefined {
    const former = this.#formerRing(conv);
    return former !== undefined && this.#live.has(former) ? former : this.#ring(conv);
  }
}
