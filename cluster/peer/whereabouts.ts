import type { UserId } from '../../src/core/ids.ts';
import type { System } from '../../src/core/ports.ts';
import type { OnlineUsers, UserHub } from '../users/user-hub.ts';
import type { PeerBounds } from './bounds.ts';
import type { FlowDirectory } from './directory.ts';
import { EdgePeer } from './edge-peer.ts';
import { FRAME } from './frame.ts';
import type { NewsMemory } from './news-memory.ts';
import type { PeerLink } from './peer-link.ts';
import type { PeerMetrics } from './peer-metrics.ts';
import { readSnapshot, readUsers, type SnapshotPart } from './presence-codec.ts';
import type { RecipientsCache } from './recipients.ts';

/** What of users an owner hears from edges. */
export type Users = Pick<UserHub, 'came' | 'left' | 'watch' | 'unwatch' | 'edgeGone' | 'tellAgain'>;

export interface WhereaboutsOptions {
  readonly system: System;
  readonly metrics: PeerMetrics;
  readonly bounds: PeerBounds;
  readonly directory: FlowDirectory;
  readonly recipients: RecipientsCache;
  readonly news: NewsMemory;
  /** Tells the user of all that the inbox does not show yet. */
  readonly announce: (user: UserId) => void;
  readonly users: () => Users | undefined;
  /** The edge has said who is there. */
  readonly known: () => void;
}

/** Which users are at which edges, by what the edges say, each in its flow; and whom they watch there. */
export class Whereabouts {
  readonly #o: WhereaboutsOptions;

  constructor(options: WhereaboutsOptions) {
    this.#o = options;
  }

  opened(link: PeerLink): void {
    this.#o.directory.add(new EdgePeer(link, this.#o.bounds));
  }

  gone(edge: EdgePeer): void {
    this.#o.directory.remove(edge);
    this.#o.recipients.edgeGone(edge);
    for (const user of edge.users) this.#left(user);
    this.#o.users()?.edgeGone(edge.link.peer);
    this.#countUsers();
  }

  /** undefined: the frame is about something else. False: it is one that is not understood. */
  take(edge: EdgePeer, type: number, bytes: Uint8Array, start: number, end: number): boolean | undefined {
    switch (type) {
      case FRAME.announce:
        return this.#announce(edge, readUsers(bytes, start, end));
      case FRAME.depart:
        return this.#depart(edge, readUsers(bytes, start, end));
      case FRAME.snapshot:
        return this.#snapshot(edge, readSnapshot(bytes, start, end));
      case FRAME.watch:
        return this.#watch(edge, readUsers(bytes, start, end), true);
      case FRAME.unwatch:
        return this.#watch(edge, readUsers(bytes, start, end), false);
      default:
        return undefined;
    }
  }

  #announce(edge: EdgePeer, users: readonly UserId[] | undefined): boolean {
    if (users === undefined) return false;
    for (const user of users) {
      this.#place(edge, user);
      this.#tell(edge, user);
    }
    this.#countUsers();
    return true;
  }

  /** False: the user was known to be there. */
  #place(edge: EdgePeer, user: UserId): boolean {
    if (edge.users.has(user)) return false;
    edge.users.add(user);
    this.#o.recipients.online(user, edge);
    this.#o.users()?.came(user);
    return true;
  }

  /** The user has registered there, and reads or will read the inbox: what that may not show is told now. */
  #tell(edge: EdgePeer, user: UserId): void {
    const { system, bounds, news, announce } = this.#o;
    const since = edge.wasKnown ? system.monotonic() - bounds.rememberMs : Number.NEGATIVE_INFINITY;
    news.tell(edge, user, since);
    announce(user);
  }

  #depart(edge: EdgePeer, users: readonly UserId[] | undefined): boolean {
    if (users === undefined) return false;
    for (const user of users) {
      if (!edge.users.delete(user)) continue;
      this.#o.recipients.offline(user, edge);
      this.#left(user);
    }
    this.#countUsers();
    return true;
  }

  #left(user: UserId): void {
    if (!this.#o.directory.has(user)) this.#o.users()?.left(user);
  }

  #snapshot(edge: EdgePeer, part: SnapshotPart | undefined): boolean {
    if (part === undefined) return false;
    for (const user of part.users) if (this.#place(edge, user)) this.#tell(edge, user);
    this.#countUsers();
    const gone = edge.takeSnapshot(part);
    if (gone === undefined) return true;
    this.#depart(edge, gone);
    this.#o.known();
    return true;
  }

  #watch({ link }: EdgePeer, users: readonly UserId[] | undefined, isWanted: boolean): boolean {
    if (users === undefined) return false;
    const hub = this.#o.users();
    for (const user of users)
      if (isWanted) hub?.watch(link.peer, user);
      else hub?.unwatch(link.peer, user);
    return true;
  }

  #countUsers(): void {
    this.#o.metrics.gauges.onlineUsers = this.#o.directory.onlineUsers;
  }
}

/** The users at all edges of a directory. */
export function onlineUsers(directory: FlowDirectory, isKnown: () => boolean): OnlineUsers {
  return {
    has: (user) => directory.has(user),
    all: () => directory.users(),
    get size() {
      return directory.onlineUsers;
    },
    get isKnown() {
      return isKnown();
    },
  };
}
