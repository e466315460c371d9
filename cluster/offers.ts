import type { ConversationId, NodeId, Seq } from '../src/core/ids.ts';
import type { System } from '../src/core/ports.ts';
import type { HandOver } from '../src/core/rows.ts';

const OFFERS_MAX = 4_096;
const OFFERS_BYTES_MAX = 64 * 1024 * 1024;
/** A release follows its offer at once, or never. */
const KEPT_MS_MAX = 10_000;

/** What an owner that lets a conversation go says to the one it names: where a term stands at which it was settled. */
export interface Offer {
  readonly from: NodeId;
  /** Rises with each offer of its sender to this node. */
  readonly number: number;
  readonly conv: ConversationId;
  /** Of the term that the release begins. */
  readonly fence: number;
  readonly state: HandOver;
  readonly bytes: number;
}

interface Kept extends Offer {
  /** Monotonic ms. */
  readonly until: number;
}

/**
 * The offers made to this process. Each is used once, for exactly its (conversation, fence), when the owner row says
 * that the release took place; one that is not here any more only means that the conversation is recovered. An offer
 * that comes twice, or behind a later one of its sender, is none: its fence may have been begun here long since.
 */
export class Offers {
  readonly #system: Pick<System, 'monotonic'>;
  /** The oldest first. */
  readonly #kept = new Map<ConversationId, Kept>();
  /** The last number of each sender: never forgotten, and no more than there are nodes. */
  readonly #lastOf = new Map<NodeId, number>();
  #bytes = 0;

  constructor(system: Pick<System, 'monotonic'>) {
    this.#system = system;
  }

  get size(): number {
    return this.#kept.size;
  }

  add(offer: Offer): void {
    if (offer.number <= (this.#lastOf.get(offer.from) ?? 0)) return;
    this.#lastOf.set(offer.from, offer.number);
    this.drop(offer.conv);
    this.#kept.set(offer.conv, { ...offer, until: this.#system.monotonic() + KEPT_MS_MAX });
    this.#bytes += offer.bytes;
    for (const [conv, oldest] of this.#kept) {
      const isOver = this.#kept.size > OFFERS_MAX || this.#bytes > OFFERS_BYTES_MAX;
      if (!isOver && oldest.until > this.#system.monotonic()) break;
      this.drop(conv);
    }
  }

  /**
   * The offer of just this term, from `head`; whatever was offered of the conversation is gone afterwards. `mayRelease`:
   * whether the owner row can have come to be by that node's release, and not by this node's own claim from it.
   */
  take(
    conv: ConversationId,
    fence: number,
    head: Seq,
    mayRelease: (from: NodeId) => boolean,
  ): HandOver | undefined {
    const offer = this.#kept.get(conv);
    this.drop(conv);
    if (offer === undefined || offer.fence !== fence || offer.state.head !== head) return undefined;
    if (!mayRelease(offer.from)) return undefined;
    return offer.until > this.#system.monotonic() ? offer.state : undefined;
  }

  drop(conv: ConversationId): void {
    const offer = this.#kept.get(conv);
    if (offer === undefined) return;
    this.#kept.delete(conv);
    this.#bytes -= offer.bytes;
  }

  clear(): void {
    this.#kept.clear();
    this.#bytes = 0;
  }
}
