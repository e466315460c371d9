import type { RingNode, RingNodeState, RingStatus } from '../../core/ring-control.ts';
import { printable, table } from '../output.ts';
import type { FoundOwner } from './ring-admin.ts';

/** The ring for people, and what of it is computed. */

const STATES: readonly RingNodeState[] = ['live', 'draining', 'silent', 'dead'];
const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const HOUR_MS = 60 * MINUTE_MS;

export function statusText(status: RingStatus): string {
  const head = ['node', 'state', 'heartbeat', 'address', 'partitions', 'owned', 'moving', 'lag'];
  const rows = status.nodes.map((node) => [
    node.node,
    node.state === 'dead' && node.walked ? 'dead, looked after' : node.state,
    age(node.beatAgeMs),
    node.addr,
    count(node.partitions),
    count(node.owned),
    count(node.moving),
    count(node.lag),
  ]);
  return `${cells([head, ...rows])}\n\n${totals(status)}`;
}

function totals({ from, partitions, leaseTimeoutMs, nodes }: RingStatus): string {
  const states = STATES.map((state) => [nodes.filter((node) => node.state === state).length, state] as const)
    .filter(([many]) => many > 0)
    .map(([many, state]) => `${many} ${state}`);
  return printable(
    `${nodes.length} ${nodes.length === 1 ? 'node' : 'nodes'}${states.length > 0 ? ` (${states.join(', ')})` : ''}, ` +
      `${count(partitions)} partitions; ${count(sum(nodes, 'owned'))} conversations owned, ` +
      `${count(sum(nodes, 'moving'))} moving, ${count(sum(nodes, 'lag'))} behind.\n` +
      `As ${from} sees it; a node that is silent for ${leaseTimeoutMs / SECOND_MS} s is taken for dead.`,
  );
}

export function ownerText({ conv, owner, fence, head, shouldOwn }: FoundOwner): string {
  return cells([
    ['conversation', 'owner', 'fence', 'head', 'should own'],
    [conv, owner ?? '', String(fence), String(head), shouldOwn ?? 'nobody lives'],
  ]);
}

/** What a node owns now, and what once every conversation is where the ring wants it. */
export interface Share {
  readonly node: string;
  readonly state: RingNodeState;
  readonly partitions: number;
  readonly owned: number;
  readonly moving: number;
  /** 0 to 1, of all conversations that are in memory anywhere. */
  readonly shareNow: number;
  readonly shareAfter: number;
  /** About, as if conversations were spread evenly over the partitions. */
  readonly ownedAfter: number;
}

export function shares({ partitions, nodes }: RingStatus): readonly Share[] {
  const all = sum(nodes, 'owned');
  return nodes.map(({ node, state, partitions: own, owned, moving }) => {
    const shareAfter = partitions > 0 ? own / partitions : 0;
    const shareNow = all > 0 ? owned / all : 0;
    const ownedAfter = Math.round(all * shareAfter);
    return { node, state, partitions: own, owned, moving, shareNow, shareAfter, ownedAfter };
  });
}

export function sharesText(status: RingStatus): string {
  const head = ['node', 'state', 'partitions', 'owned', 'share', 'moving', 'owned after', 'share after'];
  const rows = shares(status).map((share) => [
    share.node,
    share.state,
    count(share.partitions),
    count(share.owned),
    percent(share.shareNow),
    count(share.moving),
    `~${count(share.ownedAfter)}`,
    percent(share.shareAfter),
  ]);
  const moving = sum(status.nodes, 'moving');
  const end =
    moving === 0
      ? 'Nothing is to be moved: every conversation is where the ring wants it.'
      : `${count(moving)} of ${count(sum(status.nodes, 'owned'))} conversations are to be moved, or are being moved now.`;
  return `${cells([head, ...rows])}\n\n${end}`;
}

/** The node's address and ids are another's text. */
function cells(rows: readonly (readonly string[])[]): string {
  return table(rows.map((row) => row.map((cell) => printable(cell).replaceAll('\n', ' '))));
}

function sum(nodes: readonly RingNode[], what: 'owned' | 'moving' | 'lag'): number {
  return nodes.reduce((total, node) => total + node[what], 0);
}

export function count(value: number): string {
  return value.toLocaleString('en');
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

/** `0.4 s`, `12 s`, `3 min`, `5 h`. */
export function age(ms: number): string {
  if (ms < 10 * SECOND_MS) return `${(ms / SECOND_MS).toFixed(1)} s`;
  if (ms < 2 * MINUTE_MS) return `${Math.round(ms / SECOND_MS)} s`;
  return ms < 2 * HOUR_MS ? `${Math.round(ms / MINUTE_MS)} min` : `${Math.round(ms / HOUR_MS)} h`;
}
