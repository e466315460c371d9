import type { UserId } from '../../src/core/ids.ts';
import type { EdgeLink } from '../../src/core/ports.ts';
import type { Audience, Delivery, StateDelivery } from '../../src/core/requests.ts';
import type { PeerBounds } from './bounds.ts';
import {
  eventSet,
  isEvent,
  readCursor,
  readEntry,
  readEvent,
  readForget,
  readHead,
  readReceipt,
  readSet,
  readTyping,
} from './delivery-codec.ts';
import { FRAME } from './frame.ts';
import type { PeerLink } from './peer-link.ts';
import type { PeerMetrics } from './peer-metrics.ts';
import { readSettings, readState } from './presence-codec.ts';

export interface DeliveriesOptions {
  /** The edge's id. */
  readonly id: string;
  readonly edge: EdgeLink;
  readonly metrics: PeerMetrics;
  readonly bounds: Pick<PeerBounds, 'audiencesMax'>;
  /** Whether the node at the other end is the one that was asked about the user. */
  readonly isAsked: (link: PeerLink, user: UserId) => boolean;
}

/** What owners deliver, read and handed to the edge. */
export class Deliveries {
  readonly #o: DeliveriesOptions;
  /** The recipient sets of each owner, by their numbers. */
  readonly #sets = new Map<PeerLink, Map<number, Audience>>();

  constructor(options: DeliveriesOptions) {
    this.#o = options;
  }

  opened(link: PeerLink): void {
    this.#sets.set(link, new Map());
  }

  closed(link: PeerLink): void {
    this.#sets.delete(link);
  }

  /** The owner forgot this edge, and with it the sets. */
  reset(link: PeerLink): void {
    this.#sets.get(link)?.clear();
  }

  /** undefined: the frame is no delivery. False: it is one that is not understood. */
  take(link: PeerLink, type: number, bytes: Uint8Array, start: number, end: number): boolean | undefined {
    switch (type) {
      case FRAME.event:
        return this.#event(link, bytes, start, end);
      case FRAME.receipt:
        return this.#receipt(link, readReceipt(bytes, start, end));
      case FRAME.typing:
        return this.#typing(link, readTyping(bytes, start, end));
      case FRAME.set:
        return this.#set(link, readSet(bytes, start, end));
      case FRAME.forget:
        return this.#forget(link, readForget(bytes, start, end));
      case FRAME.head:
        return this.#deliver(readHead(bytes, start, end));
      case FRAME.entry:
        return this.#deliver(readEntry(bytes, start, end));
      case FRAME.cursor:
        return this.#deliver(readCursor(bytes, start, end));
      case FRAME.settings:
        return this.#settings(link, readSettings(bytes, start, end));
      case FRAME.state:
        return this.#state(link, readState(this.#o.id, bytes, start, end));
      default:
        return undefined;
    }
  }

  #event(link: PeerLink, bytes: Uint8Array, start: number, end: number): boolean {
    if (!isEvent(bytes, start, end)) return false;
    const audience = this.#audienceOf(link, eventSet(bytes, start));
    if (audience !== undefined) this.#o.edge.deliver(readEvent(this.#o.id, audience, bytes, start, end));
    return true;
  }

  #receipt(link: PeerLink, receipt: ReturnType<typeof readReceipt>): boolean {
    if (receipt === undefined) return false;
    const { set, items } = receipt;
    const audience = this.#audienceOf(link, set);
    if (audience !== undefined) this.#o.edge.deliver({ t: 'receipt', conv: audience.conv, audience, items });
    return true;
  }

  #typing(link: PeerLink, typing: ReturnType<typeof readTyping>): boolean {
    if (typing === undefined) return false;
    const { set, user, on } = typing;
    const audience = this.#audienceOf(link, set);
    if (audience !== undefined)
      this.#o.edge.deliver({ t: 'typing', conv: audience.conv, audience, user, on });
    return true;
  }

  /** undefined: the set was lost with a part of the flow; the owner will tell of the conversation again. */
  #audienceOf(link: PeerLink, set: number): Audience | undefined {
    const audience = this.#sets.get(link)?.get(set);
    if (audience === undefined) this.#o.metrics.counts.unknownSets++;
    return audience;
  }

  #set(link: PeerLink, set: ReturnType<typeof readSet>): boolean {
    const sets = this.#sets.get(link);
    if (set === undefined || sets === undefined) return false;
    sets.delete(set.replaces);
    if (sets.size >= this.#o.bounds.audiencesMax) return false; // more than an owner keeps
    sets.set(set.number, set.audience);
    return true;
  }

  #forget(link: PeerLink, number: number | undefined): boolean {
    if (number === undefined) return false;
    this.#sets.get(link)?.delete(number);
    return true;
  }

  #settings(link: PeerLink, delivery: ReturnType<typeof readSettings>): boolean {
    link.beacon(); // the answer to the request for them waits for this
    return this.#deliver(delivery);
  }

  #state(link: PeerLink, delivery: StateDelivery | undefined): boolean {
    if (delivery === undefined) return false;
    if (this.#o.isAsked(link, delivery.state.user)) this.#o.edge.deliver(delivery);
    return true;
  }

  #deliver(delivery: Delivery | undefined): boolean {
    if (delivery === undefined) return false;
    this.#o.edge.deliver(delivery);
    return true;
  }
}
