import { createHash } from 'node:crypto';
import { directConversationId } from '../src/core/direct-id.ts';
import { uuidToBytes } from '../src/core/ids.ts';

/** Which connection is in which conversation. Connection i is user `user(i)`. */
export interface Topology {
  readonly kind: 'direct' | 'group';
  readonly conversations: number;
  /** Of one conversation. */
  readonly members: number;
  /** The ids, 16 bytes each. */
  readonly ids: Uint8Array;
  /** The conversations that a connection sends to, in turn; none if it only listens. */
  readonly sendsTo: readonly (readonly number[])[];
  /** The place of a connection among a conversation's members. */
  viewOf(conversation: number, connection: number): number;
  /** The connection with this place. */
  memberAt(conversation: number, view: number): number;
}

export function user(connection: number): string {
  return `${NAME}${connection}`;
}
const NAME = 'bench-';

/** The connection of a user that `user` named. */
export function connectionOf(name: string): number {
  return Number(name.slice(NAME.length));
}

/** How many direct conversations there can be. */
export function directsMax(connections: number, across: boolean): number {
  return across ? (connections / 2) ** 2 : (connections * (connections - 1)) / 2;
}

/**
 * Direct conversations spread evenly: a round-robin tournament's first rounds. With `connections / 2` of them
 * each connection is in one; the most is every pair. `across`: each is of one even and one odd connection, so that
 * its two sides are on different addresses if these are two (or any even number).
 */
export function directs(connections: number, conversations: number, across = false): Topology {
  if (connections < 2 || connections % 2 !== 0)
    throw new RangeError('direct conversations need an even number of connections');
  const most = directsMax(connections, across);
  if (conversations < 1 || conversations > most) {
    throw new RangeError(
      `${connections} connections make 1 to ${most} direct conversations, not ${conversations}`,
    );
  }
  const first = new Int32Array(conversations);
  const second = new Int32Array(conversations);
  const ids = new Uint8Array(conversations * 16);
  const sendsTo: number[][] = Array.from({ length: connections }, () => []);
  const pair = across ? evenOddPair : tournamentPair;
  for (let c = 0; c < conversations; c++) {
    const [a, b] = pair(connections, c);
    first[c] = a;
    second[c] = b;
    uuidToBytes(directConversationId(user(a), user(b)), ids, c * 16);
    sendsTo[a]?.push(c);
    sendsTo[b]?.push(c);
  }
  return {
    kind: 'direct',
    conversations,
    members: 2,
    ids,
    sendsTo,
    viewOf: (conversation, connection) => (first[conversation] === connection ? 0 : 1),
    memberAt: (conversation, view) => (view === 0 ? first : second)[conversation] as number,
  };
}

/** Direct conversations of one connection, the first, with each of `others`: c is with connection c + 1, who sends. */
export function star(others: number): Topology {
  const ids = new Uint8Array(others * 16);
  for (let c = 0; c < others; c++) uuidToBytes(directConversationId(user(c + 1), user(0)), ids, c * 16);
  return {
    kind: 'direct',
    conversations: others,
    members: 2,
    ids,
    sendsTo: Array.from({ length: others + 1 }, (_, connection) =>
      connection === 0 ? [] : [connection - 1],
    ),
    viewOf: (_conversation, connection) => (connection === 0 ? 1 : 0),
    memberAt: (conversation, view) => (view === 0 ? conversation + 1 : 0),
  };
}

/** Pair number `index` of the circle method: every `n / 2` pairs are a round in which each of n plays once. */
function tournamentPair(n: number, index: number): [number, number] {
  const round = Math.floor(index / (n / 2));
  const table = index % (n / 2);
  if (table === 0) return [round, n - 1];
  return [(round + table) % (n - 1), (round - table + n - 1) % (n - 1)];
}

/** Pair number `index` of an even and an odd: every `n / 2` pairs are a round in which each of n plays once. */
function evenOddPair(n: number, index: number): [number, number] {
  const round = Math.floor(index / (n / 2));
  const table = index % (n / 2);
  return [2 * table, 2 * ((table + round) % (n / 2)) + 1];
}

/** One group of all connections, of which the first `senders` send. Its id is a UUIDv4 made from `name`. */
export function group(connections: number, senders: number, name: string): Topology {
  if (senders < 1 || senders > connections)
    throw new RangeError(`senders: 1 to ${connections}, not ${senders}`);
  const ids = new Uint8Array(createHash('sha256').update(name).digest().subarray(0, 16));
  ids[6] = ((ids[6] as number) & 0x0f) | 0x40;
  ids[8] = ((ids[8] as number) & 0x3f) | 0x80;
  return {
    kind: 'group',
    conversations: 1,
    members: connections,
    ids,
    sendsTo: Array.from({ length: connections }, (_, connection) => (connection < senders ? [0] : [])),
    viewOf: (_conversation, connection) => connection,
    memberAt: (_conversation, view) => view,
  };
}
