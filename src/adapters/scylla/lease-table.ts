import type { types } from 'cassandra-driver';
import {
  type Beat,
  type Conditional,
  deadLease,
  type LeaseRow,
  type LeaseTable,
  type OwnerRow,
  type WriteOutcome,
} from '../../core/cluster-ports.ts';
import type { ConversationId, NodeId, Seq } from '../../core/ids.ts';
import { numberOf, u64Cell, uuidCell, uuidOf } from './cells.ts';
import type { Row, ScyllaClient } from './client.ts';
import { conditional } from './outcomes.ts';
import { PartitionBatches } from './partition-batches.ts';
import type { Params, Statement } from './statements.ts';

const LEASE_COLUMNS = 'node, state, hb, bus, addr, roles, dirty_from, walked, draining, owned, moving, lag';

const lease = (name: string, kind: Statement['kind'], cql: string): Statement => ({
  name,
  kind,
  cql,
  lease: true,
});

const INSERT_NODE = lease(
  'insertNode',
  'conditional',
  `INSERT INTO {ks}.node_lease (${LEASE_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
    IF NOT EXISTS`,
);
const HEARTBEAT = lease(
  'heartbeat',
  'conditional',
  `UPDATE {ks}.node_lease SET hb = ?, bus = ?, dirty_from = ?, draining = ?, owned = ?, moving = ?, lag = ?
    WHERE node = ? IF state = 'live'`,
);
const KILL = lease(
  'kill',
  'conditional',
  `UPDATE {ks}.node_lease SET state = 'dead' WHERE node = ? IF hb = ?`,
);
const CONFIRM_DEAD = lease(
  'confirmDead',
  'conditional',
  `UPDATE {ks}.node_lease SET state = 'dead' WHERE node = ? IF state = 'dead'`,
);
const MARK_WALKED = lease(
  'markWalked',
  'conditional',
  `UPDATE {ks}.node_lease SET walked = true WHERE node = ? IF state = 'dead'`,
);
const NODES = lease('nodes', 'read', `SELECT ${LEASE_COLUMNS} FROM {ks}.node_lease`);
const NODE_SERIAL = lease(
  'node',
  'serialRead',
  `SELECT ${LEASE_COLUMNS} FROM {ks}.node_lease WHERE node = ?`,
);
const BARRIER = lease('barrier', 'read', `SELECT ${LEASE_COLUMNS} FROM {ks}.node_lease WHERE node = ?`);

const OWNER: Statement = {
  name: 'owner',
  kind: 'serialRead',
  cql: 'SELECT owner, fence, head FROM {ks}.conv_owner WHERE conv = ?',
};
const OWNER_ONCE: Statement = { ...OWNER, name: 'ownerOnce', kind: 'read' };
const INSERT_OWNER: Statement = {
  name: 'insertOwner',
  kind: 'conditional',
  cql: 'INSERT INTO {ks}.conv_owner (conv, owner, fence, head) VALUES (?, ?, 1, 0) IF NOT EXISTS',
};
const CLAIM: Statement = {
  name: 'claim',
  kind: 'conditional',
  cql: 'UPDATE {ks}.conv_owner SET owner = ?, fence = ? WHERE conv = ? IF owner = ? AND fence = ?',
};
const RELEASE: Statement = {
  name: 'release',
  kind: 'conditional',
  cql: 'UPDATE {ks}.conv_owner SET owner = ?, fence = ?, head = ? WHERE conv = ? IF owner = ? AND fence = ?',
};

/** Marks expire with their slot: real timestamps, so that whole time windows can be dropped. */
const MARK_DIRTY: Statement = {
  name: 'markDirty',
  kind: 'write',
  cql: 'INSERT INTO {ks}.node_dirty (node, slot, conv, fence) VALUES (?, ?, ?, ?) USING TTL 604800',
};
const DIRTY: Statement = {
  name: 'dirty',
  kind: 'read',
  cql: 'SELECT conv FROM {ks}.node_dirty WHERE node = ? AND slot = ?',
};

const MARK_BYTES = 80;

/** node_lease, conv_owner and node_dirty. */
export class ScyllaLeaseTable implements LeaseTable {
  readonly #client: ScyllaClient;

  constructor(client: ScyllaClient) {
    this.#client = client;
  }

  insertNode(row: LeaseRow): Promise<Conditional<LeaseRow>> {
    const { node, state, hb, bus, addr, roles, dirtyFrom, walked, draining, owned, moving, lag } = row;
    const life = [uuidCell(node), state, u64Cell(hb), bus, addr, roles, u64Cell(dirtyFrom), walked];
    return this.#change(node, INSERT_NODE, [...life, draining, owned, moving, lag]);
  }

  heartbeat(node: NodeId, hb: number, beat: Beat): Promise<Conditional<LeaseRow>> {
    const { bus, dirtyFrom, draining, owned, moving, lag } = beat;
    const params = [u64Cell(hb), bus, u64Cell(dirtyFrom), draining, owned, moving, lag, uuidCell(node)];
    return this.#change(node, HEARTBEAT, params);
  }

  markDead(node: NodeId, seen: number | 'dead'): Promise<Conditional<LeaseRow>> {
    if (seen === 'dead') return this.#change(node, CONFIRM_DEAD, [uuidCell(node)]);
    return this.#change(node, KILL, [uuidCell(node), u64Cell(seen)]);
  }

  insertDead(node: NodeId): Promise<Conditional<LeaseRow>> {
    return this.insertNode(deadLease(node));
  }

  markWalked(node: NodeId): Promise<Conditional<LeaseRow>> {
    return this.#change(node, MARK_WALKED, [uuidCell(node)]);
  }

  async nodes(): Promise<LeaseRow[]> {
    return (await this.#client.read(NODES, [])).map(leaseRow);
  }

  node(node: NodeId): Promise<LeaseRow | undefined> {
    return this.#lease(NODE_SERIAL, node);
  }

  barrier(node: NodeId): Promise<LeaseRow | undefined> {
    return this.#lease(BARRIER, node);
  }

  owner(conv: ConversationId): Promise<OwnerRow | undefined> {
    return this.#owner(OWNER, conv);
  }

  ownerOnce(conv: ConversationId): Promise<OwnerRow | undefined> {
    return this.#owner(OWNER_ONCE, conv);
  }

  insertOwner(conv: ConversationId, owner: NodeId): Promise<Conditional<OwnerRow>> {
    return this.#own(conv, INSERT_OWNER, [uuidCell(conv), uuidCell(owner)]);
  }

  claim(conv: ConversationId, from: NodeId, fence: number, to: NodeId): Promise<Conditional<OwnerRow>> {
    const change = [uuidCell(to), u64Cell(fence + 1)];
    return this.#own(conv, CLAIM, [...change, uuidCell(conv), uuidCell(from), u64Cell(fence)]);
  }

  release(
    conv: ConversationId,
    me: NodeId,
    fence: number,
    next: NodeId,
    head: Seq,
  ): Promise<Conditional<OwnerRow>> {
    const change = [uuidCell(next), u64Cell(fence + 1), u64Cell(head)];
    return this.#own(conv, RELEASE, [...change, uuidCell(conv), uuidCell(me), u64Cell(fence)]);
  }

  async markDirty(
    node: NodeId,
    slot: number,
    marks: readonly { readonly conv: ConversationId; readonly fence: number }[],
  ): Promise<WriteOutcome> {
    const batches = new PartitionBatches();
    const [nodeCell, slotCell] = [uuidCell(node), u64Cell(slot)];
    for (const { conv, fence } of marks) {
      const params = [nodeCell, slotCell, uuidCell(conv), u64Cell(fence)];
      batches.addOne('', { statement: MARK_DIRTY, params }, MARK_BYTES);
    }
    return batches.write(this.#client);
  }

  async dirty(node: NodeId, slot: number): Promise<ConversationId[]> {
    const rows = await this.#client.read(DIRTY, [uuidCell(node), u64Cell(slot)]);
    return rows.map((row) => uuidOf(row.conv as types.Uuid));
  }

  #change(node: NodeId, statement: Statement, params: Params): Promise<Conditional<LeaseRow>> {
    return conditional(this.#client, statement, params, () => this.node(node));
  }

  #own(conv: ConversationId, statement: Statement, params: Params): Promise<Conditional<OwnerRow>> {
    return conditional(this.#client, statement, params, () => this.owner(conv));
  }

  async #owner(statement: Statement, conv: ConversationId): Promise<OwnerRow | undefined> {
    const row = await this.#client.first(statement, [uuidCell(conv)]);
    return row && ownerRow(row);
  }

  async #lease(statement: Statement, node: NodeId): Promise<LeaseRow | undefined> {
    const row = await this.#client.first(statement, [uuidCell(node)]);
    return row && leaseRow(row);
  }
}

function leaseRow(row: Row): LeaseRow {
  return {
    node: uuidOf(row.node as types.Uuid),
    state: row.state as LeaseRow['state'],
    hb: numberOf(row.hb as types.Long),
    bus: row.bus as boolean,
    addr: row.addr as string,
    roles: row.roles as string,
    dirtyFrom: numberOf(row.dirty_from as types.Long),
    walked: row.walked as boolean,
    // Rows of before these columns have none.
    draining: row.draining === true,
    owned: (row.owned as number | null) ?? 0,
    moving: (row.moving as number | null) ?? 0,
    lag: (row.lag as number | null) ?? 0,
  };
}

function ownerRow(row: Row): OwnerRow {
  return {
    owner: uuidOf(row.owner as types.Uuid),
    fence: numberOf(row.fence as types.Long),
    head: numberOf(row.head as types.Long),
  };
}
