import type { Bus } from '../../src/core/cluster-ports.ts';
import { ERRORS } from '../../src/core/errors.ts';
import type { ConversationId, NodeId, UserId } from '../../src/core/ids.ts';
import type { EdgeLink, Logger, OwnerLink, System, Timer } from '../../src/core/ports.ts';
import { type Answer, isFleeting, type NodeRequest } from '../../src/core/requests.ts';
import { OVERLOADED_RETRY_MS, refuse, UNAVAILABLE_RETRY_MS } from '../refusals.ts';
import { Announcements } from './announcements.ts';
import {
  readAck,
  readAnswer,
  readAsked,
  readPage,
  readRedirect,
  type TicketedAnswer,
  writeAwaited,
} from './answer-codec.ts';
import { PEER_BOUNDS, type PeerBounds } from './bounds.ts';
import { Deliveries } from './deliveries.ts';
import { FRAME } from './frame.ts';
import type { LinkListener, PeerLink } from './peer-link.ts';
import { PeerLinks } from './peer-links.ts';
import type { PeerMetrics } from './peer-metrics.ts';
import { type Pending, PendingRequests } from './pending-requests.ts';
import { readUsers } from './presence-codec.ts';
import { writeRequest } from './request-codec.ts';
import { ResyncQueue } from './resync-queue.ts';
import { Routes } from './routes.ts';
import { edgeSubject, ownerSubject } from './subjects.ts';
import { Watching } from './watching.ts';

export interface RemoteOwnersOptions {
  /** The edge's id: a UUID of this term. */
  readonly id: string;
  readonly bus: Bus;
  readonly system: System;
  readonly logger: Logger;
  readonly metrics: PeerMetrics;
  readonly edge: EdgeLink;
  /** Whom the ring names; undefined: nobody. */
  readonly ownerOf: (conv: ConversationId) => NodeId | undefined;
  /** Whom it named before it last changed, for a while. */
  readonly formerOwnerOf?: (conv: ConversationId) => NodeId | undefined;
  /** Whether the lease of an owner has not been renewed for a while: another may take over soon; default: never. */
  readonly isSilent?: (owner: NodeId) => boolean;
  /** Reads the inbox of a user's sessions again, and tells them what is news. */
  readonly resync: (user: UserId) => void;
  /** For tests. */
  readonly bounds?: Partial<PeerBounds>;
}

/**
 * The owners of all conversations as an edge in another process reaches them. Every request is answered once: by its
 * owner, or at a deadline. What may have been lost is sent again, in order; what owners deliver goes to the edge.
 */
export class RemoteOwners implements OwnerLink, LinkListener {
  readonly #options: RemoteOwnersOptions;
  readonly #bounds: PeerBounds;
  readonly #links: PeerLinks;
  readonly #routes: Routes;
  readonly #pending: PendingRequests;
  readonly #announcements: Announcements;
  readonly #resyncs: ResyncQueue;
  readonly #deliveries: Deliveries;
  readonly #watching: Watching;
  readonly #ticker: Timer;

  constructor(options: RemoteOwnersOptions) {
    const { id, bus, system, logger, metrics } = options;
    const bounds = { ...PEER_BOUNDS, ...options.bounds };
    this.#options = options;
    this.#bounds = bounds;
    this.#routes = new Routes(options.ownerOf, options.formerOwnerOf ?? (() => undefined), bounds.routesMax);
    this.#pending = new PendingRequests(bounds);
    const resync = (user: UserId): void => this.#resyncs.add(user);
    this.#announcements = new Announcements({ system, bounds, resync });
    const isOnline = (user: UserId): boolean => this.#announcements.isOnline(user);
    this.#resyncs = new ResyncQueue({ system, metrics, bounds, resync: options.resync, isOnline });
    const watching = new Watching({ ownerOf: options.ownerOf, link: (node) => this.#links.get(node) });
    const isAsked = watching.isAsked.bind(watching);
    this.#watching = watching;
    this.#deliveries = new Deliveries({ ...options, bounds, isAsked });
    this.#links = new PeerLinks({
      self: id,
      ownSubject: edgeSubject(id),
      subjectOf: ownerSubject,
      bus,
      system,
      logger,
      metrics,
      bounds,
      listener: this,
      silenceEndsPinned: false,
    });
    this.#ticker = system.every(bounds.requestTickMs, () => this.#tick());
  }

  /** The sequencers that live. Requests that waited for another one go to the new owner at once. */
  useSequencers(live: readonly NodeId[]): void {
    const next = new Set(live);
    for (const gone of this.#routes.live) if (!next.has(gone)) this.#links.close(gone);
    this.#routes.useLive(next);
    for (const node of next) this.#links.pin(node);
    this.#watching.look();
    this.#tick();
  }

  /** How many requests are unanswered. */
  get pending(): number {
    return this.#pending.size;
  }

  submit(request: NodeRequest): void {
    const { bus, system } = this.#options;
    const owner = this.#routes.ownerOf(request.conv);
    if (!bus.connected || owner === undefined || this.#links.get(owner) === undefined) {
      refuse(
        this.#options.edge,
        request,
        'unavailable',
        'The conversation is out of reach.',
        UNAVAILABLE_RETRY_MS,
      );
      return;
    }
    const before = this.#pending.lastOf(request.conv);
    const pending = this.#pending.add(request, owner, system.monotonic());
    if (pending === undefined) {
      refuse(
        this.#options.edge,
        request,
        'overloaded',
        'Too many requests wait for their owners.',
        OVERLOADED_RETRY_MS,
      );
      return;
    }
    // It must not pass by those before it: they go to a new owner first, or are to be sent soon, and it behind them.
    if (before !== undefined && before.owner !== owner) this.#sendConversation(request.conv);
    else if (before?.flow === 0) pending.sentAt = before.sentAt;
    else this.#send(pending, owner, false, request.t === 'send' ? request.base : 0);
  }

  /** A session of the user has registered; its inbox is read after this call. */
  announce(user: UserId): void {
    this.#announcements.announce(user);
  }

  /** The last session of the user has gone. */
  depart(user: UserId): void {
    this.#announcements.depart(user);
    this.#resyncs.remove(user);
  }

  watch(user: UserId): void {
    this.#watching.watch(user);
  }

  unwatch(user: UserId): void {
    this.#watching.unwatch(user);
  }

  stop(): void {
    this.#ticker.cancel();
    this.#resyncs.stop();
    this.#links.stop();
  }

  // --- links ---

  opened(link: PeerLink): void {
    this.#deliveries.opened(link);
    this.#announcements.opened(link);
    this.#watching.again(link);
  }

  closed(link: PeerLink): void {
    this.#deliveries.closed(link);
    this.#announcements.closed(link);
    for (const pending of this.#pending.all()) if (pending.owner === link.peer) pending.flow = 0;
  }

  /** The owner forgot this edge, and with it what it owed. */
  incomingReset(link: PeerLink): void {
    this.#deliveries.reset(link);
    this.#resyncAll();
  }

  /** The owner hears of it by the acknowledgement, and tells where its conversations stand; answers are asked for. */
  incomingLost(link: PeerLink): void {
    this.#sendAgain(link.peer);
  }

  outgoingReset(link: PeerLink): void {
    this.#announcements.lost(link);
    this.#announcements.again(link);
    this.#watching.again(link);
    this.#sendAgain(link.peer);
  }

  outgoingLost(link: PeerLink): void {
    this.#announcements.lost(link); // the owner asks for a snapshot
    this.#watching.again(link);
    this.#sendAgain(link.peer);
  }

  acknowledged(link: PeerLink, seq: number): void {
    this.#announcements.acknowledged(link, seq);
  }

  frame(link: PeerLink, bytes: Uint8Array, start: number, end: number): void {
    const type = bytes[start] as number;
    if (!this.#take(link, type, bytes, start, end))
      this.#links.complain(link.peer, `a frame of type 0x${type.toString(16)}`);
  }

  /** False: the frame is not understood. */
  #take(link: PeerLink, type: number, bytes: Uint8Array, start: number, end: number): boolean {
    switch (type) {
      case FRAME.ack:
        return this.#answer(link, readAck(bytes, start, end));
      case FRAME.page:
        return this.#answer(link, readPage(bytes, start, end));
      case FRAME.answer:
        return this.#answer(link, readAnswer(bytes, start, end));
      case FRAME.redirect:
        return this.#redirect(link, readRedirect(bytes, start, end));
      case FRAME.asked:
        return this.#asked(link, readAsked(bytes, start, end));
      case FRAME.resync:
        return this.#resync(readUsers(bytes, start, end));
      case FRAME.snapshotWanted:
        this.#announcements.again(link);
        return true;
      default:
        return this.#deliveries.take(link, type, bytes, start, end) ?? false;
    }
  }

  #resync(users: readonly UserId[] | undefined): boolean {
    if (users === undefined) return false;
    if (users.length === 0) this.#resyncAll();
    for (const user of users) this.#resyncs.add(user);
    return true;
  }

  #resyncAll(): void {
    for (const user of this.#announcements.users()) this.#resyncs.add(user);
  }

  // --- requests and their answers ---

  #answer(link: PeerLink, answered: TicketedAnswer | undefined): boolean {
    if (answered === undefined) return false;
    const { ticket, answer } = answered;
    const pending = this.#pending.get(ticket);
    // What one who is not its owner any more could not do, the present one may be doing.
    const isVoid = answer.t === 'error' && ERRORS[answer.code].retryable && pending?.owner !== link.peer;
    if (pending === undefined || isVoid) {
      this.#options.metrics.counts.lateAnswers++;
      return true;
    }
    if (this.#isForSuccessor(link.peer, answer)) {
      this.#options.metrics.counts.refusalsKept++;
      this.#sendLater(pending);
      return true;
    }
    if (answer.t === 'error' && ERRORS[answer.code].retryable) this.#pending.refused(pending);
    else if (answer.t === 'ack') this.#pending.acked(pending, answer.seq);
    else this.#pending.remove(pending);
    this.#options.edge.answer(pending.request, answer);
    return true;
  }

  /** One who lost touch with the store refuses all; who takes over may do it yet, before the request's deadline. */
  #isForSuccessor(owner: NodeId, answer: Answer): boolean {
    if (answer.t !== 'error' || (answer.code !== 'unavailable' && answer.code !== 'timed_out_unknown'))
      return false;
    return this.#options.isSilent?.(owner) === true;
  }

  #redirect(link: PeerLink, redirect: ReturnType<typeof readRedirect>): boolean {
    if (redirect === undefined) return false;
    const pending = this.#pending.get(redirect.ticket);
    if (pending === undefined || pending.owner !== link.peer) return true; // it was sent elsewhere already
    this.#options.metrics.counts.redirects++;
    const { conv } = pending.request;
    const isKnown = this.#routes.redirect(conv, redirect.owner);
    // Round and round, or to one who is not known yet: it is sent again soon.
    if (isKnown && ++pending.redirects <= this.#bounds.redirectsMax) this.#sendConversation(conv);
    else this.#sendLater(pending);
    return true;
  }

  /** Whoever asks, a request that has its answer is not to be done any more. */
  #asked(link: PeerLink, asked: ReturnType<typeof readAsked>): boolean {
    if (asked === undefined) return false;
    const [number, ticket] = asked;
    writeAwaited(link, number, this.#pending.get(ticket) !== undefined);
    return true;
  }

  #send(pending: Pending, owner: NodeId, isResend: boolean, base: number): void {
    const link = this.#links.get(owner);
    pending.owner = owner;
    pending.sentAt = this.#options.system.monotonic();
    pending.flow = 0;
    if (link === undefined) return; // at its next re-send, then
    writeRequest(link, pending.request, pending.ticket, isResend, base, pending.after);
    pending.flow = link.flow;
    pending.seq = link.openSeq;
    if (isResend) this.#options.metrics.counts.requestsResent++;
  }

  /** Soon: who is alive changes by the quarter of a second. */
  #sendLater(pending: Pending): void {
    const { resendAfterMs, redirectAgainMs } = this.#bounds;
    pending.flow = 0;
    pending.sentAt = this.#options.system.monotonic() - resendAfterMs + redirectAgainMs;
  }

  /** All that waits for this owner: something was lost. */
  #sendAgain(owner: NodeId): void {
    const convs = new Set<ConversationId>();
    for (const pending of this.#pending.all()) if (pending.owner === owner) convs.add(pending.request.conv);
    for (const conv of convs) this.#sendConversation(conv);
  }

  /** All unanswered ones of the conversation, in order. */
  #sendConversation(conv: ConversationId): void {
    const owner = this.#routes.ownerOf(conv);
    if (owner === undefined || !this.#options.bus.connected) return;
    for (const [pending, base] of this.#pending.ofConversation(conv)) this.#send(pending, owner, true, base);
  }

  #tick(): void {
    const now = this.#options.system.monotonic();
    const due = new Set<ConversationId>();
    for (const pending of this.#pending.all()) {
      const { request, submittedAt } = pending;
      if (now - submittedAt >= this.#bounds.requestDeadlineMs) this.#giveUp(pending);
      else if (isFleeting(request) && now - submittedAt >= this.#bounds.readKeptMs)
        this.#pending.remove(pending);
      else if (this.#isDue(pending, now)) due.add(request.conv);
    }
    for (const conv of due) this.#sendConversation(conv);
    this.#options.metrics.gauges.pendingRequests = this.#pending.size;
  }

  #isDue(pending: Pending, now: number): boolean {
    const owner = this.#routes.ownerOf(pending.request.conv);
    if (owner === undefined) return false;
    if (owner !== pending.owner) return true;
    const waited = now - pending.sentAt;
    if (waited < this.#bounds.resendAfterMs) return false;
    const link = this.#links.get(owner);
    const arrived = link !== undefined && pending.flow === link.flow && pending.seq <= link.acknowledgedSeq;
    return !arrived || waited >= this.#bounds.resendAcknowledgedAfterMs;
  }

  #giveUp(pending: Pending): void {
    this.#options.metrics.counts.deadlines++;
    this.#pending.refused(pending);
    const { request } = pending;
    if (pending.isWrite) {
      const message = 'No answer came in time: it may have happened; send it again with `retry`.';
      refuse(this.#options.edge, request, 'timed_out_unknown', message, UNAVAILABLE_RETRY_MS);
    } else {
      refuse(this.#options.edge, request, 'unavailable', 'No answer came in time.', UNAVAILABLE_RETRY_MS);
    }
  }
}
