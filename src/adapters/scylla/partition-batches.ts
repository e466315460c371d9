import type { WriteOutcome } from '../../core/cluster-ports.ts';
import type { ScyllaClient } from './client.ts';
import { combined, writeOutcome } from './outcomes.ts';
import type { BatchRow } from './packed-batches.ts';

/** Servers refuse a batch of 50 KiB by default; of values alone, what surrounds them is estimated by callers. */
const BATCH_BYTES_MAX = 40 * 1024;
const BATCH_ROWS_MAX = 256;
const IN_FLIGHT_MAX = 32;

interface Batch {
  readonly rows: BatchRow[];
  bytes: number;
}

/**
 * Writes gathered by partition: each batch stays in one and under the bound, a bounded number in flight. The
 * order of batches is nobody's: what depends on another write is written after it.
 */
export class PartitionBatches {
  /** The batch of each partition that still has room. */
  readonly #open = new Map<string, Batch>();
  readonly #batches: Batch[] = [];

  /** `partition` tells one from another within this gathering; `bytes` is what the row weighs. */
  addOne(partition: string, row: BatchRow, bytes: number): void {
    this.#roomFor(partition, 1, bytes).push(row);
  }

  /** Several writes of one row, seen together or not at all. */
  addTogether(partition: string, writes: readonly BatchRow[], bytes: number): void {
    this.#roomFor(partition, writes.length, bytes).push(...writes);
  }

  #roomFor(partition: string, rows: number, bytes: number): BatchRow[] {
    let batch = this.#open.get(partition);
    if (
      batch === undefined ||
      batch.bytes + bytes > BATCH_BYTES_MAX ||
      batch.rows.length + rows > BATCH_ROWS_MAX
    ) {
      batch = { rows: [], bytes: 0 };
      this.#open.set(partition, batch);
      this.#batches.push(batch);
    }
    batch.bytes += bytes;
    return batch.rows;
  }

  /** Writes all, and stops beginning new ones once one failed. */
  async write(client: ScyllaClient): Promise<WriteOutcome> {
    const outcomes: WriteOutcome[] = [];
    let next = 0;
    let failed = false;
    const lane = async (): Promise<void> => {
      while (next < this.#batches.length && !failed) {
        const outcome = await writeBatch(client, this.#batches[next++] as Batch);
        outcomes.push(outcome);
        failed ||= outcome !== 'written';
      }
    };
    await Promise.all(Array.from({ length: Math.min(IN_FLIGHT_MAX, this.#batches.length) }, lane));
    return combined(outcomes);
  }
}

async function writeBatch(client: ScyllaClient, { rows, bytes }: Batch): Promise<WriteOutcome> {
  const [first] = rows;
  if (first === undefined) return 'written';
  const failure =
    rows.length === 1 ? await client.write(first.statement, first.params) : await client.batch(rows, bytes);
  return writeOutcome(failure);
}
