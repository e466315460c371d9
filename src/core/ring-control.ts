import type { ConversationId, NodeId, Seq } from './ids.ts';

/** live: it beats. silent: its heartbeat stands still. A dead node is shown until what it owned is looked after. */
export type RingNodeState = 'live' | 'draining' | 'silent' | 'dead';

export interface RingNode {
  readonly node: NodeId;
  readonly state: RingNodeState;
  /** Since its heartbeat last changed, as the answering node saw it. */
  readonly beatAgeMs: number;
  /** Where its admin port answers; '' if nowhere. */
  readonly addr: string;
  /** Partitions of conversations that the ring gives it, of all `partitions`. */
  readonly partitions: number;
  /** Conversations in its memory, by its last heartbeat. */
  readonly owned: number;
  /** Those of them that the ring gives to others: hand-overs to come or under way. */
  readonly moving: number;
  /** Those whose inbox rows, or whose members, are behind. */
  readonly lag: number;
  /** Of a dead node: whether all that it may not have told was told. */
  readonly walked: boolean;
}

export interface RingStatus {
  /** The node that answers, an edge or a sequencer. */
  readonly from: NodeId;
  readonly leaseTimeoutMs: number;
  /** Partitions of the ring. */
  readonly partitions: number;
  /** Live ones first, by id; dead ones that nobody need look after any more are left out. */
  readonly nodes: readonly RingNode[];
}

export interface RingOwner {
  readonly conv: ConversationId;
  /** Who does own it, by the owner table; undefined: there is no such conversation. */
  readonly owner: NodeId | undefined;
  readonly fence: number;
  /** A committed seq, from which its log is looked at. */
  readonly head: Seq;
  /** Who should, by the ring; undefined: no sequencer lives. */
  readonly shouldOwn: NodeId | undefined;
}

/** `refused` says in words why it can't be, and what would help. */
export type RingAnswer = { readonly t: 'done' } | { readonly t: 'refused'; readonly message: string };

/** What an operator asks of the ring, of any node. */
export interface RingControl {
  status(): RingStatus;
  /** Rejects with StoreUnavailable. */
  owner(conv: ConversationId): Promise<RingOwner>;
  /** Has the node hand over all that it owns. Asked for over the bus: it shows in `status`, and may be repeated. */
  drain(node: NodeId): RingAnswer;
  undrain(node: NodeId): RingAnswer;
  /** Marks a silent node dead at once, or a dead one as looked after. Rejects with StoreUnavailable. */
  forget(node: NodeId): Promise<RingAnswer>;
}
