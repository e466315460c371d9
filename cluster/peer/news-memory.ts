import type { Entry } from '../../src/core/entry.ts';
import type { ConversationId, UserId } from '../../src/core/ids.ts';
import { homeOf } from '../../src/core/users.ts';
import type { PeerBounds } from './bounds.ts';
import { writeEntry, writeHead } from './delivery-codec.ts';
import type { EdgePeer } from './edge-peer.ts';
import { NamedMemory } from './named-memory.ts';
import type { PeerMetrics } from './peer-metrics.ts';
import { writeResync } from './presence-codec.ts';
import type { RecipientsCache } from './recipients.ts';

/** Where conversations stand. */
export interface NewsSource {
  /** A conversation in memory as the user sees it. */
  entryOf(conv: ConversationId, user: UserId): Entry | undefined;
  /** Tells the user of all that the inbox does not show yet. */
  announce(user: UserId): void;
}

const NOBODY: ReadonlySet<UserId> = new Set();

/**
 * What users may have missed: those who connect, of what was told of late, and those at an edge that lost something,
 * of what was on its way. They are told where each such conversation stands. Where that is not known here, it is in
 * the inbox or announced, so the inbox is read again.
 */
export class NewsMemory {
  readonly #bounds: PeerBounds;
  readonly #recipients: RecipientsCache;
  readonly #named: NamedMemory;
  readonly #metrics: PeerMetrics;
  readonly #source: NewsSource;

  constructor(bounds: PeerBounds, recipients: RecipientsCache, metrics: PeerMetrics, source: NewsSource) {
    this.#bounds = bounds;
    this.#recipients = recipients;
    this.#named = new NamedMemory(bounds);
    this.#metrics = metrics;
    this.#source = source;
  }

  /** The user was told something of the conversation by name, or was not there to be told. */
  told(user: UserId, conv: ConversationId, now: number, keepOld: boolean): void {
    this.#named.remember(user, conv, now, keepOld);
  }

  /** Tells the user at the edge of all that happened at `since` or later. */
  tell(edge: EdgePeer, user: UserId, since: number): void {
    let isWhole = !this.#recipients.hasForgotten(since) && !this.#named.hasForgotten(since);
    for (const { audience, lastAt } of this.#recipients.ofUser(user))
      if (lastAt >= since && !this.#show(edge, audience.conv, user)) isWhole = false;
    for (const conv of this.#named.ofUser(user, since)) if (!this.#show(edge, conv, user)) isWhole = false;
    if (!isWhole) haveRead(edge, [user]);
  }

  /** What was on its way to the edge may be lost. */
  repair(edge: EdgePeer): void {
    const concerned = this.#concernedBy(edge);
    if (concerned === undefined) {
      for (const user of edge.users) this.#source.announce(user);
      writeResync(edge.link, []);
      edge.sent.noteAny(edge.link.openSeq);
      return;
    }
    for (const [conv, users] of concerned) {
      const unshown = users.filter((user) => !this.#show(edge, conv, user));
      for (const user of unshown) this.#source.announce(user);
      if (unshown.length > 0) haveRead(edge, unshown);
    }
  }

  /** Whom what was on its way concerned; undefined: it is not known, or they are too many to be told one by one. */
  #concernedBy(edge: EdgePeer): [ConversationId, UserId[]][] | undefined {
    const { isPartial } = edge.sent;
    const lost = edge.sent.take();
    if (isPartial) return undefined;
    const concerned: [ConversationId, UserId[]][] = [];
    let heads = 0;
    for (const [conv, { events, named }] of lost) {
      const present = events ? this.#recipients.get(conv)?.at(edge)?.present : NOBODY;
      if (present === undefined) return undefined;
      const users = [...new Set([...present, ...(named ?? NOBODY)])];
      heads += users.length;
      if (heads > this.#bounds.repairHeadsMax) return undefined;
      concerned.push([conv, users]);
    }
    return concerned;
  }

  /** False: where the conversation stands is not known here. */
  #show(edge: EdgePeer, conv: ConversationId, user: UserId): boolean {
    const entry = this.#source.entryOf(conv, user);
    if (entry === undefined) return false;
    this.#metrics.counts.headsRepaired++;
    writeEntry(edge.link, { t: 'conversation', user, entry });
    const { head: seq, n, unread, removed } = entry;
    if (removed === undefined && seq > 0) writeHead(edge.link, { t: 'head', conv, user, seq, n, unread });
    edge.note(conv, user);
    return true;
  }
}

/** Has their inboxes read again: what was said of that may be lost too. */
function haveRead(edge: EdgePeer, users: readonly UserId[]): void {
  writeResync(edge.link, users);
  for (const user of users) edge.note(homeOf(user), user);
}
