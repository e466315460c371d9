import HashRing from 'hashring';
import { hashText } from '../src/core/hash.ts';
import type { LeaseRow } from '../src/core/cluster-ports.ts';
import type { ConversationId, NodeId } from '../src/core/ids.ts';

export const PARTITIONS = 4_096;
const VIRTUAL_NODES = 128;

/**
 * Who should own a conversation: conversation -> partition -> one of the nodes given. All who are given the same
 * nodes say the same; one more or less moves about 1/n of the partitions. Who does own it, leases say.
 */
export class Ring {
  readonly nodes: readonly NodeId[];
  readonly #ring: HashRing | undefined;
  /** Filled as they are asked for. */
  readonly #owners: (NodeId | undefined)[] = [];

  constructor(nodes: readonly NodeId[]) {
    this.nodes = [...nodes].sort();
    this.#ring =
      this.nodes.length === 0
        ? undefined
        : new HashRing(this.nodes, 'md5', { 'vnode count': VIRTUAL_NODES, replicas: 1, 'max cache size': 1 });
  }

  /** undefined: there are no nodes. */
  ownerOf(conv: ConversationId): NodeId | undefined {
    return this.#ownerOf(hashText(conv) % PARTITIONS);
  }

  #ownerOf(partition: number): NodeId | undefined {
    return (this.#owners[partition] ??= this.#ring?.get(`partition ${partition}`));
  }

  /** How many partitions are each node's, in the order of `nodes`. */
  get shares(): number[] {
    const owners = Array.from({ length: PARTITIONS }, (_, partition) => this.#ownerOf(partition));
    return this.nodes.map((node) => owners.filter((owner) => owner === node).length);
  }

  /** Whether it is the ring of just these nodes. */
  isOf(nodes: readonly NodeId[]): boolean {
    return nodes.length === this.nodes.length && nodes.every((node) => this.nodes.includes(node));
  }
}

/** A node that comes to others owns nothing before so many heartbeats: the lease timeout and the take-overs behind it … */
const BEATS_MIN = 6;
/** … unless it is hardly younger than the eldest: nodes that start together share from the start. */
const YOUNGER_MAX = 4;

/**
 * Of the nodes that live, those who are to own: all but the draining ones and those who have just come, unless that
 * would be nobody. A node that died and was started again would else be given what others are about to take over.
 */
export function ringNodes(live: readonly LeaseRow[]): NodeId[] {
  const staying = live.filter((row) => !row.draining);
  const candidates = staying.length > 0 ? staying : live;
  const eldest = Math.max(...candidates.map((row) => row.hb));
  const beatsMin = Math.min(BEATS_MIN, eldest - YOUNGER_MAX);
  return candidates.filter((row) => row.hb >= beatsMin).map((row) => row.node);
}
