import { firstOfBucket, lastOfBucket } from '../src/core/buckets.ts';
import type { LogTable, RowRange } from '../src/core/cluster-ports.ts';
import type { ConversationId, Seq } from '../src/core/ids.ts';
import { type MessageStore, missingRow, type ReadLimits } from '../src/core/ports.ts';
import type { StoredRow } from '../src/core/rows.ts';

/**
 * Reads committed rows: an owner's, and an edge's within an owner's grant. Of a committed seq the row of the
 * highest fence is the one that was committed, or its copy, so no floor need be known.
 */
export class CommittedReader implements Pick<MessageStore, 'read'> {
  readonly #table: Pick<LogTable, 'rows' | 'rowsBackward'>;

  constructor(table: Pick<LogTable, 'rows' | 'rowsBackward'>) {
    this.#table = table;
  }

  async read(
    conv: ConversationId,
    from: Seq,
    to: Seq,
    newestFirst: boolean,
    limits: ReadLimits,
  ): Promise<StoredRow[]> {
    const rows: StoredRow[] = [];
    const step = newestFirst ? -1 : 1;
    let bytesLeft = limits.bytesMax;
    for (let next = newestFirst ? to : from; next >= from && next <= to; ) {
      const left = { rowsMax: limits.rowsMax - rows.length, bytesMax: bytesLeft };
      const range = await this.#range(conv, newestFirst ? from : next, newestFirst ? next : to, step, left);
      let found = false;
      for (const row of range.rows) {
        if (row.seq === next - step) continue; // a lower fence of the one before
        if (row.seq !== next) break;
        found = true;
        bytesLeft -= row.env.length;
        if (rows.length > 0 && bytesLeft < 0) return inOrder(rows, newestFirst);
        rows.push(row);
        next += step;
        if (rows.length === limits.rowsMax) return inOrder(rows, newestFirst);
      }
      if (!found) throw missingRow(conv, next);
      if (bytesLeft <= 0) break;
    }
    return inOrder(rows, newestFirst);
  }

  #range(conv: ConversationId, from: Seq, to: Seq, step: number, limits: ReadLimits): Promise<RowRange> {
    if (step > 0) return this.#table.rows(conv, from, Math.min(to, lastOfBucket(from)), limits);
    return this.#table.rowsBackward(conv, Math.max(from, firstOfBucket(to)), to, limits);
  }
}

function inOrder(rows: StoredRow[], newestFirst: boolean): StoredRow[] {
  return newestFirst ? rows.reverse() : rows;
}
