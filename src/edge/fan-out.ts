import type { ConversationId } from '../core/ids.ts';
import type { Delivery, EntryDelivery, HeadDelivery, MessageDelivery } from '../core/requests.ts';
import type { Audiences, LocalAudience } from './audiences.ts';
import type { Backlog } from './backlog.ts';
import type { EdgeBounds } from './bounds.ts';
import type { EdgeMetrics } from './edge-metrics.ts';
import type { Registry } from './registry.ts';
import { EventFrames } from './replies.ts';
import type { Session } from './session.ts';
import type { SocketServer } from './socket.ts';
import type { TurnWriter } from './turn-writer.ts';

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
}

/** Brings what owners deliver to the local sessions: encoded once per event and subprotocol. */
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
        return this.#toUser(delivery.user, delivery.conv, delivery);
      case 'conversation':
        return this.#toUser(delivery.user, delivery.entry.conv, delivery);
    }
  }

  #message(delivery: MessageDelivery): void {
    const { audiences, metrics, registry, id, backlog } = this.#options;
    const local = audiences.of(delivery.audience);
    if (delivery.seq <= local.lastSeq) return; // a repetition
    local.lastSeq = delivery.seq;
    local.lastN = delivery.n;
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

  #toUser(user: string, conv: ConversationId, delivery: HeadDelivery | EntryDelivery): void {
    const { registry, backlog, audiences } = this.#options;
    const account = registry.account(user);
    if (account === undefined) return;
    const frames = new EventFrames(delivery);
    for (let i = account.sessions.length - 1; i >= 0; i--) {
      const session = account.sessions[i] as Session;
      if (session.mode !== 'push' || session.marks?.has(conv) === true) {
        backlog.miss(session, delivery);
      } else if (delivery.t === 'conversation' || session.hasSeen(conv)) {
        if (!this.#push(session, frames, conv) || delivery.t === 'head') continue;
        backlog.show(session, conv);
        audiences.placeIn(session, conv);
      } else {
        backlog.miss(session, delivery);
      }
    }
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
