import { randomUUID } from 'node:crypto';
import test from 'node:test';
import type { Role } from '../../src/core/entry.ts';
import { hash52 } from '../../src/core/hash.ts';
import type { ConversationId } from '../../src/core/ids.ts';
import type { AppendOutcome } from '../../src/core/actor.ts';
import type { DirtyStore, Logger, MessageStore, Ownership, ProjectionStore } from '../../src/core/ports.ts';
import type {
  AppendBatch,
  AppendRow,
  ConversationRow,
  Establishment,
  InboxRow,
  MemberRow,
  ProjectionWrite,
  StoredRow,
} from '../../src/core/rows.ts';
import { encodeMessage } from '../../src/protocol/message-frame.ts';

/** What the suites need of any store under test: to end it properly, and to open it again under a new fence. */
interface Reopened<T> {
  reopen(): Promise<T>;
  close(): Promise<void>;
}

/** As the suite of projections sees a store. */
export interface ProjectionsUnderTest extends Reopened<ProjectionsUnderTest> {
  readonly projections: ProjectionStore;
  /** What comes first of a new conversation: its rows. */
  establish(establishment: Establishment): Promise<void>;
}

/** As the suite of logs sees a store. */
export interface LogUnderTest extends Reopened<LogUnderTest> {
  readonly messages: MessageStore;
  readonly projections: ProjectionStore;
  readonly ownership: Ownership;
  /** Until what is committed of a conversation can be looked up by its ids. */
  indexed(conv: ConversationId): Promise<void>;
}

/** As the suites of what an embedded store is beside that see it. */
export interface StoreUnderTest extends LogUnderTest {
  readonly dirty: DirtyStore;
  reopen(): Promise<StoreUnderTest>;
}

export type OpenProjections = () => Promise<ProjectionsUnderTest>;
export type OpenLog = () => Promise<LogUnderTest>;
export type OpenStore = () => Promise<StoreUnderTest>;

/** Declares the tests of a suite, each on a store of its own. */
export function checksOf<S extends { close(): Promise<void> }>(
  name: string,
  open: () => Promise<S>,
): (title: string, run: (store: S) => Promise<void>) => void {
  return (title, run) =>
    void test(`${name}: ${title}`, async () => {
      const store = await open();
      try {
        await run(store);
      } finally {
        await store.close();
      }
    });
}

/** Establishes with the batch that begins the conversation. */
export function asProjections(store: StoreUnderTest): ProjectionsUnderTest {
  return {
    projections: store.projections,
    async establish(establishment) {
      const { conv } = establishment.conversation;
      const batch = batchOf({
        conv,
        fence: await fenceOf(store, conv),
        c: 0,
        kind: 'sys.created',
        establish: establishment,
      });
      const outcome = await append(store.messages, batch);
      if (outcome !== 'committed') throw new Error(`the first batch came out ${outcome}`);
    },
    reopen: async () => asProjections(await store.reopen()),
    close: () => store.close(),
  };
}

export const ALL = { rowsMax: 100_000, bytesMax: Number.POSITIVE_INFINITY };

export const silent: Logger = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** Claims a conversation, fit to be served; none: it does not exist yet, and will have that fence. */
async function claimed({ ownership }: { ownership: Ownership }, conv: string) {
  const claim = await ownership.claim(conv);
  if (claim.t !== 'owned' && claim.t !== 'none') throw new Error(`the claim came out ${claim.t}`);
  if (claim.t === 'owned') await claim.ready;
  return claim;
}

export async function fenceOf(store: { ownership: Ownership }, conv: string): Promise<number> {
  return (await claimed(store, conv)).fence;
}

/** Claims a conversation, and establishes it, without a row, where it has to exist before it is appended to. */
export async function begin(store: LogUnderTest, conv: string): Promise<number> {
  const { t, fence } = await claimed(store, conv);
  if (t === 'owned') return fence;
  const establish = { conversation: conversationRow(conv), members: [memberRow('ann', { role: 'owner' })] };
  const outcome = await append(store.messages, batchOf({ conv, fence, c: 0, count: 0, establish }));
  if (outcome !== 'committed') throw new Error(`it was established ${outcome}`);
  return fence;
}

export interface RowOptions {
  readonly conv: string;
  readonly seq: number;
  readonly cmid?: string;
  readonly user?: string;
  readonly device?: string;
  readonly body?: Uint8Array;
  readonly ts?: number;
  readonly m?: number;
  readonly kind?: string;
}

export function rowOf(options: RowOptions): AppendRow {
  const { conv, seq, user = 'ann', device = 'phone', m = 0, kind = 'text' } = options;
  const { cmid = kind.startsWith('sys.') ? '' : randomUUID(), ts = Date.now() } = options;
  const body = options.body ?? new TextEncoder().encode(`message ${seq}`);
  const env = encodeMessage({ conv, seq, n: seq, ts, from: user, device, cmid, kind, body, text: true });
  return { seq, m, env, user, device, cmid, hash: hash52(body, 0) };
}

export interface BatchOptions extends Omit<RowOptions, 'seq'> {
  readonly fence: number;
  /** The head before it. */
  readonly c: number;
  readonly count?: number;
  readonly establish?: Establishment;
  readonly dirtySlot?: number;
}

export function batchOf(options: BatchOptions): AppendBatch {
  const { conv, fence, c, count = 1, establish, dirtySlot = 0, ...row } = options;
  const rows = Array.from({ length: count }, (_, i) => rowOf({ conv, ...row, seq: c + 1 + i }));
  return { conv, fence, c, rows, establish, dirtySlot };
}

export function append(messages: MessageStore, batch: AppendBatch): Promise<AppendOutcome> {
  return new Promise((resolve, reject) => {
    messages.append(batch, {
      appended(told, outcome) {
        if (told === batch) resolve(outcome);
        else reject(new Error('the listener was told of another batch'));
      },
    });
  });
}

/** Appends `count` rows as batches of up to `perBatch`, and fails on the first that is not committed. */
export async function fill(
  store: LogUnderTest,
  conv: string,
  from: number,
  count: number,
  perBatch = 256,
): Promise<AppendRow[]> {
  const fence = await begin(store, conv);
  const rows: AppendRow[] = [];
  for (let c = from; c < from + count; ) {
    const toBucketEnd = 4_096 - (c % 4_096);
    const batch = batchOf({ conv, fence, c, count: Math.min(perBatch, from + count - c, toBucketEnd) });
    const outcome = await append(store.messages, batch);
    if (outcome !== 'committed') throw new Error(`the batch after ${c} came out ${outcome}`);
    rows.push(...batch.rows);
    c += batch.rows.length;
  }
  return rows;
}

export function conversationRow(conv: string, version = 1, title?: string): ConversationRow {
  return {
    conv,
    kind: 'group',
    title,
    created: 1_764_000_000_123,
    creator: 'ann',
    originHash: 2 ** 50 + 1,
    version,
  };
}

export function memberRow(user: string, changes: Partial<MemberRow> = {}): MemberRow {
  const { read = 0 } = changes;
  return { user, role: 'member' as Role, join: 1, left: 0, read, readN: 0, delivered: read, ...changes };
}

export function inboxRow(user: string, conv: string, head: number, read = 0, text = 'hi'): InboxRow {
  const entry = {
    conv,
    kind: 'group' as const,
    title: 'Ünïcode ✓',
    peer: undefined,
    role: 'member' as Role,
    removed: undefined,
    head,
    n: head,
    ts: 1_764_000_000_000 + head,
    read,
    unread: head - read,
    preview: head === 0 ? undefined : { seq: head, from: 'ann', kind: 'text', text },
  };
  return { user, entry, readN: read };
}

export function projection(conv: string, fence: number, changes: Partial<ProjectionWrite>): ProjectionWrite {
  return { conv, fence, conversation: undefined, members: [], inbox: [], ...changes };
}

export function env(row: StoredRow | undefined): Buffer {
  if (row === undefined) throw new Error('there is no such row');
  return Buffer.from(row.env);
}
