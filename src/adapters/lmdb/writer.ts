import { type Logger, StoreUnavailable, type System, type Timer } from '../../core/ports.ts';
import type { AppendOutcome } from '../../core/actor.ts';
import { CommitFailed, type Environment } from './environment.ts';
import { logKey } from './keys.ts';
import type { LogItem, Waiter } from './log-item.ts';
import type { Overlay } from './overlay.ts';
import { RecordWriter } from './record-codec.ts';

export interface WriterOptions {
  /** A log chunk is closed rather than grown beyond it. */
  readonly chunkBytesMax: number;
  /** A record takes no further item once it holds so much. */
  readonly recordBytesMax: number;
  /** Of waiting items together; beyond it appends are refused. */
  readonly waitingBytesMax: number;
  /** Fresh overlay rows at which a bulk begins … */
  readonly bulkRows: number;
  /** … or how long they may wait for it. */
  readonly bulkAfterMs: number;
  /** Rows of one slice of a bulk, which an append that comes in between has to wait for; the least and … */
  readonly sliceRows: number;
  /** … the most, for a bulk that is behind. */
  readonly sliceRowsMax: number;
  /** Fresh overlay rows beyond which appends are refused: the bulks don't keep up, or have no room on disk. */
  readonly freshRowsMax: number;
  /** How long after a write failed for want of room the next one is tried. */
  readonly fullRetryMs: number;
  /** A write that takes longer is given up: its outcome is unknown. */
  readonly writeMsMax: number;
  /** How often the sweep looks for expired deduplication rows, and at how many it looks. */
  readonly sweepEveryMs: number;
  readonly sweepRows: number;
}

interface RecordInFlight {
  readonly items: LogItem[];
  /** Where each item's entry lies. */
  readonly chunks: number[];
  readonly positions: number[];
  readonly lastChunk: number;
}

const TICK_MS = 1_000;

/**
 * The one writer of the environment. One transaction is in flight at a time; what arrives meanwhile forms the
 * next record (group commit). Slices of bulks use the gaps: a waiting append goes first, unless the bulk is
 * behind its pace; then slices and records take turns.
 */
export class Writer {
  /** Why nothing is written any more; undefined while in service. */
  failure: Error | undefined;
  commits = 0;
  slices = 0;
  logBytes = 0;
  readonly #env: Environment;
  readonly #overlay: Overlay;
  readonly #system: System;
  readonly #logger: Logger;
  readonly #options: WriterOptions;
  readonly #onFailure: (error: Error) => void;
  readonly #record: RecordWriter;
  readonly #timers: Timer[];
  /** The log's last chunk on disk, and the last that the overlay reflects: they differ within a turn alone. */
  #lastChunk: number;
  #appliedChunk: number;
  #waiting: LogItem[] = [];
  #waitingBytes = 0;
  #inFlight: RecordInFlight | undefined;
  #busySince = Number.POSITIVE_INFINITY;
  #scheduled = false;
  #sliceWasLast = false;
  #fullUntil = Number.NEGATIVE_INFINITY;
  #sweepDue = false;
  #closing: Waiter | undefined;

  constructor(
    env: Environment,
    overlay: Overlay,
    lastChunk: number,
    system: System,
    logger: Logger,
    options: WriterOptions,
    onFailure: (error: Error) => void,
  ) {
    this.#env = env;
    this.#overlay = overlay;
    this.#lastChunk = lastChunk;
    this.#appliedChunk = lastChunk;
    this.#system = system;
    this.#logger = logger;
    this.#options = options;
    this.#onFailure = onFailure;
    this.#record = new RecordWriter(options.chunkBytesMax);
    this.#timers = [
      system.every(TICK_MS, () => this.#tick()),
      system.every(options.sweepEveryMs, () => {
        this.#sweepDue = true;
        this.#schedule();
      }),
    ];
  }

  get lastChunk(): number {
    return this.#lastChunk;
  }
  get waitingBytes(): number {
    return this.#waitingBytes;
  }
  get full(): boolean {
    return this.#fullUntil > Number.NEGATIVE_INFINITY;
  }

  /** Whether the item was taken; if not, it is certain that it won't be written. */
  submit(item: LogItem): boolean {
    const { waitingBytesMax, freshRowsMax } = this.#options;
    if (this.failure !== undefined || this.#closing !== undefined || this.#isResting()) return false;
    if (this.#waitingBytes + item.bytes > waitingBytesMax || this.#overlay.fresh > freshRowsMax) return false;
    this.#waiting.push(item);
    this.#waitingBytes += item.bytes;
    this.#schedule();
    return true;
  }

  /** Writes all that waits and brings all overlays to the tables; then nothing is taken any more. */
  close(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#closing = { resolve, reject };
      this.#schedule();
    });
  }

  get #isBusy(): boolean {
    return this.#busySince < Number.POSITIVE_INFINITY;
  }
  #isResting(): boolean {
    return this.full && this.#system.monotonic() < this.#fullUntil;
  }

  #schedule(): void {
    if (this.#scheduled || this.#isBusy) return;
    this.#scheduled = true;
    this.#system.soon(() => {
      this.#scheduled = false;
      this.#step();
    });
  }

  #step(): void {
    if (this.#isBusy || this.failure !== undefined) return this.#finishClosing();
    const overlay = this.#overlay;
    if (
      !overlay.bulkUnderWay &&
      overlay.fresh >= (this.#closing === undefined ? this.#options.bulkRows : 1)
    ) {
      overlay.freeze(this.#appliedChunk);
    }
    const overdue = this.#overdueRows();
    const waits = this.#waiting.length > 0;
    if (waits && (overdue === 0 || this.#sliceWasLast)) return this.#writeRecord();
    if (this.#isResting()) return this.#finishClosing();
    if (overlay.bulkUnderWay) return this.#writeSlice(overdue);
    if (this.#closing !== undefined) return this.#finishClosing();
    if (this.#sweepDue) this.#sweep();
  }

  /**
   * Rows that the bulk under way is behind its pace: it has all the gaps while the next one is less than half
   * full, and must end when that is full.
   */
  #overdueRows(): number {
    const { fresh, frozen, bulkCount } = this.#overlay;
    const due = bulkCount * Math.min(1, (2 * fresh) / this.#options.bulkRows - 1);
    return Math.max(0, Math.ceil(due) - (bulkCount - frozen));
  }

  #writeRecord(): void {
    const record = this.#record;
    const first = this.#lastChunk + 1;
    const chunks: number[] = [];
    const positions: number[] = [];
    record.begin(first);
    let taken = 0;
    while (taken < this.#waiting.length && record.bytes < this.#options.recordBytesMax) {
      const item = this.#waiting[taken++] as LogItem;
      this.#waitingBytes -= item.bytes;
      if (item.t === 'batch') record.addBatch(item.batch, item.tail.key, item.puts);
      else if (item.t === 'projection') record.addProjection(item.key, item.fence, item.puts);
      else record.addClear(item.slot, item.fence);
      chunks.push(record.chunk);
      positions.push(record.position);
    }
    const values = record.finish();
    this.#inFlight = {
      items: taken === this.#waiting.length ? this.#waiting : this.#waiting.slice(0, taken),
      chunks,
      positions,
      lastChunk: first + values.length - 1,
    };
    this.#waiting = taken === this.#waiting.length ? [] : this.#waiting.slice(taken);
    this.#sliceWasLast = false;
    this.#busySince = this.#system.monotonic();
    this.#env
      .commit(() => {
        for (let i = 0; i < values.length; i++) {
          this.logBytes += (values[i] as Uint8Array).length;
          void this.#env.log.put(logKey(first + i), values[i] as Uint8Array);
        }
      })
      .then(
        () => this.#recordCommitted(),
        (error: unknown) => this.#writeFailed(error),
      );
  }

  #recordCommitted(): void {
    if (this.failure !== undefined) return; // given up before
    const record = this.#inFlight as RecordInFlight;
    this.#inFlight = undefined;
    this.#busySince = Number.POSITIVE_INFINITY;
    this.#lastChunk = record.lastChunk;
    this.commits++;
    this.#recovered();
    this.#step(); // the disk works on the next record while this one is told of
    const { items, chunks, positions } = record;
    for (let i = 0; i < items.length; i++)
      this.#apply(items[i] as LogItem, chunks[i] as number, positions[i] as number);
    this.#appliedChunk = record.lastChunk;
    for (const item of items) settle(item, 'committed', undefined);
    if (!this.#isBusy) this.#schedule();
  }

  #apply(item: LogItem, chunk: number, position: number): void {
    if (item.t === 'batch') this.#overlay.committed(item.batch, item.tail, item.puts, chunk, position);
    else if (item.t === 'clear') this.#overlay.dirty.clear(item.slot);
    else for (const put of item.puts) this.#overlay.tables.apply(put);
  }

  #writeSlice(overdue: number): void {
    const { sliceRows, sliceRowsMax } = this.#options;
    const rows =
      this.#closing === undefined ? Math.max(sliceRows, Math.min(overdue, sliceRowsMax)) : sliceRowsMax;
    this.#sliceWasLast = true;
    this.slices++;
    this.#commitAside(
      () => this.#overlay.writeSlice(rows),
      () => this.#overlay.sliceCommitted(),
    );
  }

  #sweep(): void {
    const keys = this.#overlay.dedup.sweep(this.#system.now(), this.#options.sweepRows);
    this.#sweepDue = keys.length > 0;
    if (keys.length === 0) return;
    this.#commitAside(
      () => this.#overlay.dedup.remove(keys),
      () => undefined,
    );
  }

  /** A transaction that nobody waits for. */
  #commitAside(work: () => void, committed: () => void): void {
    this.#busySince = this.#system.monotonic();
    this.#env.commit(work).then(
      () => {
        if (this.failure !== undefined) return;
        this.#busySince = Number.POSITIVE_INFINITY;
        committed();
        this.#recovered();
        this.#step();
      },
      (error: unknown) => this.#writeFailed(error),
    );
  }

  #writeFailed(error: unknown): void {
    if (this.failure !== undefined) return;
    if (!(error instanceof CommitFailed && error.full && error.certain)) {
      return this.#giveUp(error instanceof Error ? error : new Error(String(error)));
    }
    if (!this.full)
      this.#logger.error({ err: error, dir: this.#env.dir }, 'no room to write; appends are refused');
    this.#busySince = Number.POSITIVE_INFINITY;
    this.#fullUntil = this.#system.monotonic() + this.#options.fullRetryMs;
    const refused = (this.#inFlight?.items ?? []).concat(this.#waiting);
    this.#inFlight = undefined;
    this.#waiting = [];
    this.#waitingBytes = 0;
    for (const item of refused) settle(item, 'unavailable', 'the disk is full');
    this.#system.after(this.#options.fullRetryMs, () => this.#step());
    this.#finishClosing();
  }

  /** Nothing more is known of the write in flight, nor will anything be written after it. */
  #giveUp(error: Error): void {
    this.failure = error;
    this.#busySince = Number.POSITIVE_INFINITY;
    this.#logger.error({ err: error, dir: this.#env.dir }, 'the store failed and is out of service');
    const inFlight = this.#inFlight?.items ?? [];
    const waiting = this.#waiting;
    this.#inFlight = undefined;
    this.#waiting = [];
    for (const item of inFlight) settle(item, 'timedOutUnknown', 'the write has an unknown outcome');
    for (const item of waiting) settle(item, 'unavailable', 'the store is out of service');
    this.#finishClosing();
    this.#onFailure(error);
  }

  #recovered(): void {
    if (!this.full) return;
    this.#fullUntil = Number.NEGATIVE_INFINITY;
    this.#logger.info({ dir: this.#env.dir }, 'there is room to write again');
  }

  #tick(): void {
    const { bulkAfterMs, writeMsMax } = this.#options;
    const overlay = this.#overlay;
    if (this.#isBusy && this.#system.monotonic() - this.#busySince > writeMsMax) {
      return this.#giveUp(new Error(`a write has not ended for ${writeMsMax} ms`));
    }
    if (!overlay.bulkUnderWay && overlay.fresh > 0 && overlay.freshForMs >= bulkAfterMs) {
      overlay.freeze(this.#appliedChunk);
      this.#schedule();
    }
  }

  /** What the tables still lack when the disk is full or the store failed, the next start finds in the log. */
  #finishClosing(): void {
    if (this.#closing === undefined || (this.#isBusy && this.failure === undefined)) return;
    for (const timer of this.#timers) timer.cancel();
    this.#closing.resolve();
  }
}

function settle(item: LogItem, outcome: AppendOutcome, problem: string | undefined): void {
  if (item.t === 'batch') {
    item.tail.writing = false;
    item.listener.appended(item.batch, outcome);
  } else if (outcome === 'committed') item.waiter.resolve();
  else item.waiter.reject(new StoreUnavailable(problem));
}
