import { lastOfBucket } from '../src/core/buckets.ts';
import type { FloorRow, LogTable } from '../src/core/cluster-ports.ts';
import type { ConversationId, Seq } from '../src/core/ids.ts';
import type { ReadLimits } from '../src/core/ports.ts';
import type { StoredRow } from '../src/core/rows.ts';

const PER_READ: ReadLimits = { rowsMax: 512, bytesMax: 1024 * 1024 };

/** What a walk from `from` to the end of the log found. */
export interface Walk {
  /** The last seq of the contiguous prefix; `from` - 1 when there is none. */
  readonly last: Seq;
  /** Of the prefix, the rows that no row names as committed: the highest fence per seq, up to `last`. */
  readonly uncertain: readonly StoredRow[];
  /** The highest committed seq that any row names; `from` - 1 at least. */
  readonly c: Seq;
  /** The highest fence seen, void rows and those behind a hole included. */
  readonly fenceMax: number;
}

/**
 * Reads the log from `from`, which must be the seq behind a committed one, to its end: rows that the floor voids
 * are ignored, of a seq the highest fence counts, and the contiguous prefix is kept. Fences may fall along the seqs
 * (a rewrite half done): that is no hole. A bucket is looked into only when the one before is full.
 */
export async function walkLog(
  table: LogTable,
  conv: ConversationId,
  from: Seq,
  floor: FloorRow | undefined,
): Promise<Walk> {
  let uncertain: StoredRow[] = [];
  let last = from - 1;
  let c = last;
  let fenceMax = 0;
  for (let at = from; ; ) {
    const to = lastOfBucket(at);
    const { rows, more } = await table.rows(conv, at, to, PER_READ);
    for (const row of rows) {
      fenceMax = Math.max(fenceMax, row.fence);
      c = Math.max(c, row.c);
      if (isVoid(row, floor) || row.seq !== last + 1) continue;
      // Fences fall per seq: the first row of a seq that is not void counts.
      uncertain.push(row);
      last++;
    }
    uncertain = uncertain.filter((row) => row.seq > c);
    if (more) at = (rows.at(-1) as StoredRow).seq + 1;
    else if (last < to) return { last, uncertain, c, fenceMax };
    else at = to + 1;
  }
}

function isVoid(row: StoredRow, floor: FloorRow | undefined): boolean {
  return floor !== undefined && row.seq >= floor.start && row.fence < floor.fence;
}
