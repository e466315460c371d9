import { firstOfBucket, lastOfBucket } from '../src/core/buckets.ts';
import type { FloorRow, LogTable } from '../src/core/cluster-ports.ts';
import type { ConversationId, Seq } from '../src/core/ids.ts';
import type { StoredRow } from '../src/core/rows.ts';

const ROWS_PER_READ_MAX = 512;

/** What a walk from `from` to the end of the log found. */
export interface Walk {
  /** The row of the highest fence per seq, contiguous from `from`. */
  readonly rows: StoredRow[];
  /** The highest committed seq that any row names. */
  readonly c: Seq;
  /** The highest fence seen, void rows and those behind a hole included. */
  readonly fenceMax: number;
}

/**
 * Reads the log from `from` to its end: rows that the floor voids are ignored, of a seq the highest fence
 * counts, and the contiguous prefix is kept. Fences may fall along the seqs (a rewrite half done): that is no hole.
 * A bucket is looked into only when the one before is full.
 */
export async function walkLog(
  table: LogTable,
  conv: ConversationId,
  from: Seq,
  floor: FloorRow | undefined,
): Promise<Walk> {
  const rows: StoredRow[] = [];
  let c = 0;
  let fenceMax = 0;
  let next = from;
  let lastRead = from - 1;
  for (;;) {
    const to = lastOfBucket(next);
    const read = await table.rows(conv, Math.max(next, lastRead + 1), to, ROWS_PER_READ_MAX);
    for (const row of read) {
      fenceMax = Math.max(fenceMax, row.fence);
      c = Math.max(c, row.c);
      if (isVoid(row, floor) || row.seq !== next) continue;
      // Fences fall per seq: the first row of a seq that is not void counts.
      rows.push(row);
      next++;
    }
    const last = read.at(-1)?.seq;
    const bucketDone = read.length < ROWS_PER_READ_MAX || last === to;
    if (bucketDone && next <= to) return { rows, c, fenceMax };
    lastRead = bucketDone ? to : (last ?? to);
  }
}

function isVoid(row: StoredRow, floor: FloorRow | undefined): boolean {
  return floor !== undefined && row.seq >= floor.start && row.fence < floor.fence;
}

/** Committed rows from … to, each of its highest fence; a hole among them is a broken store, and throws. */
export async function readCommitted(
  table: LogTable,
  conv: ConversationId,
  from: Seq,
  to: Seq,
  newestFirst: boolean,
  rowsMax: number,
): Promise<StoredRow[]> {
  const rows: StoredRow[] = [];
  let next = newestFirst ? to : from;
  while (next >= from && next <= to && rows.length < rowsMax) {
    const found = newestFirst
      ? await backward(table, conv, from, next, rowsMax)
      : await forward(table, conv, next, to, rowsMax);
    if (found.length === 0) throw new Error(`${conv}: seq ${next} is committed and not in the log`);
    for (const row of found) {
      if (row.seq === next + (newestFirst ? 1 : -1)) continue; // a lower fence of the one before
      if (row.seq !== next) throw new Error(`${conv}: seq ${next} is committed and not in the log`);
      if (rows.length < rowsMax) rows.push(row);
      next += newestFirst ? -1 : 1;
    }
  }
  return newestFirst ? rows.reverse() : rows;
}

function forward(
  table: LogTable,
  conv: ConversationId,
  from: Seq,
  to: Seq,
  rowsMax: number,
): Promise<StoredRow[]> {
  return table.rows(conv, from, Math.min(to, lastOfBucket(from)), rowsMax + 1);
}

function backward(
  table: LogTable,
  conv: ConversationId,
  from: Seq,
  to: Seq,
  rowsMax: number,
): Promise<StoredRow[]> {
  return table.rowsBackward(conv, Math.max(from, firstOfBucket(to)), to, rowsMax + 1);
}
