import type { Bus } from '../../src/core/cluster-ports.ts';
import type { Entry } from '../../src/core/entry.ts';
import { homeOf } from '../../src/core/users.ts';
import type { OnlineUsers } from '../users/user-hub.ts';
import type { ConversationId, NodeId, UserId } from '../../src/core/ids.ts';
import type { EdgeLink, Logger, OwnerLink, System } from '../../src/core/ports.ts';
import {
  type Answer,
  type Audience,
  type Delivery,
  type EntryDelivery,
  type HeadDelivery,
  isChange,
  type MessageDelivery,
  type NodeRequest,
  type ReceiptDelivery,
  type SettingsDelivery,
  type TypingDelivery,
} from '../../src/core/requests.ts';
import { readAwaited, writeAnswer, writeRedirect } from './answer-codec.ts';
import { AwaitedAsks } from './awaited-asks.ts';
import { PEER_BOUNDS, type PeerBounds } from './bounds.ts';
import {
  writeCursor,
  writeEntry,
  writeEvent,
  writeForget,
  writeHead,
  writeReceipt,
  writeSet,
  writeTyping,
} from './delivery-codec.ts';
import { type Directory, FlowDirectory } from './directory.ts';
import type { EdgePeer } from './edge-peer.ts';
import { FRAME } from './frame.ts';
import { NewsMemory } from './news-memory.ts';
import type { LinkListener, PeerLink } from './peer-link.ts';
import { PeerLinks } from './peer-links.ts';
import type { PeerMetrics } from './peer-metrics.ts';
import { writeSettings, writeSnapshotWanted, writeState } from './presence-codec.ts';
import { type EdgeRecipients, RecipientsCache } from './recipients.ts';
import { readRequest, readSend, type RemoteRequest } from './request-codec.ts';
import { edgeSubject, ownerSubject } from './subjects.ts';
import { onlineUsers, type Users, Whereabouts } from './whereabouts.ts';

export interface RemoteEdgesOptions {
  /** The sequencer's id: that of its term. */
  readonly id: NodeId;
  readonly bus: Bus;
  readonly system: System;
  readonly logger: Logger;
  readonly metrics: PeerMetrics;
  /** For tests. */
  readonly bounds?: Partial<PeerBounds>;
}

/** The conversations of this process, as its edges need them. */
export interface Conversations extends Pick<OwnerLink, 'submit' | 'announce'> {
  /** A conversation in memory as the user sees it; undefined: it is not in memory, or the user never was a member. */
  entryOf(conv: ConversationId, user: UserId): Entry | undefined;
  /** Whom the conversation was given to: a request that comes for the first time is sent there unread. */
  otherOwnerOf?(conv: ConversationId): NodeId | undefined;
}

/**
 * The edges in other processes as an owner reaches them: answers go to the edge that asked, deliveries to those where
 * their users are. An edge that may have missed something is told where the conversations concerned stand.
 */
export class RemoteEdges implements EdgeLink, LinkListener {
  readonly #options: RemoteEdgesOptions;
  readonly #bounds: PeerBounds;
  readonly #links: PeerLinks;
  readonly #directory = new FlowDirectory();
  readonly #recipients: RecipientsCache;
  readonly #news: NewsMemory;
  readonly #asks: AwaitedAsks;
  readonly #listed = new Set<string>();
  #conversations: Conversations | undefined;
  readonly #whereabouts: Whereabouts;
  #users: Users | undefined;
  #waiting: (() => void)[] = [];

  constructor(options: RemoteEdgesOptions) {
    const { id, bus, system, logger, metrics } = options;
    const bounds = { ...PEER_BOUNDS, ...options.bounds };
    this.#options = options;
    this.#bounds = bounds;
    this.#asks = new AwaitedAsks(system, bounds);
    this.#recipients = new RecipientsCache(bounds, this.#directory, (edge, number) =>
      writeForget(edge.link, number),
    );
    this.#news = new NewsMemory(bounds, this.#recipients, metrics, {
      entryOf: (conv, user) => this.#inUse().entryOf(conv, user),
      announce: (user) => this.#inUse().announce(user),
    });
    this.#whereabouts = new Whereabouts({
      system,
      metrics,
      bounds,
      directory: this.#directory,
      recipients: this.#recipients,
      news: this.#news,
      announce: (user) => this.#inUse().announce(user),
      users: () => this.#users,
      known: () => this.#settle(),
    });
    this.#links = new PeerLinks({
      self: id,
      ownSubject: ownerSubject(id),
      subjectOf: edgeSubject,
      bus,
      system,
      logger,
      metrics,
      bounds,
      listener: this,
      silenceEndsPinned: true,
    });
  }

  get directory(): Directory {
    return this.#directory;
  }

  /** Owners and edges know one another: to be called in the turn of the construction. */
  useConversations(conversations: Conversations, users?: Users): void {
    this.#conversations = conversations;
    this.#users = users;
  }

  /** The users at all edges. */
  get online(): OnlineUsers {
    return onlineUsers(this.#directory, () => this.#allKnown);
  }

  /** The edges that live, where a list of them is kept; those not on it come by contact. */
  useEdges(live: readonly string[]): void {
    const next = new Set(live);
    for (const gone of this.#listed) if (!next.has(gone)) this.edgeGone(gone);
    for (const edge of next) {
      if (!this.#listed.has(edge)) this.#links.pin(edge);
      this.#listed.add(edge);
    }
    this.#settle();
  }

  /** The edge is dead: its users are gone. */
  edgeGone(edge: string): void {
    this.#listed.delete(edge);
    this.#links.close(edge);
  }

  /** Resolves when the listed edges have said who is there, or the time for that is over. */
  whenKnown(): Promise<void> {
    if (this.#allKnown) return Promise.resolve();
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#options.system.after(this.#bounds.snapshotWaitMs, resolve);
    });
  }

  /** The request belongs to another owner. */
  redirect(request: NodeRequest, owner: NodeId): void {
    const edge = this.#directory.get(request.edge);
    if (edge === undefined) return;
    const ticket = ticketOf(request);
    edge.changeGone(ticket);
    writeRedirect(edge.link, ticket, owner);
  }

  /**
   * Whether the request's edge waits for its answer now: it may have been sent to another owner too, and answered there.
   * False too if the edge does not say.
   */
  isAwaited(request: NodeRequest): Promise<boolean> {
    const edge = this.#directory.get(request.edge);
    return edge === undefined ? Promise.resolve(false) : this.#asks.ask(edge.link, ticketOf(request));
  }

  /** Whether the edges have acknowledged all that they were told of conversations. */
  get allTold(): boolean {
    for (const { sent } of this.#directory.edges()) if (sent.size > 0 || sent.isPartial) return false;
    return true;
  }

  /** Whether the edges where the user is have acknowledged what they were told of the user's settings. */
  haveHeardSettings(user: UserId): boolean {
    const home = homeOf(user);
    return !this.#directory.edgesOf(user).some(({ sent }) => sent.has(home));
  }

  stop(): void {
    this.#links.stop();
    this.#asks.stop();
    for (const resolve of this.#waiting) resolve();
    this.#waiting = [];
  }

  // --- what the owner says ---

  answer(request: NodeRequest, answer: Answer): void {
    const edge = this.#directory.get(request.edge);
    if (edge === undefined) return; // gone, and its sessions with it
    const ticket = ticketOf(request);
    if (isChange(request)) edge.changeAnswered(ticket, answer);
    writeAnswer(edge.link, ticket, answer);
  }

  deliver(delivery: Delivery): void {
    switch (delivery.t) {
      case 'message':
        return this.#event(delivery);
      case 'receipt':
      case 'typing':
        return this.#toSets(delivery);
      case 'state': {
        const edge = this.#directory.get(delivery.edge);
        if (edge !== undefined) writeState(edge.link, delivery.state);
        return;
      }
      case 'cursor': // a client says it again until it is told
        for (const edge of this.#directory.edgesOf(delivery.user)) writeCursor(edge.link, delivery);
        return;
      default:
        return this.#toUser(delivery);
    }
  }

  #toUser(delivery: HeadDelivery | EntryDelivery | SettingsDelivery): void {
    const { user } = delivery;
    const conv = subjectOf(delivery);
    this.#news.told(user, conv, this.#options.system.monotonic(), !this.#allKnown);
    for (const edge of this.#directory.edgesOf(user)) {
      if (delivery.t === 'head') writeHead(edge.link, delivery);
      else if (delivery.t === 'settings') writeSettings(edge.link, delivery);
      else writeEntry(edge.link, delivery);
      edge.note(conv, user);
    }
  }

  #event(delivery: MessageDelivery): void {
    const recipients = this.#recipients.of(delivery.audience);
    recipients.lastAt = this.#options.system.monotonic();
    for (const at of recipients.edges) {
      if (at.present.size === 0) continue;
      const { edge } = at;
      if (at.mustSend) this.#sendSet(at, delivery.audience);
      const session = delivery.exceptEdge === edge.link.peer ? delivery.exceptSession : 0;
      writeEvent(edge.link, at.number, session, delivery.frame);
      edge.note(delivery.conv, undefined);
    }
  }

  /** What is no event of the log, to the recipients of events. */
  #toSets(delivery: ReceiptDelivery | TypingDelivery): void {
    for (const at of this.#recipients.of(delivery.audience).edges) {
      if (at.present.size === 0) continue;
      if (at.mustSend) this.#sendSet(at, delivery.audience);
      if (delivery.t === 'receipt') writeReceipt(at.edge.link, at.number, delivery);
      else writeTyping(at.edge.link, at.number, delivery);
    }
  }

  #sendSet(at: EdgeRecipients, audience: Audience): void {
    const { edge } = at;
    const replaces = at.number;
    at.set = new Set(at.present);
    at.number = ++edge.lastSet;
    at.epoch = edge.setsEpoch;
    at.isStale = false;
    const { conv, version } = audience;
    writeSet(edge.link, at.number, replaces, { conv, version, users: [...at.set] });
    this.#options.metrics.counts.setsSent++;
  }

  // --- links ---

  opened(link: PeerLink): void {
    this.#whereabouts.opened(link);
  }

  closed(link: PeerLink): void {
    const edge = this.#directory.get(link.peer);
    if (edge?.link !== link) return;
    this.#asks.closed(link);
    this.#whereabouts.gone(edge);
    this.#settle();
  }

  /** The edge begins with a snapshot. */
  incomingReset(link: PeerLink): void {
    const edge = this.#directory.get(link.peer);
    edge?.doubt();
  }

  incomingLost(link: PeerLink): void {
    const edge = this.#directory.get(link.peer);
    edge?.doubt();
    writeSnapshotWanted(link);
    this.#asks.again(link);
  }

  outgoingReset(link: PeerLink): void {
    this.outgoingLost(link);
  }

  outgoingLost(link: PeerLink): void {
    const edge = this.#directory.get(link.peer);
    if (edge === undefined) return;
    edge.setsEpoch++;
    if (!edge.isKnown) writeSnapshotWanted(link); // that this was asked may be among the lost
    this.#asks.again(link);
    this.#news.repair(edge);
    this.#users?.tellAgain(link.peer);
  }

  acknowledged(link: PeerLink, seq: number): void {
    this.#directory.get(link.peer)?.sent.acknowledged(seq);
  }

  frame(link: PeerLink, bytes: Uint8Array, start: number, end: number): void {
    const edge = this.#directory.get(link.peer);
    const type = bytes[start] as number;
    if (edge === undefined || !this.#take(edge, type, bytes, start, end))
      this.#links.complain(link.peer, `a frame of type 0x${type.toString(16)}`);
  }

  /** False: the frame is not understood. */
  #take(edge: EdgePeer, type: number, bytes: Uint8Array, start: number, end: number): boolean {
    switch (type) {
      case FRAME.send:
        return this.#request(edge, readSend(edge.link.peer, bytes, start, end));
      case FRAME.request:
        return this.#request(edge, readRequest(edge.link.peer, bytes, start, end));
      case FRAME.awaited:
        return this.#awaited(edge, readAwaited(bytes, start, end));
      default:
        return this.#whereabouts.take(edge, type, bytes, start, end) ?? false;
    }
  }

  #awaited({ link }: EdgePeer, said: ReturnType<typeof readAwaited>): boolean {
    if (said !== undefined) this.#asks.answered(link, ...said);
    return said !== undefined;
  }

  #request(edge: EdgePeer, request: RemoteRequest | undefined): boolean {
    if (request === undefined) return false;
    const conversations = this.#inUse();
    // One that was sent on already is looked into: two who each take the other for the owner would go on for ever.
    const other = request.isResend ? undefined : conversations.otherOwnerOf?.(request.conv);
    if (other !== undefined) {
      writeRedirect(edge.link, request.ticket, other);
      return true;
    }
    if (isChange(request)) {
      const change = edge.takeChange(request);
      if (change !== 'new') {
        if (change !== undefined) writeAnswer(edge.link, request.ticket, change);
        return true;
      }
    }
    conversations.submit(request);
    return true;
  }

  /** Whether every listed edge has said who is there. */
  get #allKnown(): boolean {
    for (const edge of this.#listed) if (this.#directory.get(edge)?.isKnown !== true) return false;
    return true;
  }

  #settle(): void {
    if (this.#waiting.length === 0 || !this.#allKnown) return;
    for (const resolve of this.#waiting) resolve();
    this.#waiting = [];
  }

  #inUse(): Conversations {
    if (this.#conversations === undefined) throw new Error('the edges were given no conversations');
    return this.#conversations;
  }
}

/** What is to be told anew if it is lost: of what is no conversation nothing is known here, so inboxes are read. */
function subjectOf(delivery: HeadDelivery | EntryDelivery | SettingsDelivery): ConversationId {
  if (delivery.t === 'settings') return homeOf(delivery.user);
  return delivery.t === 'head' ? delivery.conv : delivery.entry.conv;
}

/** Requests come back as the objects that they were read into. */
function ticketOf(request: NodeRequest): number {
  return (request as RemoteRequest).ticket;
}
