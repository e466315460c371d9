import type { UserId } from '../../src/core/ids.ts';
import {
  type EdgeLink,
  type Logger,
  type ProjectionStore,
  logUnlessAway,
  type System,
  type Timer,
} from '../../src/core/ports.ts';
import type { SettingsRequest } from '../../src/core/requests.ts';
import { UNSET, type UserSettings } from '../../src/core/users.ts';
import { LastSeen } from './last-seen.ts';
import { SettingsChanges } from './settings-changes.ts';

/** Who has gone counts as online for so long: a change of networks is not seen by others. */
export const GRACE_MS = 10_000;
const TICK_MS = 100;
/** How long edges are waited for that have not said who is there. */
const DOUBT_MS_MAX = 1_000;
const LEAVING_MAX = 1_000_000;
const READS_MAX = 64;
const READ_AGAIN_MS = 1_000;
/** By then whoever is to change a user's settings knows that this node is to do it: what is read holds. */
const SURE_AFTER_MS = 3_000;

export interface UserMetrics {
  readonly counts: {
    /** Times that a watched user came or went. */
    presenceChanges: number;
    lastSeenWrites: number;
    lastSeenDropped: number;
  };
  readonly gauges: { watchedUsers: number };
}

/** The users who have a session, by what all edges say. */
export interface OnlineUsers {
  has(user: UserId): boolean;
  readonly size: number;
  all(): Iterator<UserId>;
  /** Whether every edge that lives has said who is there. */
  readonly isKnown: boolean;
}

export interface UserHubOptions {
  readonly store: Pick<ProjectionStore, 'user' | 'writeSeen' | 'settings' | 'changeSettings'>;
  readonly edge: EdgeLink;
  readonly system: System;
  readonly logger: Logger;
  readonly metrics: UserMetrics;
  readonly online: OnlineUsers;
  /** See SettingsChanges. */
  readonly haveHeard?: (user: UserId) => boolean;
  /** Whether the ring names this node for the user. */
  readonly isHome: (user: UserId) => boolean;
}

interface Watched {
  readonly user: UserId;
  /** Where somebody watches. */
  readonly edges: Set<string>;
  online: boolean;
  seen: number;
  settings: UserSettings;
  /** Until what is stored of the user is known, nothing is told: it says who may see it. */
  isRead: boolean;
}

interface Left {
  /** Monotonic and Unix ms. */
  readonly at: number;
  readonly seen: number;
}

/**
 * What concerns users over all their devices and edges: whether they are online, for the edges at which they are
 * watched; when they last were; what they have set. Every node can tell of everyone; the ring names the one that is
 * asked, and that writes. Nothing here is needed for a message.
 */
export class UserHub {
  readonly #o: UserHubOptions;
  readonly #lastSeen: LastSeen;
  readonly #changes: SettingsChanges;
  readonly #watched = new Map<UserId, Watched>();
  readonly #byEdge = new Map<string, Set<Watched>>();
  /** Those who have gone of late, the first to go first. */
  readonly #leaving = new Map<UserId, Left>();
  /** Told of when edges have said who is there, or at the time, monotonic ms. */
  readonly #doubtful = new Map<Watched, number>();
  readonly #toRead = new Set<Watched>();
  #reads = 0;
  readonly #timers: Timer[];

  constructor(options: UserHubOptions) {
    this.#o = options;
    this.#lastSeen = new LastSeen(options);
    this.#changes = new SettingsChanges({
      ...options,
      changed: (user, settings) => this.#set(this.#watched.get(user), settings),
    });
    this.#timers = [this.#lastSeen.start(), options.system.every(TICK_MS, () => this.#tick())];
  }

  stop(): void {
    for (const timer of this.#timers) timer.cancel();
  }

  /** Writes when those who have gone of late were seen; resolves when that is done, or cannot be. */
  flush(): Promise<void> {
    for (const [user, { seen }] of this.#leaving) this.#lastSeen.note(user, seen);
    return this.#lastSeen.flush();
  }

  /** Changes what a user has set. */
  change(request: SettingsRequest): void {
    this.#changes.take(request);
  }

  /** The user has a session; it may have had one before. */
  came(user: UserId): void {
    this.#leaving.delete(user);
    const watched = this.#watched.get(user);
    if (watched !== undefined && !watched.online) this.#turn(watched, true);
  }

  /** The user has no session anywhere. */
  left(user: UserId): void {
    if (!this.#watched.has(user) && !this.#o.isHome(user)) return;
    const { system } = this.#o;
    this.#leaving.delete(user);
    this.#leaving.set(user, { at: system.monotonic(), seen: system.now() });
    if (this.#leaving.size > LEAVING_MAX) this.#goneBefore(Number.POSITIVE_INFINITY, 1);
  }

  /** The user is watched at the edge: it is told now, in any case, and at each change. */
  watch(edge: string, user: UserId): void {
    const known = this.#watched.get(user);
    const watched = known ?? this.#add(user);
    if (known !== undefined) this.#readAnew(known);
    watched.edges.add(edge);
    const all = this.#byEdge.get(edge);
    if (all === undefined) this.#byEdge.set(edge, new Set([watched]));
    else all.add(watched);
    this.#tell(watched, edge);
  }

  unwatch(edge: string, user: UserId): void {
    const watched = this.#watched.get(user);
    if (watched === undefined || !watched.edges.delete(edge)) return;
    const all = this.#byEdge.get(edge);
    all?.delete(watched);
    if (all?.size === 0) this.#byEdge.delete(edge);
    if (watched.edges.size === 0) this.#remove(watched);
  }

  /** The edge is no more. */
  edgeGone(edge: string): void {
    for (const { user } of [...(this.#byEdge.get(edge) ?? [])]) this.unwatch(edge, user);
  }

  /** What the edge was told of late may be lost. */
  tellAgain(edge: string): void {
    for (const watched of this.#byEdge.get(edge) ?? []) this.#tell(watched, edge);
  }

  #add(user: UserId): Watched {
    const online = this.#o.online.has(user) || this.#leaving.has(user);
    const watched = { user, edges: new Set<string>(), online, seen: 0, settings: UNSET, isRead: false };
    this.#watched.set(user, watched);
    this.#o.metrics.gauges.watchedUsers = this.#watched.size;
    this.#toRead.add(watched);
    this.#readMore();
    return watched;
  }

  #remove(watched: Watched): void {
    this.#watched.delete(watched.user);
    this.#doubtful.delete(watched);
    this.#toRead.delete(watched);
    this.#o.metrics.gauges.watchedUsers = this.#watched.size;
  }

  // --- what is stored of those who are watched ---

  #readMore(): void {
    for (const watched of this.#toRead) {
      if (this.#reads >= READS_MAX) return;
      this.#toRead.delete(watched);
      void this.#read(watched);
    }
  }

  async #read(watched: Watched): Promise<void> {
    this.#reads++;
    try {
      const { settings, seen } = await this.#o.store.user(watched.user);
      const isFirst = !watched.isRead;
      watched.seen = Math.max(watched.seen, seen, this.#lastSeen.pending(watched.user));
      watched.isRead = true;
      this.#set(watched, settings, isFirst);
      if (isFirst) this.#readLater(watched, SURE_AFTER_MS);
    } catch (err) {
      const { logger } = this.#o;
      logUnlessAway(logger, err, { user: watched.user }, 'a user was not read');
      this.#readLater(watched, READ_AGAIN_MS);
    }
    this.#reads--;
    this.#readMore();
  }

  /** The edge may have asked another node meanwhile, at which the user has set something. */
  #readAnew(watched: Watched): void {
    if (!watched.isRead) return; // it is being read, and will be twice
    this.#toRead.add(watched);
    this.#readLater(watched, SURE_AFTER_MS);
    this.#readMore();
  }

  #readLater(watched: Watched, ms: number): void {
    this.#o.system.after(ms, () => {
      if (this.#watched.get(watched.user) !== watched) return;
      this.#toRead.add(watched);
      this.#readMore();
    });
  }

  #set(watched: Watched | undefined, settings: UserSettings, isFirst = false): void {
    if (watched === undefined) return;
    const { at, presence } = watched.settings;
    if (settings.at > at) watched.settings = settings;
    if (isFirst || watched.settings.presence !== presence) this.#tellAll(watched);
  }

  // --- coming and going ---

  #tick(): void {
    const now = this.#o.system.monotonic();
    this.#goneBefore(now - GRACE_MS, Number.POSITIVE_INFINITY);
    if (this.#doubtful.size === 0) return;
    for (const [watched, since] of this.#doubtful) {
      if (!this.#o.online.isKnown && now - since < DOUBT_MS_MAX) continue;
      this.#doubtful.delete(watched);
      for (const edge of watched.edges) this.#deliver(watched, edge);
    }
  }

  /** Up to `count` of those who left at `at` or before are gone. */
  #goneBefore(at: number, count: number): void {
    const { isHome } = this.#o;
    let left = count;
    for (const [user, gone] of this.#leaving) {
      if (gone.at > at || left-- <= 0) return;
      this.#leaving.delete(user);
      if (isHome(user)) this.#lastSeen.note(user, gone.seen);
      const watched = this.#watched.get(user);
      if (watched === undefined) continue;
      watched.seen = Math.max(watched.seen, gone.seen);
      if (watched.online) this.#turn(watched, false);
    }
  }

  #turn(watched: Watched, online: boolean): void {
    watched.online = online;
    this.#o.metrics.counts.presenceChanges++;
    this.#tellAll(watched);
  }

  #tellAll(watched: Watched): void {
    if (watched.isRead && watched.online) this.#doubtful.delete(watched);
    for (const edge of watched.edges) this.#tell(watched, edge);
  }

  #tell(watched: Watched, edge: string): void {
    if (!watched.isRead) return;
    const { online, system } = this.#o;
    if (watched.online || online.isKnown) this.#deliver(watched, edge);
    else if (!this.#doubtful.has(watched)) this.#doubtful.set(watched, system.monotonic());
  }

  #deliver({ user, online, seen, settings }: Watched, edge: string): void {
    const state = { user, online, seen, visibleTo: settings.presence };
    this.#o.edge.deliver({ t: 'state', edge, state });
  }
}
