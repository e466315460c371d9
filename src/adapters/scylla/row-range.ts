import type { RowRange } from '../../core/cluster-ports.ts';
import type { ReadLimits } from '../../core/ports.ts';
import type { StoredRow } from '../../core/rows.ts';
import { bytesOf, numbersOf } from './cells.ts';
import type { Row, ScyllaClient } from './client.ts';
import type { Params, Statement } from './statements.ts';

/** What a row is taken to weigh before any is seen: the first answer is at most four times `bytesMax` so. */
const ROW_BYTES_GUESS = 4 * 1024;
/** Rows per answer, whatever the rows before weighed: 4 MiB of the largest. */
const PAGE_ROWS_MAX = 256;
/** A seq has a row of one fence mostly, and of a few at times. */
const PAGE_ROWS_MIN = 4;

/** Reads rows in the order of `statement` up to `limits`, in answers of a bounded size. */
export async function readRange(
  client: ScyllaClient,
  statement: Statement,
  params: Params,
  limits: ReadLimits,
): Promise<RowRange> {
  const seqs = new WholeSeqs(limits);
  let pageState: string | undefined;
  do {
    const page = await client.page(statement, params, seqs.pageRows, pageState);
    for (const row of page.rows) if (!seqs.add(storedRow(row))) return { rows: seqs.rows, more: true };
    pageState = page.pageState;
  } while (pageState !== undefined);
  return { rows: seqs.rows, more: !seqs.end() };
}

/** Rows as they come, taken seq by seq while the limits allow; of a seq, the highest fence first. */
class WholeSeqs {
  readonly rows: StoredRow[] = [];
  readonly #limits: ReadLimits;
  #bytes = 0;
  /** Rows of the last seq that came: there may be more of it. */
  #ofSeq: StoredRow[] = [];
  #bytesOfSeq = 0;

  constructor(limits: ReadLimits) {
    this.#limits = limits;
  }

  /** How many rows to ask for next: one more than wanted tells whether there are more. */
  get pageRows(): number {
    const { rowsMax, bytesMax } = this.#limits;
    const had = this.rows.length + this.#ofSeq.length;
    const bytesHad = this.#bytes + this.#bytesOfSeq;
    const rowBytes = had === 0 ? ROW_BYTES_GUESS : Math.max(1, bytesHad / had);
    const wanted = Math.min(rowsMax - had, Math.ceil((bytesMax - bytesHad) / rowBytes)) + 1;
    return Math.max(PAGE_ROWS_MIN, Math.min(PAGE_ROWS_MAX, wanted));
  }

  /** False when a limit is reached: what is whole, and fits, is in `rows`. */
  add(row: StoredRow): boolean {
    if (row.seq !== this.#ofSeq[0]?.seq && !this.#take()) return false;
    this.#ofSeq.push(row);
    this.#bytesOfSeq += row.env.length;
    return this.#fits();
  }

  /** The end of the range: whether its last seq fits too. */
  end(): boolean {
    return this.#take();
  }

  /** The first seq does, whatever it weighs. */
  #fits(): boolean {
    if (this.rows.length === 0) return true;
    const { rowsMax, bytesMax } = this.#limits;
    return this.rows.length + this.#ofSeq.length <= rowsMax && this.#bytes + this.#bytesOfSeq <= bytesMax;
  }

  #take(): boolean {
    if (!this.#fits()) return false;
    if (this.#ofSeq.length > 1) this.#ofSeq.sort((a, b) => b.fence - a.fence);
    this.rows.push(...this.#ofSeq);
    this.#bytes += this.#bytesOfSeq;
    this.#ofSeq = [];
    this.#bytesOfSeq = 0;
    return true;
  }
}

function storedRow(row: Row): StoredRow {
  const { seq, fence, c, m, x } = numbersOf(row, 'seq', 'fence', 'c', 'm', 'x');
  return { seq, fence, c, m, x, env: bytesOf(row.env as Buffer) };
}
