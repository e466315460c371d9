import type { WriteOutcome } from '../../../src/core/cluster-ports.ts';
import type { Entry } from '../../../src/core/entry.ts';
import type { ConversationId, Seq, UserId } from '../../../src/core/ids.ts';
import { type ChangeOutcome, type ProjectionStore, StoreUnavailable } from '../../../src/core/ports.ts';
import {
  type ConversationRow,
  type Inbox,
  type InboxRow,
  type MemberPrefs,
  type MemberRow,
  type Mentions,
  type ProjectionWrite,
  reflectedTo,
  unreadMentions,
} from '../../../src/core/rows.ts';
import { UNSET, type UserRow, type UserSettings } from '../../../src/core/users.ts';
import type { Cell, Mutation } from './cells.ts';
import type { Change, Paxos } from './paxos.ts';
import type { Route } from './route.ts';

type Membership = Pick<MemberRow, 'user' | 'role' | 'join' | 'left'>;
type Cursor = { readonly read: Seq; readonly readN: number };
type InboxState = Omit<Entry, 'read' | 'unread' | 'mute' | 'pin' | 'archive' | 'set' | 'mentions'> & {
  readonly deleted: number;
  readonly mentioned: Mentions | undefined;
};
type Prefs = Pick<Entry, 'mute' | 'pin' | 'archive' | 'set'>;

/** Gathers what is written, by partition. */
type Gathered = Map<string, Cell[]>;

/** conversations, members and inbox, under the timestamps of src/adapters/scylla/projection-rows.ts. */
export class SimProjectionStore implements ProjectionStore {
  readonly #route: Route;
  readonly #settings: Paxos<UserSettings>;

  constructor(route: Route, settings: Paxos<UserSettings>) {
    this.#route = route;
    this.#settings = settings;
  }

  async conversation(conv: ConversationId): Promise<ConversationRow | undefined> {
    const [cell] = await this.#route.read('conversation', { partition: conversationPartition(conv) });
    return cell?.columns as ConversationRow | undefined;
  }

  async members(conv: ConversationId): Promise<MemberRow[]> {
    const cells = await this.#route.read('members', { partition: membersPartition(conv) });
    const delivered = columnsOf<{ delivered: Seq }>(cells, DELIVERED);
    const shown = columnsOf<{ shown: Seq }>(cells, SHOWN);
    const mentions = columnsOf<Mentions>(cells, MENTIONS);
    const prefs = columnsOf<MemberPrefs>(cells, PREFS);
    return paired<Membership>(cells).map(([membership, cursor]): MemberRow => {
      const { user } = membership;
      const set = prefs.get(user);
      const unread = unreadMentions(mentions.get(user), cursor.read);
      return {
        ...membership,
        ...cursor,
        delivered: Math.max(cursor.read, delivered.get(user)?.delivered ?? 0),
        ...shown.get(user),
        ...(unread && { mentions: unread }),
        ...(set && { prefs: { ...set, at: 0 } }),
      };
    });
  }

  async inbox(user: UserId): Promise<Inbox> {
    const cells = await this.#route.read('inbox', { partition: inboxPartition(user) });
    const prefs = columnsOf<Prefs>(cells, PREFS);
    const rows = paired<InboxState>(cells).map((pair) => inboxRow(user, ...pair, prefs.get(pair[0].conv)));
    return { rows, settings: settingsOf(cells) };
  }

  async user(user: UserId): Promise<UserRow> {
    const keys = [SETTINGS_KEY, SEEN_KEY];
    const cells = await this.#route.read('user', { partition: inboxPartition(user), keys });
    const seen = cells.find(({ key }) => key === SEEN_KEY);
    return { user, settings: settingsOf(cells), seen: seen?.ts ?? 0 };
  }

  async writeSeen(rows: readonly Pick<UserRow, 'user' | 'seen'>[]): Promise<void> {
    const gathered: Gathered = new Map();
    for (const { user, seen } of rows)
      gather(gathered, inboxPartition(user), { key: SEEN_KEY, ts: seen, columns: {} });
    await this.#project(gathered);
  }

  async settings(user: UserId): Promise<UserSettings> {
    return (await this.#route.serialRead('settings', this.#settings, user)) ?? UNSET;
  }

  async changeSettings(user: UserId, from: UserSettings, to: UserSettings): Promise<ChangeOutcome> {
    const change: Change<UserSettings> = {
      row: to,
      mutation: (ts) => ({
        partition: inboxPartition(user),
        cells: [{ key: SETTINGS_KEY, ts, columns: to }],
      }),
    };
    const decide = (present = UNSET): Change<UserSettings> | undefined =>
      present.at === from.at ? change : undefined;
    const name = { client: this.#route.client, operation: 'changeSettings', key: user };
    return (await this.#route.change(this.#settings, { ...name, decide })).t;
  }

  async inboxRow(user: UserId, conv: ConversationId): Promise<InboxRow | undefined> {
    const keys = [stateKey(conv), cursorKey(conv), prefsKey(conv)];
    const cells = await this.#route.read('inboxRow', { partition: inboxPartition(user), keys });
    const [pair] = paired<InboxState>(cells);
    return pair && inboxRow(user, ...pair, columnsOf<Prefs>(cells, PREFS).get(conv));
  }

  /** In the order of the real store: the members, their inboxes, and then the version that says so. */
  async write(writes: readonly ProjectionWrite[]): Promise<void> {
    const rows: Gathered = new Map();
    const inboxes: Gathered = new Map();
    const versions: Gathered = new Map();
    for (const { conv, conversation, members, inbox } of writes) {
      gatherMembers(rows, conv, conversation === undefined ? 0 : reflectedTo(conversation), members);
      for (const row of inbox) gatherInbox(inboxes, row);
      if (conversation !== undefined)
        gather(versions, conversationPartition(conv), conversationCell(conversation));
    }
    for (const gathered of [rows, inboxes, versions]) await this.#project(gathered);
  }

  async #project(gathered: Gathered): Promise<void> {
    const outcome = await this.#writeAll('project', gathered);
    if (outcome !== 'written') throw new StoreUnavailable(`projections are not all written: ${outcome}`);
  }

  /** Members first: a conversation that is seen has them. */
  async establish(conversation: ConversationRow, members: readonly MemberRow[]): Promise<WriteOutcome> {
    const { conv, version } = conversation;
    const rows: Gathered = new Map();
    gatherMembers(rows, conv, version, members);
    const first = await this.#writeAll('establish', rows);
    if (first !== 'written') return first;
    const mutation = { partition: conversationPartition(conv), cells: [conversationCell(conversation)] };
    const second = await this.#route.write('establish', mutation);
    return members.length === 0 ? second : combined([first, second]);
  }

  async #writeAll(operation: string, gathered: Gathered): Promise<WriteOutcome> {
    const mutations = [...gathered].map(([partition, cells]): Mutation => ({ partition, cells }));
    return combined(await Promise.all(mutations.map((mutation) => this.#route.write(operation, mutation))));
  }
}

/** Of writes that belong together: `unavailable` only if none of them was applied. */
export function combined(outcomes: readonly WriteOutcome[]): WriteOutcome {
  if (outcomes.every((outcome) => outcome === 'written')) return 'written';
  return outcomes.every((outcome) => outcome === 'unavailable') ? 'unavailable' : 'unknown';
}

function conversationPartition(conv: ConversationId): string {
  return `conversations ${conv}`;
}
function membersPartition(conv: ConversationId): string {
  return `members ${conv}`;
}
function inboxPartition(user: UserId): string {
  return `inbox ${user}`;
}

/** A row of two groups of columns, each with a timestamp of its own. */
function stateKey(row: string): string {
  return `${row} state`;
}
function cursorKey(row: string): string {
  return `${row} cursor`;
}
function deliveredKey(row: string): string {
  return `${row} delivered`;
}
function mentionsKey(row: string): string {
  return `${row} mentions`;
}
function shownKey(row: string): string {
  return `${row} shown`;
}
function prefsKey(row: string): string {
  return `${row} prefs`;
}

/** Of a user, whatever the conversation. */
const SETTINGS_KEY = 'settings';
const SEEN_KEY = 'seen';

function settingsOf(cells: readonly Cell[]): UserSettings {
  return (cells.find(({ key }) => key === SETTINGS_KEY)?.columns as UserSettings | undefined) ?? UNSET;
}

function conversationCell(row: ConversationRow): Cell {
  return { key: '', ts: reflectedTo(row), columns: row };
}

function gatherMembers(to: Gathered, conv: ConversationId, reflected: Seq, rows: readonly MemberRow[]): void {
  const partition = membersPartition(conv);
  for (const { user, role, join, left, read, readN, delivered, shown, prefs, mentions } of rows) {
    const ts = Math.max(reflected, join, left);
    gather(to, partition, { key: stateKey(user), ts, columns: { user, role, join, left } });
    gather(to, partition, { key: cursorKey(user), ts: read, columns: { read, readN } });
    if (delivered > read)
      gather(to, partition, { key: deliveredKey(user), ts: delivered, columns: { delivered } });
    if (mentions !== undefined)
      gather(to, partition, { key: mentionsKey(user), ts: mentions.upTo, columns: mentions });
    if (shown !== undefined) gather(to, partition, { key: shownKey(user), ts: shown, columns: { shown } });
    if (prefs !== undefined) {
      const { at, ...columns } = prefs;
      gather(to, partition, { key: prefsKey(user), ts: at, columns });
    }
  }
}

function gatherInbox(to: Gathered, { user, entry, readN, mentions: mentioned }: InboxRow): void {
  const { read, unread, mute, pin, archive, set, mentions: _, ...state } = entry;
  const { conv, head, n, removed = 0 } = state;
  const partition = inboxPartition(user);
  // Of the messages behind the cursor, those that count no more.
  const columns = { ...state, mentioned, deleted: Math.max(0, n - readN - unread) };
  gather(to, partition, { key: stateKey(conv), ts: Math.max(head, removed), columns });
  gather(to, partition, { key: cursorKey(conv), ts: read, columns: { read, readN } });
  if (set !== undefined)
    gather(to, partition, { key: prefsKey(conv), ts: set, columns: { mute, pin, archive, set } });
}

/** One row may be written twice at once: of two cells of one key, the later stands behind the other. */
function gather(to: Gathered, partition: string, cell: Cell): void {
  const cells = to.get(partition);
  if (cells === undefined) to.set(partition, [cell]);
  else cells.push(cell);
}

/** Rows whose both groups are there: they are written as one. */
function paired<S extends object>(cells: readonly Cell[]): [S, Cursor][] {
  const cursors = columnsOf<Cursor>(cells, CURSOR);
  return cells.flatMap(({ key, columns }) => {
    const cursor = key.endsWith(STATE) ? cursors.get(rowOf(key)) : undefined;
    return cursor === undefined ? [] : [[columns as S, cursor] as [S, Cursor]];
  });
}

const STATE = stateKey('');
const CURSOR = cursorKey('');
const DELIVERED = deliveredKey('');
const MENTIONS = mentionsKey('');
const SHOWN = shownKey('');
const PREFS = prefsKey('');

/** Those of one group, by row. */
function columnsOf<C>(cells: readonly Cell[], group: string): Map<string, C> {
  const ofGroup = cells.filter(({ key }) => key.endsWith(group));
  return new Map(ofGroup.map(({ key, columns }) => [rowOf(key), columns as C]));
}

function rowOf(key: string): string {
  return key.slice(0, key.lastIndexOf(' '));
}

function inboxRow(
  user: UserId,
  { deleted, mentioned, ...state }: InboxState,
  { read, readN }: Cursor,
  prefs: Prefs | undefined,
): InboxRow {
  // The head may be older than the cursor beside it.
  const unread = Math.max(0, state.n - readN - deleted);
  const mentions = unreadMentions(mentioned, read);
  const count = mentions && { mentions: mentions.seqs.length };
  const entry = { ...state, read, unread, ...prefs, ...count };
  return { user, entry, readN, ...(mentions && { mentions }) };
}
