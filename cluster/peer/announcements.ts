import type { UserId } from '../../src/core/ids.ts';
import type { System } from '../../src/core/ports.ts';
import { RingBuffer } from '../../src/core/ring-buffer.ts';
import type { PeerBounds } from './bounds.ts';
import type { PeerLink } from './peer-link.ts';
import { writeAnnounce, writeDepart, writeSnapshot } from './presence-codec.ts';

interface Announced {
  readonly user: UserId;
  readonly seq: number;
  /** Monotonic ms. */
  readonly at: number;
}

export interface AnnouncementsOptions {
  readonly system: System;
  readonly bounds: Pick<PeerBounds, 'announcementsMax' | 'announceMsMax'>;
  /** Has the user's inbox read again: an owner may not have known of the user in time. */
  readonly resync: (user: UserId) => void;
}

/**
 * Who is online at this edge, as told to every owner. Owners remember for some time what they committed; a user of
 * whom one hears late, or over a flow that lost something, can't rely on that.
 */
export class Announcements {
  readonly #options: AnnouncementsOptions;
  readonly #online = new Set<UserId>();
  /** What each owner has not acknowledged, in order. */
  readonly #unacknowledged = new Map<PeerLink, RingBuffer<Announced>>();

  constructor(options: AnnouncementsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#online.size;
  }

  isOnline(user: UserId): boolean {
    return this.#online.has(user);
  }

  users(): IterableIterator<UserId> {
    return this.#online.values();
  }

  announce(user: UserId): void {
    this.#online.add(user);
    const at = this.#options.system.monotonic();
    for (const [link, waiting] of this.#unacknowledged) this.#say(link, waiting, user, at);
  }

  #say(link: PeerLink, waiting: RingBuffer<Announced>, user: UserId, at: number): void {
    writeAnnounce(link, user);
    const announced = { user, seq: link.openSeq, at };
    if (waiting.push(announced)) return;
    const oldest = waiting.shift();
    if (oldest !== undefined) this.#options.resync(oldest.user);
    waiting.push(announced);
  }

  depart(user: UserId): void {
    if (!this.#online.delete(user)) return;
    for (const link of this.#unacknowledged.keys()) writeDepart(link, user);
  }

  /** An owner that knows nothing of this edge yet. */
  opened(link: PeerLink): void {
    this.#unacknowledged.set(link, new RingBuffer<Announced>(this.#options.bounds.announcementsMax));
    writeSnapshot(link, this.#online);
  }

  /** An owner that missed something, or a new one in its place: it gets all anew. */
  again(link: PeerLink): void {
    writeSnapshot(link, this.#online);
  }

  closed(link: PeerLink): void {
    this.#unacknowledged.delete(link);
  }

  acknowledged(link: PeerLink, seq: number): void {
    const waiting = this.#unacknowledged.get(link);
    if (waiting === undefined) return;
    const { system, bounds, resync } = this.#options;
    const now = system.monotonic();
    for (let first = waiting.at(0); first !== undefined && first.seq <= seq; first = waiting.at(0)) {
      waiting.shift();
      if (now - first.at > bounds.announceMsMax) resync(first.user);
    }
  }

  /**
   * What the owner has not acknowledged, it may never have got. A snapshot would not do: of a user who was there before
   * it says nothing new, and what only the owner knows is told when a session registers.
   */
  lost(link: PeerLink): void {
    const waiting = this.#unacknowledged.get(link);
    if (waiting === undefined) return;
    const all: Announced[] = [];
    for (let first = waiting.shift(); first !== undefined; first = waiting.shift()) all.push(first);
    for (const { user, at } of all) {
      this.#options.resync(user);
      if (this.#online.has(user)) this.#say(link, waiting, user, at);
    }
  }
}
