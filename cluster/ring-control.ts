import type { Bus, LeaseRow, LeaseTable } from '../src/core/cluster-ports.ts';
import type { ConversationId, NodeId } from '../src/core/ids.ts';
import type {
  RingAnswer,
  RingControl,
  RingNode,
  RingNodeState,
  RingOwner,
  RingStatus,
} from '../src/core/ring-control.ts';
import { NodeMail } from './node-mail.ts';
import { PARTITIONS, type Ring } from './ring.ts';
import type { Watcher } from './watcher.ts';

export interface NodeRingControlOptions {
  /** The id of this process: that of its sequencer's term, or of its edge. */
  readonly me: () => NodeId;
  readonly leases: LeaseTable;
  readonly watcher: Watcher;
  readonly ring: () => Ring;
  readonly leaseTimeoutMs: number;
  readonly bus: Bus;
  /** Of this process's own sequencer: it does not hear what it publishes itself. */
  readonly drainSelf?: (isWanted: boolean) => void;
}

const DONE: RingAnswer = { t: 'done' };
const ORDER: readonly RingNodeState[] = ['live', 'draining', 'silent', 'dead'];

/** The ring as a node sees it in the leases, and what an operator may do about it. */
export class NodeRingControl implements RingControl {
  readonly #o: NodeRingControlOptions;
  readonly #mail: NodeMail;

  constructor(options: NodeRingControlOptions) {
    this.#o = options;
    this.#mail = new NodeMail(options.bus, '');
  }

  status(): RingStatus {
    const { me, ring, watcher, leaseTimeoutMs } = this.#o;
    const { nodes, shares } = ring();
    const shown = watcher.rows.filter((row) => row.state === 'live' || !row.walked);
    return {
      from: me(),
      leaseTimeoutMs,
      partitions: PARTITIONS,
      nodes: shown.map((row) => this.#node(row, shares[nodes.indexOf(row.node)] ?? 0)).sort(inOrder),
    };
  }

  async owner(conv: ConversationId): Promise<RingOwner> {
    const row = await this.#o.leases.owner(conv);
    const shouldOwn = this.#o.ring().ownerOf(conv);
    return { conv, owner: row?.owner, fence: row?.fence ?? 0, head: row?.head ?? 0, shouldOwn };
  }

  drain(node: NodeId): RingAnswer {
    const row = this.#o.watcher.get(node);
    if (row === undefined || row.state === 'dead') return this.#notLive(node, row);
    const others = this.#o.watcher.live.filter((other) => other.node !== node && !other.draining);
    if (others.length === 0) {
      const message = `no other node lives that is not draining: start one, then drain ${node}`;
      return { t: 'refused', message };
    }
    this.#tell(node, true);
    return DONE;
  }

  undrain(node: NodeId): RingAnswer {
    const row = this.#o.watcher.get(node);
    if (row === undefined || row.state === 'dead') return this.#notLive(node, row);
    this.#tell(node, false);
    return DONE;
  }

  async forget(node: NodeId): Promise<RingAnswer> {
    const { leases, watcher } = this.#o;
    const row = await leases.node(node);
    if (row === undefined) return this.#notLive(node, row);
    if (row.state === 'live') {
      // Only for the heartbeat that was seen to stand still: one that beats meanwhile stays.
      if (watcher.get(node)?.hb !== row.hb || !watcher.isSilent(node)) {
        return { t: 'refused', message: `${node} is alive: drain and stop it, it needs no forgetting then` };
      }
      const killed = await leases.markDead(node, row.hb);
      return killed.t === 'applied' ? DONE : unsure(node);
    }
    const walked = await leases.markWalked(node);
    return walked.t === 'applied' ? DONE : unsure(node);
  }

  #node(row: LeaseRow, partitions: number): RingNode {
    const { node, addr, owned, moving, lag, walked } = row;
    const isLive = row.state === 'live';
    const load = isLive ? { owned, moving, lag } : { owned: 0, moving: 0, lag: 0 };
    const beatAgeMs = this.#o.watcher.beatAgeMs(node);
    let state: RingNodeState = 'live';
    if (!isLive) state = 'dead';
    else if (this.#o.watcher.isSilent(node)) state = 'silent';
    else if (row.draining) state = 'draining';
    return { node, state, beatAgeMs, addr, partitions, ...load, walked };
  }

  #tell(node: NodeId, isWanted: boolean): void {
    const { me, drainSelf } = this.#o;
    if (node === me() && drainSelf !== undefined) drainSelf(isWanted);
    else this.#mail.drain(node, isWanted);
  }

  #notLive(node: NodeId, row: LeaseRow | undefined): RingAnswer {
    return {
      t: 'refused',
      message: row === undefined ? `there is no node ${node}` : `${node} is dead: others own what it owned`,
    };
  }
}

function unsure(node: NodeId): RingAnswer {
  return { t: 'refused', message: `${node} has just changed, or the store did not answer: look again` };
}

function inOrder(a: RingNode, b: RingNode): number {
  const byState = ORDER.indexOf(a.state) - ORDER.indexOf(b.state);
  return byState !== 0 ? byState : a.node < b.node ? -1 : 1;
}
