import type { types } from 'cassandra-driver';
import { lastOfBucket } from '../../core/buckets.ts';
import type { FloorRow, OwnerRow } from '../../core/cluster-ports.ts';
import type { ConversationId, Seq } from '../../core/ids.ts';
import { StoreUnavailable } from '../../core/ports.ts';
import type { StoredRow } from '../../core/rows.ts';
import { LIMITS } from '../../protocol/limits.ts';
import { numbersOf, uuidOf } from './cells.ts';
import type { ScyllaClient } from './client.ts';
import { LogCheck, type LoggedId } from './check-log.ts';
import { ScyllaLogTable } from './log-table.ts';
import type { Statement } from './statements.ts';

export interface ClusterDamage {
  readonly conv: ConversationId;
  readonly seq?: Seq;
  readonly what: string;
}

export interface ClusterCheckReport {
  readonly conversations: number;
  /** Committed events. */
  readonly rows: number;
  /** In the order found; the first 1,000 alone. */
  readonly damages: readonly ClusterDamage[];
  readonly damageCount: number;
}

const OWNERS: Statement = {
  name: 'checkOwners',
  kind: 'read',
  cql: 'SELECT conv, owner, fence, head FROM {ks}.conv_owner',
};
/** Which conversations have rows: a bucket is a partition. */
const BUCKETS: Statement = {
  name: 'checkBuckets',
  kind: 'read',
  cql: 'SELECT DISTINCT conv, bucket FROM {ks}.messages',
};

const BUCKET_ROWS = lastOfBucket(1);
const PAGE_ROWS = 1_000;
const AT_ONCE = 16;
const DAMAGES_MAX = 1_000;
const PROGRESS_CONVERSATIONS = 100;
const READ_LIMITS = { rowsMax: 2_000, bytesMax: 4 * 1024 * 1024 };
/** Of one conversation. */
const IDS_AT_ONCE = 256;
/** Ids expire by the clock of the store. */
const CLOCKS_APART_MS_MAX = 24 * 3_600_000;

/** Gathers what is found. */
export class ClusterFindings {
  readonly damages: ClusterDamage[] = [];
  count = 0;

  add(conv: ConversationId, seq: Seq | undefined, what: string): void {
    this.count++;
    if (this.damages.length < DAMAGES_MAX)
      this.damages.push({ conv, ...(seq !== undefined && { seq }), what });
  }
}

/**
 * Walks every conversation of a keyspace, and looks up the ids of its messages as an owner would. Nodes may run, but what
 * is written meanwhile may be taken for damage. Changes nothing; `now` is Unix ms; `onProgress` gets a line for people now
 * and then. Rejects with StoreUnavailable.
 */
export async function checkCluster(
  client: ScyllaClient,
  now: number,
  onProgress: (line: string) => void,
): Promise<ClusterCheckReport> {
  const findings = new ClusterFindings();
  const owners = new Map<ConversationId, OwnerRow>();
  await eachRow(client, OWNERS, (row) => {
    const { fence, head } = numbersOf(row, 'fence', 'head');
    owners.set(uuidOf(row['conv'] as types.Uuid), { owner: uuidOf(row['owner'] as types.Uuid), fence, head });
  });
  const buckets = await bucketsOf(client);
  for (const conv of buckets.keys())
    if (!owners.has(conv)) findings.add(conv, undefined, 'has events, but no owner row');
  const log = new ScyllaLogTable(client);
  const since = now - LIMITS.dedupWindowMs + CLOCKS_APART_MS_MAX;
  const left = [...owners];
  let [rows, done] = [0, 0];
  const work = async (): Promise<void> => {
    for (let next = left.pop(); next !== undefined; next = left.pop()) {
      const [conv, owner] = next;
      const check = await checkLog(log, conv, owner, buckets.get(conv) ?? [], findings);
      await checkIndex(log, check, since);
      rows += check.head;
      if (++done % PROGRESS_CONVERSATIONS === 0)
        onProgress(`${done} of ${owners.size} conversations, ${rows} events`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return { conversations: owners.size, rows, damages: findings.damages, damageCount: findings.count };
}

/** The numbers of each conversation's buckets, rising. */
async function bucketsOf(client: ScyllaClient): Promise<Map<ConversationId, number[]>> {
  const buckets = new Map<ConversationId, number[]>();
  await eachRow(client, BUCKETS, (row) => {
    const conv = uuidOf(row['conv'] as types.Uuid);
    const of = buckets.get(conv);
    if (of === undefined) buckets.set(conv, [row['bucket'] as number]);
    else of.push(row['bucket'] as number);
  });
  for (const of of buckets.values()) of.sort((a, b) => a - b);
  return buckets;
}

async function checkLog(
  log: ScyllaLogTable,
  conv: ConversationId,
  owner: OwnerRow,
  buckets: readonly number[],
  findings: ClusterFindings,
): Promise<LogCheck> {
  const [floor, head] = [await log.floor(conv), await log.head(conv)];
  if (floor !== undefined && floor.fence > owner.fence)
    findings.add(conv, undefined, `its floor is of fence ${floor.fence}, its owner of ${owner.fence}`);
  const check = new LogCheck(conv, owner, head, findings);
  for (const bucket of buckets) {
    const first = bucket * BUCKET_ROWS + 1;
    const last = lastOfBucket(first);
    for (let from = first, more = true; more; ) {
      const range = await log.rows(conv, from, last, READ_LIMITS);
      for (const row of committedOf(range.rows, floor)) check.row(row);
      more = range.more;
      from = (range.rows.at(-1)?.seq ?? last) + 1;
      if (from > last) more = false;
    }
  }
  check.finish();
  return check;
}

async function checkIndex(log: ScyllaLogTable, check: LogCheck, since: number): Promise<void> {
  const lookUp = async (id: LoggedId): Promise<void> => {
    const found = await log.lookUp(check.conv, id.user, id.device, id.cmid);
    if (found.t === 'unavailable') throw new StoreUnavailable('the index of ids does not answer');
    check.hit(id, found.t === 'found' ? found.hit : undefined);
  };
  const ids = [...check.indexed(since)];
  for (let at = 0; at < ids.length; at += IDS_AT_ONCE)
    await Promise.all(ids.slice(at, at + IDS_AT_ONCE).map(lookUp));
}

/** The row of the highest fence of each seq, of those that the floor does not make void. */
function* committedOf(rows: readonly StoredRow[], floor: FloorRow | undefined): Generator<StoredRow> {
  let last: Seq = 0;
  for (const row of rows) {
    if (row.seq === last) continue; // of a lower fence: they fall per seq
    if (floor !== undefined && row.seq >= floor.start && row.fence < floor.fence) continue;
    last = row.seq;
    yield row;
  }
}

async function eachRow(
  client: ScyllaClient,
  statement: Statement,
  see: (row: { readonly [column: string]: unknown }) => void,
): Promise<void> {
  let pageState: string | undefined;
  do {
    const page = await client.page(statement, [], PAGE_ROWS, pageState);
    page.rows.forEach(see);
    pageState = page.pageState;
  } while (pageState !== undefined);
}
