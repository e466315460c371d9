import type { Bus } from '../../src/core/cluster-ports.ts';
import type { Entry } from '../../src/core/entry.ts';
import type { ConversationId, NodeId, UserId } from '../../src/core/ids.ts';
import type { EdgeLink, Logger, OwnerLink, System } from '../../src/core/ports.ts';
import type {
  Answer,
  Audience,
  ConversationRequest,
  Delivery,
  MessageDelivery,
  ReceiptDelivery,
  TypingDelivery,
} from '../../src/core/requests.ts';
import { writeAnswer, writeRedirect } from './answer-codec.ts';
import { PEER_BOUNDS, type PeerBounds } from './bounds.ts';
import {
  writeEntry,
  writeEvent,
  writeForget,
  writeHead,
  writeReceipt,
  writeSet,
  writeTyping,
} from './delivery-codec.ts';
import { type Directory, FlowDirectory } from './directory.ts';
import { EdgePeer } from './edge-peer.ts';
import { FRAME } from './frame.ts';
import { NewsMemory } from './news-memory.ts';
import type { LinkListener, PeerLink } from './peer-link.ts';
import { PeerLinks } from './peer-links.ts';
import type { PeerMetrics } from './peer-metrics.ts';
import { readSnapshot, readUsers, writeSnapshotWanted } from './presence-codec.ts';
import { type EdgeRecipients, RecipientsCache } from './recipients.ts';
import { readRequest, readSend, type RemoteRequest } from './request-codec.ts';
import { edgeSubject, ownerSubject } from './subjects.ts';

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
export interface Conversations extends OwnerLink {
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
  readonly #listed = new Set<string>();
  #conversations: Conversations | undefined;
  #waiting: (() => void)[] = [];

  constructor(options: RemoteEdgesOptions) {
    const { id, bus, system, logger, metrics } = options;
    const bounds = { ...PEER_BOUNDS, ...options.bounds };
    this.#options = options;
    this.#bounds = bounds;
    this.#recipients = new RecipientsCache(bounds, this.#directory, (edge, number) =>
      writeForget(edge.link, number),
    );
    this.#news = new NewsMemory(bounds, this.#recipients, metrics, {
      entryOf: (conv, user) => this.#inUse().entryOf(conv, user),
      announce: (user) => this.#inUse().announce(user),
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
  useConversations(conversations: Conversations): void {
    this.#conversations = conversations;
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
  redirect(request: ConversationRequest, owner: NodeId): void {
    const edge = this.#directory.get(request.edge);
    if (edge === undefined) return;
    const ticket = ticketOf(request);
    edge.changeGone(ticket);
    writeRedirect(edge.link, ticket, owner);
  }

  /** Whether the edges have acknowledged all that they were told of conversations. */
  get allTold(): boolean {
    for (const { sent } of this.#directory.edges()) if (sent.size > 0 || sent.isPartial) return false;
    return true;
  }

  stop(): void {
    this.#links.stop();
    for (const resolve of this.#waiting) resolve();
    this.#waiting = [];
  }

  // --- what the owner says ---

  answer(request: ConversationRequest, answer: Answer): void {
    const edge = this.#directory.get(request.edge);
    if (edge === undefined) return; // gone, and its sessions with it
    const ticket = ticketOf(request);
    if (request.t === 'members' && request.change !== undefined) edge.changeAnswered(ticket, answer);
    writeAnswer(edge.link, ticket, answer);
  }

  deliver(delivery: Delivery): void {
    if (delivery.t === 'message') return this.#event(delivery);
    if (delivery.t === 'receipt' || delivery.t === 'typing') return this.#toSets(delivery);
    const { user } = delivery;
    const conv = delivery.t === 'head' ? delivery.conv : delivery.entry.conv;
    this.#news.told(user, conv, this.#options.system.monotonic(), !this.#allKnown);
    for (const edge of this.#directory.edgesOf(user)) {
      if (delivery.t === 'head') writeHead(edge.link, delivery);
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
    this.#directory.add(new EdgePeer(link, this.#bounds));
  }

  closed(link: PeerLink): void {
    const edge = this.#directory.get(link.peer);
    if (edge?.link !== link) return;
    this.#directory.remove(edge);
    this.#recipients.edgeGone(edge);
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
  }

  outgoingReset(link: PeerLink): void {
    this.outgoingLost(link);
  }

  outgoingLost(link: PeerLink): void {
    const edge = this.#directory.get(link.peer);
    if (edge === undefined) return;
    edge.setsEpoch++;
    if (!edge.isKnown) writeSnapshotWanted(link); // that this was asked may be among the lost
    this.#news.repair(edge);
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
      case FRAME.announce:
        return this.#announce(edge, readUsers(bytes, start, end));
      case FRAME.depart:
        return this.#depart(edge, readUsers(bytes, start, end));
      case FRAME.snapshot:
        return this.#snapshot(edge, readSnapshot(bytes, start, end));
      default:
        return false;
    }
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
    if (request.t === 'members' && request.change !== undefined) {
      const change = edge.takeChange(request);
      if (change !== 'new') {
        if (change !== undefined) writeAnswer(edge.link, request.ticket, change);
        return true;
      }
    }
    conversations.submit(request);
    return true;
  }

  // --- who is where ---

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
    this.#recipients.online(user, edge);
    return true;
  }

  /** The user has registered there, and reads or will read the inbox: what that may not show is told now. */
  #tell(edge: EdgePeer, user: UserId): void {
    const now = this.#options.system.monotonic();
    const since = edge.wasKnown ? now - this.#bounds.rememberMs : Number.NEGATIVE_INFINITY;
    this.#news.tell(edge, user, since);
    this.#inUse().announce(user);
  }

  #depart(edge: EdgePeer, users: readonly UserId[] | undefined): boolean {
    if (users === undefined) return false;
    for (const user of users) if (edge.users.delete(user)) this.#recipients.offline(user, edge);
    this.#countUsers();
    return true;
  }

  #snapshot(edge: EdgePeer, part: ReturnType<typeof readSnapshot>): boolean {
    if (part === undefined) return false;
    for (const user of part.users) if (this.#place(edge, user)) this.#tell(edge, user);
    this.#countUsers();
    const gone = edge.takeSnapshot(part);
    if (gone === undefined) return true;
    this.#depart(edge, gone);
    this.#settle();
    return true;
  }

  #countUsers(): void {
    this.#options.metrics.gauges.onlineUsers = this.#directory.onlineUsers;
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

/** Requests come back as the objects that they were read into. */
function ticketOf(request: ConversationRequest): number {
  return (request as RemoteRequest).ticket;
}
