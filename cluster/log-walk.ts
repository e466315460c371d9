import { lastOfBucket } from '../src/core/buckets.ts';
import type { FloorRow, LogTable } from '../src/core/cluster-ports.ts';
import type { ConversationId, Seq } from '../src/core/ids.ts';
import type { ReadLimits } from '../src/core/ports.ts';
import type { StoredRow } from '../src/core/rows.ts';
import { missing } from './committed-reader.ts';

/** Enough of the log's end to fill an actor's deduplication window. */
export const TAIL_ROWS_MAX = 1_024;
const PER_READ: ReadLimits = { rowsMax: TAIL_ROWS_MAX, bytesMax: 1024 * 1024 };

/** What a walk to the end of the log found. */
export interface Walk {
  /** The last seq of the contiguous prefix; the committed one when there is none behind it. */
  readonly last: Seq;
  /** The prefix's last rows, the highest fence per seq: all from seq 1, or TAIL_ROWS_MAX of them. */
  readonly tail: readonly StoredRow[];
  /** Of the prefix, the rows that no row names as committed: the highest fence per seq, up to `last`. */
  readonly uncertain: readonly StoredRow[];
  /** The highest committed seq that any row names, or that was known. */
  readonly c: Seq;
  /** The highest fence seen, void rows and those behind a hole included. */
  readonly fenceMax: number;
}

/**
 * Reads the log to its end, from so far before `committed` that an actor can start from what is read: rows that the
 * floor voids are ignored, of a seq the highest fence counts, and the contiguous prefix is kept. Fences may fall
 * along the seqs (a rewrite half done): that is no hole. A bucket is looked into only when the one before is full.
 */
export async function walkLog(
  table: LogTable,
  conv: ConversationId,
  committed: Seq,
  floor: FloorRow | undefined,
): Promise<Walk> {
  const from = Math.max(1, committed - TAIL_ROWS_MAX + 1);
  let prefix: StoredRow[] = [];
  let last = from - 1;
  let c = committed;
  let fenceMax = 0;
  for (let at = from; ; ) {
    const to = lastOfBucket(at);
    const { rows, more } = await table.rows(conv, at, to, PER_READ);
    for (const row of rows) {
      fenceMax = Math.max(fenceMax, row.fence);
      c = Math.max(c, row.c);
      if (isVoid(row, floor) || row.seq !== last + 1) continue;
      // Fences fall per seq: the first row of a seq that is not void counts.
      prefix.push(row);
      last++;
    }
    prefix = needed(prefix, c);
    if (more) at = (rows.at(-1) as StoredRow).seq + 1;
    else if (last < to) break;
    else at = to + 1;
  }
  if (last < committed) throw missing(conv, last + 1);
  const uncertain = prefix.filter((row) => row.seq > c);
  return { last, tail: prefix.slice(-TAIL_ROWS_MAX), uncertain, c, fenceMax };
}

/** Without the rows that are committed and too far back to be of the tail. */
function needed(prefix: StoredRow[], c: Seq): StoredRow[] {
  const excess = prefix.length - TAIL_ROWS_MAX;
  if (excess <= 0) return prefix;
  const certain = prefix.findIndex((row) => row.seq > c);
  return prefix.slice(certain < 0 ? excess : Math.min(excess, certain));
}

function isVoid(row: StoredRow, floor: FloorRow | undefined): boolean {
  return floor !== undefined && row.seq >= floor.start && row.fence < floor.fence;
}
