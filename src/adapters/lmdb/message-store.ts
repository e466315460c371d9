import {
  type AppendListener,
  type Logger,
  type MessageStore,
  missingRow,
  type ReadLimits,
  type System,
} from '../../core/ports.ts';
import type { AppendOutcome, LookUpOutcome } from '../../core/actor.ts';
import type { ConversationId, DeviceId, Seq, UserId } from '../../core/ids.ts';
import type { AppendBatch, StoredRow } from '../../core/rows.ts';
import type { Location } from './location-block.ts';
import type { Environment } from './environment.ts';
import { readChunk } from './log-reader.ts';
import type { Overlay } from './overlay.ts';
import type { ChunkReader, Put } from './record-codec.ts';
import { establishmentPuts } from './small-tables.ts';
import type { Writer } from './writer.ts';

const NO_PUTS: readonly Put[] = [];
const BATCH_BYTES = 64;

export class LmdbMessageStore implements MessageStore {
  readonly #env: Environment;
  readonly #overlay: Overlay;
  readonly #writer: Writer;
  readonly #fence: number;
  readonly #system: System;
  readonly #logger: Logger;

  constructor(
    env: Environment,
    overlay: Overlay,
    writer: Writer,
    fence: number,
    system: System,
    logger: Logger,
  ) {
    this.#env = env;
    this.#overlay = overlay;
    this.#writer = writer;
    this.#fence = fence;
    this.#system = system;
    this.#logger = logger;
  }

  append(batch: AppendBatch, listener: AppendListener): void {
    const outcome = this.#submit(batch, listener);
    if (outcome !== undefined) this.#system.soon(() => listener.appended(batch, outcome));
  }

  /** undefined: the writer will tell. */
  #submit(batch: AppendBatch, listener: AppendListener): AppendOutcome | undefined {
    if (batch.fence !== this.#fence) return 'fenced';
    if (this.#writer.failure !== undefined) return 'unavailable';
    const { conv, c, establish } = batch;
    const tail = this.#overlay.index.tail(conv);
    if (tail.writing) {
      this.#logger.error(
        { conv },
        'a second batch of one conversation is refused while the first is in flight',
      );
      return 'unavailable';
    }
    if (c !== tail.head) return this.#isRepeat(batch, tail.head) ? 'committed' : 'fenced';
    let bytes = BATCH_BYTES;
    for (const row of batch.rows) bytes += row.env.length;
    const puts = establish === undefined ? NO_PUTS : establishmentPuts(establish);
    if (!this.#writer.submit({ t: 'batch', batch, tail, puts, listener, bytes })) return 'unavailable';
    tail.writing = true;
    return undefined;
  }

  /** Whether all of the batch is in the log already, byte for byte: a retry whose first try had worked. */
  #isRepeat(batch: AppendBatch, head: Seq): boolean {
    const { conv, c, rows } = batch;
    if (c + rows.length <= head) {
      const limits = { rowsMax: rows.length, bytesMax: Number.POSITIVE_INFINITY };
      const stored = this.#read(conv, c + 1, c + rows.length, false, limits);
      if (rows.every((row, i) => Buffer.compare(row.env, (stored[i] as StoredRow).env) === 0)) return true;
    }
    this.#logger.error(
      { conv, c, rows: rows.length, head },
      'a batch that does not continue the log is refused',
    );
    return false;
  }

  async read(
    conv: ConversationId,
    from: Seq,
    to: Seq,
    newestFirst: boolean,
    limits: ReadLimits,
  ): Promise<StoredRow[]> {
    return this.#read(conv, from, to, newestFirst, limits);
  }

  #read(conv: ConversationId, from: Seq, to: Seq, newestFirst: boolean, limits: ReadLimits): StoredRow[] {
    if (from > to) return [];
    const first = newestFirst ? Math.max(from, to - limits.rowsMax + 1) : from;
    const last = newestFirst ? to : Math.min(to, from + limits.rowsMax - 1);
    const locations = this.#overlay.index.locate(conv, first, last);
    if (newestFirst) locations.reverse();
    const rows: StoredRow[] = [];
    let bytes = 0;
    for (const location of locations) {
      const group = this.#readGroup(conv, location, first, last);
      if (newestFirst) group.reverse();
      for (const row of group) {
        const expected = newestFirst ? to - rows.length : from + rows.length;
        if (row.seq !== expected) throw missingRow(conv, expected);
        bytes += row.env.length;
        if (rows.length > 0 && bytes > limits.bytesMax) return newestFirst ? rows.reverse() : rows;
        rows.push(row);
      }
    }
    if (rows.length !== last - first + 1) {
      const missing = newestFirst ? to - rows.length : from + rows.length;
      throw missingRow(conv, missing);
    }
    return newestFirst ? rows.reverse() : rows;
  }

  #readGroup(conv: ConversationId, { chunk, position }: Location, first: Seq, last: Seq): StoredRow[] {
    const reader: ChunkReader = readChunk(this.#env, chunk, position);
    if (!reader.nextEntry() || reader.conv !== conv) {
      throw new Error(`the index of conversation ${conv} points to what is not its own, in chunk ${chunk}`);
    }
    const { fence, c } = reader;
    const rows: StoredRow[] = [];
    while (reader.nextRow() && reader.seq <= last) {
      // Deduplication rows are derived from the log, which has them as soon as the row itself: x = c.
      if (reader.seq >= first) rows.push({ seq: reader.seq, fence, c, m: reader.m, x: c, env: reader.env() });
    }
    return rows;
  }

  async head(conv: ConversationId): Promise<Seq> {
    return this.#overlay.index.head(conv);
  }

  async lookUp(conv: ConversationId, user: UserId, device: DeviceId, cmid: string): Promise<LookUpOutcome> {
    const hit = this.#overlay.dedup.find(conv, user, device, cmid, this.#system.now());
    return hit === undefined ? { t: 'none' } : { t: 'found', hit };
  }
}
