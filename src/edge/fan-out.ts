import type { Entry } from '../core/entry.ts';
import type { ConversationId, UserId } from '../core/ids.ts';
import type {
  CursorDelivery,
  Delivery,
  EntryDelivery,
  HeadDelivery,
  MessageDelivery,
  ReceiptDelivery,
  TypingDelivery,
} from '../core/requests.ts';
import type { Audiences, LocalAudience } from './audiences.ts';
import type { Badges } from './badges.ts';
import type { Backlog } from './backlog.ts';
import type { EdgeBounds } from './bounds.ts';
import type { EdgeMetrics } from './edge-metrics.ts';
import type { Registry } from './registry.ts';
import { EventFrames } from './replies.ts';
import type { Session } from './session.ts';
import type { SettingsNews } from './settings.ts';
import type { SocketServer } from './socket.ts';
import type { TurnWriter } from './turn-writer.ts';
import type { Watches } from './watches.ts';

/** The slice of a socket server that topics need. */
export type Publisher = Pick<SocketServer, 'publish'>;

export interface FanOutOptions {
  /** The edge's id. */
  readonly id: string;
  readonly metrics: EdgeMetrics;
  readonly bounds: EdgeBounds;
  readonly registry: Registry;
  readonly audiences: Audiences;
  readonly backlog: Backlog;
  readonly writer: TurnWriter;
  readonly settings: SettingsNews;
  readonly badges: Badges;
  readonly watches: Watches;
}

const NOBODY: readonly Session[] = [];

/**
 * Brings what owners deliver to the local sessions: encoded once per event and subprotocol. What one owner delivers
 * comes in order, but owners follow one another, and the last words of one may come after its successor's first: no
 * event goes out after a later one, nor a `head` to those who know it, nor a membership that is over. A jump in an
 * event's seq goes out as it is (the flow below has tried to repair it), and has the client fetch.
 */
export class FanOut {
  readonly #options: FanOutOptions;
  /** Set once sockets are served; until then every event goes socket by socket. */
  publisher: Publisher | undefined;

  constructor(options: FanOutOptions) {
    this.#options = options;
  }

  deliver(delivery: Delivery): void {
    switch (delivery.t) {
      case 'message':
        return this.#message(delivery);
      case 'head':
        return this.#head(delivery, this.#sessionsOf(delivery.user));
      case 'conversation':
        return this.#entry(delivery, this.#sessionsOf(delivery.user));
      case 'receipt':
      case 'typing':
        return this.#aside(delivery);
      case 'cursor':
        return this.#cursor(delivery);
      case 'settings':
        return this.#options.settings.told(delivery);
      case 'state':
        return this.#options.watches.state(delivery.state);
    }
  }

  /**
   * Brings a session up to date with its inbox: `isReshaped` where more than the head may be news. What the row shows
   * may be older than what the session knows.
   */
  refresh(session: Session, entry: Entry, isReshaped: boolean): void {
    const { user } = session;
    const { conv, removed, head: seq, n, unread } = entry;
    const sessions = [session];
    if (this.#isOutdated(user, entry)) return;
    if (isReshaped || !session.hasSeen(conv)) this.#entry({ t: 'conversation', user, entry }, sessions);
    if (removed === undefined && seq > 0) this.#head({ t: 'head', conv, user, seq, n, unread }, sessions);
  }

  #message(delivery: MessageDelivery): void {
    const { audiences, metrics, registry, id, backlog } = this.#options;
    const local = audiences.forwarding(delivery);
    if (local === undefined) return; // a repetition
    metrics.counts.deliveries++;
    const sender =
      delivery.exceptSession !== 0 && delivery.exceptEdge === id
        ? registry.get(delivery.exceptSession)
        : undefined;
    // Backwards, since one that is turned to pull leaves the list; and those who join the other list have been told.
    for (let i = local.aside.length - 1; i >= 0; i--) {
      const session = local.aside[i] as Session;
      if (session !== sender) backlog.miss(session, delivery);
    }
    if (local.push.length === 0) return;
    if (local.isTopic) this.#options.writer.fence(local.push, delivery.conv, sender);
    // The fence may have turned so many to pull that the topic ended.
    if (local.isTopic && this.publisher !== undefined) this.#publish(this.publisher, local, delivery, sender);
    else this.#writeEach(local, delivery, sender);
  }

  #writeEach(local: LocalAudience, delivery: MessageDelivery, sender: Session | undefined): void {
    const frames = new EventFrames(delivery);
    for (let i = local.push.length - 1; i >= 0; i--) {
      const session = local.push[i] as Session;
      if (session !== sender) this.#push(session, frames, delivery.conv);
    }
  }

  #publish(
    publisher: Publisher,
    local: LocalAudience,
    delivery: MessageDelivery,
    sender: Session | undefined,
  ): void {
    const { metrics } = this.#options;
    const { conv } = delivery;
    const fromSocket = sender?.mode === 'push' && local.push.includes(sender) ? sender : undefined;
    const frames = new EventFrames(delivery);
    if (local.jsonSessions < local.push.length) {
      metrics.counts.framesOut++;
      if (fromSocket?.isJson === false) fromSocket.socket.publish(conv, frames.binary.bytes);
      else publisher.publish(conv, frames.binary.bytes, 'binary');
    }
    if (local.jsonSessions > 0) {
      metrics.counts.framesOut++;
      if (fromSocket?.isJson === true) fromSocket.socket.publish(conv, frames.json.bytes);
      else publisher.publish(conv, frames.json.bytes, 'json');
    }
  }

  /** To those who do not know it yet. */
  #head(delivery: HeadDelivery, sessions: readonly Session[]): void {
    const { audiences } = this.#options;
    const { conv, seq } = delivery;
    const frames = new EventFrames(delivery);
    for (let i = sessions.length - 1; i >= 0; i--) {
      const session = sessions[i] as Session;
      if (!audiences.knows(session, conv, seq)) this.#tell(session, frames, conv);
    }
  }

  #entry(delivery: EntryDelivery, sessions: readonly Session[]): void {
    const { user, entry } = delivery;
    const { conv, removed } = entry;
    if (sessions.length === 0 || this.#isOutdated(user, entry)) return;
    const { audiences, badges } = this.#options;
    badges.changed(user, conv);
    const local = audiences.get(conv);
    if (local !== undefined && removed !== undefined) audiences.leave(local, user);
    const isBehind = local !== undefined && entry.head < local.lastSeq && audiences.includes(local, user);
    const frames = new EventFrames(delivery);
    const head = isBehind ? new EventFrames(headOf(delivery, local)) : undefined;
    for (let i = sessions.length - 1; i >= 0; i--) {
      const session = sessions[i] as Session;
      this.#tell(session, frames, conv);
      // The entry's numbers are older than what was forwarded; the rest of it may be news.
      if (head !== undefined) this.#tell(session, head, conv);
    }
  }

  #cursor(delivery: CursorDelivery): void {
    const { conv, user } = delivery;
    const frames = new EventFrames(delivery);
    for (const session of [...this.#sessionsOf(user)])
      if (session.hasSeen(conv)) this.#tell(session, frames, conv);
  }

  /**
   * What is no event of the log, to whom was shown the conversation. An audience of before the last event's brings
   * nobody back.
   */
  #aside(delivery: ReceiptDelivery | TypingDelivery): void {
    const { audiences } = this.#options;
    const { conv, audience } = delivery;
    const local = audiences.get(conv);
    const isPast = local !== undefined && audience.version < local.audience.version;
    const frames = new EventFrames(delivery);
    for (const user of audience.users) {
      const isTyping = delivery.t === 'typing' && delivery.user === user;
      if (isTyping || (isPast && !audiences.includes(local, user))) continue;
      for (const session of [...this.#sessionsOf(user)])
        if (session.hasSeen(conv)) this.#tell(session, frames, conv);
    }
  }

  /**
   * Whether an entry certainly is of before what was forwarded: an owner's entries have its head, so a member who is
   * not among the recipients of an event beyond it was removed since, or is told of it anew; one who is among them
   * came back after a removal before it.
   */
  #isOutdated(user: UserId, { conv, head, removed }: Entry): boolean {
    const { audiences } = this.#options;
    const local = audiences.get(conv);
    if (local === undefined) return false;
    if (audiences.includes(local, user)) return removed !== undefined && removed <= local.lastSeq;
    return removed === undefined && head < local.lastSeq;
  }

  #tell(session: Session, frames: EventFrames, conv: ConversationId): void {
    const { backlog, audiences } = this.#options;
    const { delivery } = frames;
    if (session.mode !== 'push' || session.marks?.has(conv) === true) {
      backlog.miss(session, delivery);
    } else if (delivery.t === 'conversation' || session.hasSeen(conv)) {
      if (!this.#push(session, frames, conv) || delivery.t !== 'conversation') return;
      backlog.show(session, conv);
      audiences.placeIn(session, conv);
    } else {
      backlog.miss(session, delivery);
    }
  }

  #sessionsOf(user: UserId): readonly Session[] {
    return this.#options.registry.account(user)?.sessions ?? NOBODY;
  }

  /** Queues an event; false: it was too much for one turn, and the session is turned to pull. */
  #push(session: Session, frames: EventFrames, conv: ConversationId): boolean {
    const { writer, backlog, bounds } = this.#options;
    if (session.outBytes > bounds.turnEventBytesMax) {
      backlog.turnToPull(session);
      backlog.miss(session, frames.delivery);
      return false;
    }
    writer.queue(session, frames.for(session), conv);
    return true;
  }
}

/** Where the conversation of an entry stands by what was forwarded. */
function headOf({ user, entry }: EntryDelivery, { lastSeq, lastN }: LocalAudience): HeadDelivery {
  const readN = entry.n - entry.unread;
  return {
    t: 'head',
    conv: entry.conv,
    user,
    seq: lastSeq,
    n: lastN,
    unread: Math.max(0, lastN - readN),
  };
}
