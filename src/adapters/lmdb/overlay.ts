import type { System } from '../../core/ports.ts';
import type { AppendBatch } from '../../core/rows.ts';
import { FLAG_CMID, readU32 } from '../../protocol/message-frame.ts';
import type { FrozenPart } from './bulk.ts';
import { ConversationIndex, type ConversationTail } from './conversation-index.ts';
import { DedupIndex } from './dedup-index.ts';
import { DirtyMarks } from './dirty-marks.ts';
import { type Environment, META } from './environment.ts';
import { type ChunkReader, copyBytes, ENTRY, type Put } from './record-codec.ts';
import { SmallTables } from './small-tables.ts';

/**
 * All that is derived from the log: tables, and in front of them overlays of what is not in the tables yet.
 * The overlays go to the tables in bulks: `freeze`, then `writeSlice` until it says so.
 */
export class Overlay {
  readonly index: ConversationIndex;
  readonly dedup: DedupIndex;
  readonly tables: SmallTables;
  readonly dirty: DirtyMarks;
  /** All up to this chunk is in the tables. */
  indexed: number;
  readonly #env: Environment;
  readonly #system: Pick<System, 'monotonic' | 'random'>;
  #bulk: Bulk | undefined;
  #frozenAt: number;

  constructor(env: Environment, system: Pick<System, 'monotonic' | 'random'>, tailsMax: number) {
    this.#env = env;
    this.#system = system;
    this.index = new ConversationIndex(env, tailsMax);
    this.dedup = new DedupIndex(env, readU32(system.random(4), 0) | 0);
    this.tables = new SmallTables(env);
    this.dirty = new DirtyMarks(env);
    this.indexed = env.meta(META.indexed);
    this.#frozenAt = system.monotonic();
  }

  /** Rows that no bulk has taken yet. */
  get fresh(): number {
    return this.index.freshCount + this.dedup.freshCount + this.tables.freshCount + this.dirty.freshCount;
  }
  /** Rows of the bulk under way that are still to be written. */
  get frozen(): number {
    return this.#bulk === undefined ? 0 : this.#bulk.count - this.#bulk.done;
  }
  /** Rows of the bulk under way, with those written. */
  get bulkCount(): number {
    return this.#bulk?.count ?? 0;
  }
  get bulkUnderWay(): boolean {
    return this.#bulk !== undefined;
  }
  /** How long ago the last bulk was begun. */
  get freshForMs(): number {
    return this.#system.monotonic() - this.#frozenAt;
  }

  /** A batch is in the log, at `position` of `chunk`. */
  committed(
    batch: AppendBatch,
    tail: ConversationTail,
    puts: readonly Put[],
    chunk: number,
    position: number,
  ): void {
    const { conv, rows, c, dirtySlot } = batch;
    if (rows.length > 0) this.index.add(tail, c + 1, c + rows.length, chunk, position);
    for (const { cmid, seq, hash, env } of rows) if (cmid !== '') this.dedup.add(env, 0, seq, hash);
    for (const put of puts) this.tables.apply(put);
    if (dirtySlot !== 0) this.dirty.add(dirtySlot, conv);
  }

  /** The same for an entry read from the log. */
  replayed(reader: ChunkReader, chunk: number): void {
    if (reader.type === ENTRY.clear) {
      this.dirty.clear(reader.slot);
      return;
    }
    const { conv, c, rows, slot, position } = reader;
    if (rows > 0) this.index.add(this.index.tail(conv), c + 1, c + rows, chunk, position);
    while (reader.nextRow()) {
      const flags = reader.chunk[reader.envAt + 1] as number;
      if ((flags & FLAG_CMID) !== 0) this.dedup.add(reader.chunk, reader.envAt, reader.seq, reader.hash);
    }
    while (reader.nextPut()) {
      this.tables.apply({
        table: reader.table,
        key: copyBytes(reader.chunk, reader.keyAt, reader.keyBytes),
        value: copyBytes(reader.chunk, reader.valueAt, reader.valueBytes),
      });
    }
    if (slot !== 0) this.dirty.add(slot, conv);
  }

  /** Begins a bulk of all that is fresh; `upTo` is the log's last chunk. */
  freeze(upTo: number): void {
    const parts = [this.index.freeze(), this.dedup.freeze(), this.tables.freeze(), this.dirty.freeze()];
    this.#bulk = new Bulk(parts, upTo);
    this.#frozenAt = this.#system.monotonic();
  }

  /** Writes up to `rowsMax` rows of the bulk; part of a transaction, which may be tried again if it fails. */
  writeSlice(rowsMax: number): void {
    const bulk = this.#bulk as Bulk;
    if (bulk.write(rowsMax)) return;
    this.#env.putMeta(META.indexed, bulk.upTo);
    this.dirty.writeFloor();
  }

  /** The slice written last is on disk. */
  sliceCommitted(): void {
    const bulk = this.#bulk as Bulk;
    if (!bulk.committed()) return;
    this.indexed = bulk.upTo;
    this.#bulk = undefined;
  }
}

class Bulk {
  readonly upTo: number;
  readonly count: number;
  /** Rows committed. */
  done = 0;
  readonly #parts: readonly FrozenPart[];
  #written = 0;

  constructor(parts: readonly FrozenPart[], upTo: number) {
    this.#parts = parts;
    this.upTo = upTo;
    this.count = parts.reduce((sum, part) => sum + part.count, 0);
  }

  /** Writes the next rows after those committed; whether some are left after them. */
  write(rowsMax: number): boolean {
    const end = Math.min(this.count, this.done + rowsMax);
    let base = 0;
    for (const part of this.#parts) {
      const first = Math.max(0, this.done - base);
      const last = Math.min(part.count, end - base);
      for (let i = first; i < last; i++) part.write(i);
      base += part.count;
    }
    this.#written = end;
    return end < this.count;
  }

  /** Whether that was the last slice; all parts know it then. */
  committed(): boolean {
    this.done = this.#written;
    if (this.done < this.count) return false;
    for (const part of this.#parts) part.written();
    return true;
  }
}
