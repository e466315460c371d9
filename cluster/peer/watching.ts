import type { NodeId, UserId } from '../../src/core/ids.ts';
import { homeOf } from '../../src/core/users.ts';
import type { PeerLink } from './peer-link.ts';
import { writeUnwatch, writeWatch } from './presence-codec.ts';
import type { OwnerOf } from './routes.ts';

export interface WatchingOptions {
  /** Whom the ring names. */
  readonly ownerOf: OwnerOf;
  readonly link: (node: NodeId) => PeerLink | undefined;
}

/** Whom the sessions of this edge watch: told to the node that the ring names for each, whichever that is. */
export class Watching {
  readonly #o: WatchingOptions;
  /** undefined: nobody could be told yet. */
  readonly #told = new Map<UserId, NodeId | undefined>();

  constructor(options: WatchingOptions) {
    this.#o = options;
  }

  watch(user: UserId): void {
    this.#told.set(user, undefined);
    this.#place(user, undefined);
  }

  unwatch(user: UserId): void {
    const node = this.#told.get(user);
    this.#told.delete(user);
    const link = node === undefined ? undefined : this.#o.link(node);
    if (link !== undefined) writeUnwatch(link, user);
  }

  /**
   * Whether it is the node at the other end that was asked about the user. One that was asked before may know less than
   * the one that is asked now; it is told once more that it need not tell: that word may have been lost.
   */
  isAsked(link: PeerLink, user: UserId): boolean {
    if (this.#told.get(user) === link.peer) return true;
    writeUnwatch(link, user);
    return false;
  }

  /** The ring or who lives has changed: those who moved are told to others. */
  look(): void {
    for (const [user, node] of this.#told) this.#place(user, node);
  }

  /** The node at the other end may know nothing of it. */
  again(link: PeerLink): void {
    for (const [user, node] of this.#told) if (node === link.peer) writeWatch(link, user);
  }

  #place(user: UserId, before: NodeId | undefined): void {
    const node = this.#o.ownerOf(homeOf(user));
    if (node === undefined || node === before) return;
    const link = this.#o.link(node);
    if (link === undefined) return;
    const old = before === undefined ? undefined : this.#o.link(before);
    if (old !== undefined) writeUnwatch(old, user);
    this.#told.set(user, node);
    writeWatch(link, user);
  }
}
