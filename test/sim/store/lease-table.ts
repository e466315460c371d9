import {
  type Beat,
  type Conditional,
  deadLease,
  type LeaseRow,
  type LeaseTable,
  type OwnerRow,
  type WriteOutcome,
} from '../../../src/core/cluster-ports.ts';
import type { ConversationId, NodeId, Seq } from '../../../src/core/ids.ts';
import type { Cell } from './cells.ts';
import type { Change, Paxos } from './paxos.ts';
import { LEASE_TIMEOUT_MS, type Route } from './route.ts';

const NODE_LEASE = 'node_lease';

/** The columns of a lease row, grouped as statements set them. */
const LEASE_GROUPS = {
  state: ({ node, state }: LeaseRow) => ({ node, state }),
  walked: ({ node, walked }: LeaseRow) => ({ node, walked }),
  name: ({ node, addr, roles }: LeaseRow) => ({ node, addr, roles }),
  beat: ({ node, hb, bus, dirtyFrom, draining, owned, moving, lag }: LeaseRow) => {
    return { node, hb, bus, dirtyFrom, draining, owned, moving, lag };
  },
} as const;
type LeaseGroup = keyof typeof LEASE_GROUPS;
const ALL_LEASE_GROUPS = Object.keys(LEASE_GROUPS) as LeaseGroup[];

type OwnerGroup = 'owner' | 'head';

/** node_lease, node_dirty and conv_owner as one process sees them. */
export class SimLeaseTable implements LeaseTable {
  readonly #route: Route;
  readonly #leases: Paxos<LeaseRow>;
  readonly #owners: Paxos<OwnerRow>;

  constructor(route: Route, leases: Paxos<LeaseRow>, owners: Paxos<OwnerRow>) {
    this.#route = route;
    this.#leases = leases;
    this.#owners = owners;
  }

  insertNode(row: LeaseRow): Promise<Conditional<LeaseRow>> {
    return this.#insert('insertNode', row);
  }
  heartbeat(node: NodeId, hb: number, beat: Beat): Promise<Conditional<LeaseRow>> {
    return this.#lease(
      'heartbeat',
      node,
      ['beat'],
      (row) => row?.state === 'live' && { ...row, ...beat, hb },
    );
  }
  markDead(node: NodeId, seen: number | 'dead'): Promise<Conditional<LeaseRow>> {
    return this.#lease(
      seen === 'dead' ? 'confirmDead' : 'markDead',
      node,
      ['state'],
      (row) =>
        row !== undefined && (seen === 'dead' ? row.state : row.hb) === seen && { ...row, state: 'dead' },
    );
  }
  insertDead(node: NodeId): Promise<Conditional<LeaseRow>> {
    return this.#insert('insertDead', deadLease(node));
  }
  markWalked(node: NodeId): Promise<Conditional<LeaseRow>> {
    return this.#lease('markWalked', node, ['walked'], (row) => {
      return row?.state === 'dead' && { ...row, walked: true };
    });
  }
  async nodes(): Promise<LeaseRow[]> {
    return leaseRows(await this.#route.read('nodes', { partition: NODE_LEASE }, LEASE_TIMEOUT_MS));
  }
  node(node: NodeId): Promise<LeaseRow | undefined> {
    return this.#route.serialRead('node', this.#leases, node, LEASE_TIMEOUT_MS);
  }
  async barrier(node: NodeId): Promise<LeaseRow | undefined> {
    const keys = ALL_LEASE_GROUPS.map((group) => `${group} ${node}`);
    return leaseRows(await this.#route.read('barrier', { partition: NODE_LEASE, keys }, LEASE_TIMEOUT_MS))[0];
  }

  owner(conv: ConversationId): Promise<OwnerRow | undefined> {
    return this.#route.serialRead('owner', this.#owners, conv);
  }
  async ownerOnce(conv: ConversationId): Promise<OwnerRow | undefined> {
    const cells = await this.#route.read('ownerOnce', { partition: `conv_owner ${conv}` });
    return cells.length === 0
      ? undefined
      : (Object.assign({}, ...cells.map(({ columns }) => columns)) as OwnerRow);
  }
  insertOwner(conv: ConversationId, owner: NodeId): Promise<Conditional<OwnerRow>> {
    return this.#own('insertOwner', conv, ['owner', 'head'], (row) => {
      return row === undefined && { owner, fence: 1, head: 0 };
    });
  }
  claim(conv: ConversationId, from: NodeId, fence: number, to: NodeId): Promise<Conditional<OwnerRow>> {
    return this.#own('claim', conv, ['owner'], (row) => {
      return row?.owner === from && row.fence === fence && { ...row, owner: to, fence: fence + 1 };
    });
  }
  release(
    conv: ConversationId,
    me: NodeId,
    fence: number,
    next: NodeId,
    head: Seq,
  ): Promise<Conditional<OwnerRow>> {
    return this.#own('release', conv, ['owner', 'head'], (row) => {
      return row?.owner === me && row.fence === fence && { owner: next, fence: fence + 1, head };
    });
  }

  async markDirty(
    node: NodeId,
    slot: number,
    marks: readonly { readonly conv: ConversationId; readonly fence: number }[],
  ): Promise<WriteOutcome> {
    if (marks.length === 0) return 'written';
    const ts = this.#route.system.now();
    const cells = marks.map(({ conv, fence }) => ({ key: conv, ts, columns: { conv, fence } }));
    return this.#route.write('markDirty', { partition: dirtyPartition(node, slot), cells });
  }
  async dirty(node: NodeId, slot: number): Promise<ConversationId[]> {
    const cells = await this.#route.read('dirty', { partition: dirtyPartition(node, slot) });
    return cells.map(({ key }) => key);
  }

  #insert(operation: string, row: LeaseRow): Promise<Conditional<LeaseRow>> {
    return this.#lease(operation, row.node, ALL_LEASE_GROUPS, (present) => present === undefined && row);
  }

  #lease(
    operation: string,
    node: NodeId,
    sets: readonly LeaseGroup[],
    next: (row: LeaseRow | undefined) => LeaseRow | false,
  ): Promise<Conditional<LeaseRow>> {
    const decide = (present: LeaseRow | undefined): Change<LeaseRow> | undefined => {
      const row = next(present);
      if (row === false) return undefined;
      const cell = (group: LeaseGroup, ts: number): Cell => {
        return { key: `${group} ${node}`, ts, columns: LEASE_GROUPS[group](row) };
      };
      return {
        row,
        mutation: (ballot) => ({ partition: NODE_LEASE, cells: sets.map((group) => cell(group, ballot)) }),
      };
    };
    const { client } = this.#route;
    return this.#route.change(this.#leases, { client, operation, key: node, decide }, LEASE_TIMEOUT_MS);
  }

  #own(
    operation: string,
    conv: ConversationId,
    sets: readonly OwnerGroup[],
    next: (row: OwnerRow | undefined) => OwnerRow | false,
  ): Promise<Conditional<OwnerRow>> {
    const decide = (present: OwnerRow | undefined): Change<OwnerRow> | undefined => {
      const row = next(present);
      if (row === false) return undefined;
      const { owner, fence, head } = row;
      const columns = { owner: { owner, fence }, head: { head } };
      return {
        row,
        mutation: (ts) => ({
          partition: `conv_owner ${conv}`,
          cells: sets.map((key) => ({ key, ts, columns: columns[key] })),
        }),
      };
    };
    const { client } = this.#route;
    return this.#route.change(this.#owners, { client, operation, key: conv, decide });
  }
}

function dirtyPartition(node: NodeId, slot: number): string {
  return `node_dirty ${node} ${slot}`;
}

/** Of cells in any order; a row of which no state is seen is none. */
function leaseRows(cells: readonly Cell[]): LeaseRow[] {
  const rows = new Map<NodeId, LeaseRow>();
  for (const { columns } of cells) {
    const group = columns as Partial<LeaseRow> & Pick<LeaseRow, 'node'>;
    rows.set(group.node, Object.assign(rows.get(group.node) ?? {}, group) as LeaseRow);
  }
  return [...rows.values()].filter(({ state }) => state !== undefined);
}
