import type { ConversationId, NodeId } from '../../src/core/ids.ts';

/** Where requests go: to the owner that a redirect named while it lives, else to the one that the ring names. */
export class Routes {
  readonly #ring: (conv: ConversationId) => NodeId | undefined;
  readonly #routesMax: number;
  /** What redirects said, the oldest first. */
  readonly #redirects = new Map<ConversationId, NodeId>();
  #live: ReadonlySet<NodeId> = new Set();

  constructor(ring: (conv: ConversationId) => NodeId | undefined, routesMax: number) {
    this.#ring = ring;
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
    const owner = this.#redirects.get(conv) ?? this.#ring(conv);
    return owner !== undefined && this.#live.has(owner) ? owner : undefined;
  }

  /** False: the owner named is not known to live. */
  redirect(conv: ConversationId, owner: NodeId): boolean {
    if (!this.#live.has(owner)) return false;
    this.#redirects.delete(conv);
    if (this.#ring(conv) === owner) return true;
    if (this.#redirects.size >= this.#routesMax)
      for (const oldest of this.#redirects.keys()) {
        this.#redirects.delete(oldest);
        break;
      }
    this.#redirects.set(conv, owner);
    return true;
  }
}
