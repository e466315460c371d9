import { firstOfBucket, lastOfBucket } from '../src/core/buckets.ts';
import type { FloorRow, LogTable } from '../src/core/cluster-ports.ts';
import type { ConversationId, Seq } from '../src/core/ids.ts';
import type { StoredRow } from '../src/core/rows.ts';
import { messageIsSent, readU64, TS_AT } from '../src/protocol/message-frame.ts';
import { missingRow } from '../src/core/ports.ts';
import { CommittedReader } from './committed-reader.ts';

/** An actor starts from at least so many of the log's last rows, if there are so many; … */
export const TAIL_ROWS_MIN = 64;
/** … from all of the last while before the newest, since rows of members may lag behind the log; … */
const TAIL_MS_MIN = 15_000;
/** … and, from so many or fewer, back to a message, which inboxes show. */
export const TAIL_ROWS_MAX = 1_024;
/** A little more than what should do. */
const MISSING_SHARE = 1.5;
const READ_BYTES_MAX = 1024 * 1024;

/** What a walk to the end of the log found. */
export interface Walk {
  /** The last seq of the contiguous prefix; the committed one when there is none behind it. */
  readonly last: Seq;
  /** The prefix's last rows, the highest fence per seq: all from seq 1, or as many as an actor starts from. */
  readonly tail: readonly StoredRow[];
  /** Of the prefix, the rows that no row names as committed: the highest fence per seq, up to `last`. */
  readonly uncertain: readonly StoredRow[];
  /** The highest committed seq that any row read names, or that was known. */
  readonly c: Seq;
  /** The highest fence of the rows read, void rows and those behind a hole included. */
  readonly fenceMax: number;
}

/**
 * Reads the log's end, bucket by bucket while they are full, from the one of `committed` on; each from its end down to
 * a row that is committed, below which none is missing. Once one is full, conv_head may tell of a later one. Rows that the floor voids are ignored, of a seq the highest
 * fence counts, and the contiguous prefix is kept. Fences may fall along the seqs (a rewrite half done): no hole.
 */
export async function walkLog(
  table: LogTable,
  conv: ConversationId,
  committed: Seq,
  floor: FloorRow | undefined,
): Promise<Walk> {
  let prefix: StoredRow[] = [];
  let last = firstOfBucket(Math.max(1, committed)) - 1;
  let c = committed;
  let fenceMax = 0;
  let hasAskedHead = false;
  for (;;) {
    const to = lastOfBucket(last + 1);
    const end = await endOf(table, conv, last + 1, to, c);
    const lowest = end.rows[0]?.seq ?? 0;
    if (!end.isWhole) [prefix, last] = [[], lowest - 1];
    c = end.c;
    for (const row of end.rows) {
      fenceMax = Math.max(fenceMax, row.fence);
      if (isVoid(row, floor) || row.seq !== last + 1) continue;
      prefix.push(row);
      last++;
    }
    if (last < to) break;
    if (!hasAskedHead) {
      hasAskedHead = true;
      const known = (await table.head(conv))?.head ?? 0;
      c = Math.max(c, known);
      if (known > lastOfBucket(last + 1)) [prefix, last] = [[], firstOfBucket(known) - 1];
    }
  }
  if (last < c) throw missingRow(conv, last + 1);
  const uncertain = prefix.filter((row) => row.seq > c);
  return { last, tail: await tailOf(table, conv, prefix, last), uncertain, c, fenceMax };
}

interface BucketEnd {
  /** Seqs rising, of a seq the highest fence first. */
  readonly rows: readonly StoredRow[];
  /** Whether there are no rows below them. */
  readonly isWhole: boolean;
  readonly c: Seq;
}

/** The rows from … to of a bucket, from its end down to one that is committed. */
async function endOf(
  table: LogTable,
  conv: ConversationId,
  from: Seq,
  to: Seq,
  committed: Seq,
): Promise<BucketEnd> {
  const limits = { rowsMax: TAIL_ROWS_MIN, bytesMax: READ_BYTES_MAX };
  const falling: StoredRow[] = [];
  let c = committed;
  let isWhole = false;
  for (let at = to; !isWhole && at >= from && (falling.length === 0 || at >= c); ) {
    const { rows, more } = await table.rowsBackward(conv, from, at, limits);
    for (const row of rows) c = Math.max(c, row.c);
    falling.push(...rows);
    isWhole = !more;
    at = (rows.at(-1)?.seq ?? from) - 1;
  }
  // A stable sort: the fences of a seq stay in their order.
  return { rows: falling.sort((a, b) => a.seq - b.seq), isWhole, c };
}

/** The rows up to `last` that an actor starts from: what the prefix has of them, and those before it. */
async function tailOf(
  table: LogTable,
  conv: ConversationId,
  prefix: readonly StoredRow[],
  last: Seq,
): Promise<StoredRow[]> {
  const reader = new CommittedReader(table);
  let tail = prefix.slice(-TAIL_ROWS_MAX);
  for (let first = last - tail.length + 1; first > 1 && !isEnough(tail); first = last - tail.length + 1) {
    const limits = { rowsMax: rowsToCome(tail), bytesMax: READ_BYTES_MAX };
    tail = [...(await reader.read(conv, 1, first - 1, true, limits)), ...tail];
  }
  return tail;
}

function isEnough(tail: readonly StoredRow[]): boolean {
  if (tail.length < TAIL_ROWS_MIN) return false;
  if (tail.length >= TAIL_ROWS_MAX) return true;
  return spanMs(tail) >= TAIL_MS_MIN && tail.some(({ env }) => messageIsSent(env));
}

/** As many as likely suffice, if those before the tail came as fast as those in it. */
function rowsToCome(tail: readonly StoredRow[]): number {
  const perMs = tail.length / Math.max(1, spanMs(tail));
  const missing = Math.ceil(perMs * Math.max(0, TAIL_MS_MIN - spanMs(tail)) * MISSING_SHARE);
  return Math.min(TAIL_ROWS_MAX - tail.length, Math.max(TAIL_ROWS_MIN, missing));
}

/** From the first to the last of these rows. */
function spanMs(rows: readonly StoredRow[]): number {
  const [first, newest] = [rows[0], rows.at(-1)];
  return first && newest ? readU64(newest.env, TS_AT) - readU64(first.env, TS_AT) : 0;
}

function isVoid(row: StoredRow, floor: FloorRow | undefined): boolean {
  return floor !== undefined && row.seq >= floor.start && row.fence < floor.fence;
}
