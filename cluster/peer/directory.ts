import type { UserId } from '../../src/core/ids.ts';
import type { EdgePeer } from './edge-peer.ts';

/** Where users are. Behind it, presence flows from all edges; it holds to some 30 owners and 5M online users. */
export interface Directory {
  /** The edges at which the user has a session. */
  edgesOf(user: UserId): readonly EdgePeer[];
  /** Whether there is one. */
  has(user: UserId): boolean;
  edges(): Iterable<EdgePeer>;
}

/** The directory that the edges' own flows make: asked per edge, since edges are few and users many. */
export class FlowDirectory implements Directory {
  readonly #edges = new Map<string, EdgePeer>();

  get onlineUsers(): number {
    let users = 0;
    for (const edge of this.#edges.values()) users += edge.users.size;
    return users;
  }

  get(id: string): EdgePeer | undefined {
    return this.#edges.get(id);
  }

  edges(): IterableIterator<EdgePeer> {
    return this.#edges.values();
  }

  edgesOf(user: UserId): readonly EdgePeer[] {
    const at: EdgePeer[] = [];
    for (const edge of this.#edges.values()) if (edge.users.has(user)) at.push(edge);
    return at;
  }

  has(user: UserId): boolean {
    for (const edge of this.#edges.values()) if (edge.users.has(user)) return true;
    return false;
  }

  /** One who is at several edges comes several times. */
  *users(): Generator<UserId> {
    for (const edge of this.#edges.values()) yield* edge.users;
  }

  add(edge: EdgePeer): void {
    this.#edges.set(edge.link.peer, edge);
  }

  remove(edge: EdgePeer): void {
    this.#edges.delete(edge.link.peer);
  }
}
