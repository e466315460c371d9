import type { LogTable } from '../src/core/cluster-ports.ts';
import type { ConversationId, Seq } from '../src/core/ids.ts';
import { pause } from '../src/core/patience.ts';
import { type Logger, type MessageStore, missingRow, type System, type Timer } from '../src/core/ports.ts';
import type { AppendRow, StoredRow } from '../src/core/rows.ts';
import {
  messageBody,
  messageCmid,
  messageDevice,
  messageFrom,
  messageIsText,
  messageKind,
  payloadHash,
} from '../src/protocol/message-frame.ts';

/** Rows of a conversation that may be committed and not indexed yet; beyond it its appends wait. */
const UNINDEXED_MAX = 1_024;
/** The same of all conversations together, beyond which all appends wait. */
const UNINDEXED_TOTAL_MAX = 131_072;
/** Rows wait so long for more of their conversation, … */
const GATHER_MS = 2_000;
/** … unless there are so many already, … */
const ROWS_PER_WRITE_MAX = 512;
/** … or so many in all. */
const HURRY_TOTAL_MIN = UNINDEXED_TOTAL_MAX / 2;
const TICK_MS = 50;
const WRITES_IN_FLIGHT_MAX = 32;
const RETRY_MS = 200;
const CATCH_UP_BYTES_MAX = 1024 * 1024;

/** An active conversation. */
interface Line {
  readonly conv: ConversationId;
  /** All committed rows up to it are at a quorum in the index. */
  indexed: Seq;
  readonly pending: AppendRow[];
  /** Monotonic ms at which the pending rows are to be written. */
  dueAt: number;
  writing: Promise<void> | undefined;
}

interface Waiter {
  readonly line: Line;
  readonly upTo: Seq;
  readonly resolve: () => void;
}

/** Brings committed rows into the deduplication table, behind the log by a bounded number of rows. */
export class DedupIndexer {
  readonly #log: LogTable;
  readonly #reader: Pick<MessageStore, 'read'>;
  readonly #system: System;
  readonly #logger: Logger;
  readonly #isRush: () => boolean;
  readonly #ticker: Timer;
  /** One per active conversation. */
  readonly #lines = new Map<ConversationId, Line>();
  /** Those with rows that wait, in the order of becoming due. */
  readonly #due = new Set<Line>();
  /** One per append that waits: at most one per conversation. */
  #waiters: Waiter[] = [];
  #unindexed = 0;
  #inFlight = 0;
  #stopped = false;

  /** `isRush`: whether what can wait should; by default it never need. */
  constructor(
    log: LogTable,
    reader: Pick<MessageStore, 'read'>,
    system: System,
    logger: Logger,
    isRush: () => boolean = () => false,
  ) {
    this.#log = log;
    this.#reader = reader;
    this.#system = system;
    this.#logger = logger;
    this.#isRush = isRush;
    this.#ticker = system.every(TICK_MS, () => this.#tick());
  }

  /**
   * A term begins: what the last one had not indexed are the rows behind x. Those of `tail`, the last ones up to the head,
   * are indexed in their turn, like any that are committed: who serves knows them. Those before it are indexed first.
   */
  async catchUp(conv: ConversationId, x: Seq, tail: readonly StoredRow[]): Promise<void> {
    const before = (tail[0]?.seq ?? 1) - 1;
    for (let from = x + 1; from <= before; ) {
      const rows = await this.#read(conv, from, before);
      if (rows.length === 0) throw missingRow(conv, from);
      await this.#write(conv, rows.map(toAppendRow));
      from += rows.length;
    }
    const indexed = Math.max(x, before);
    this.resume(conv, indexed);
    this.add(conv, tail.filter(({ seq }) => seq > indexed).map(toAppendRow));
  }

  #read(conv: ConversationId, from: Seq, to: Seq): Promise<readonly StoredRow[]> {
    const limits = { rowsMax: ROWS_PER_WRITE_MAX, bytesMax: CATCH_UP_BYTES_MAX };
    return this.#reader.read(conv, from, to, false, limits);
  }

  /** A term begins whose predecessor had everything indexed. */
  resume(conv: ConversationId, head: Seq): void {
    this.forget(conv);
    this.#lines.set(conv, { conv, indexed: head, pending: [], dueAt: 0, writing: undefined });
  }

  /** The watermark that rows written now carry. */
  indexed(conv: ConversationId): Seq {
    return this.#lines.get(conv)?.indexed ?? 0;
  }

  /** Waits until `last` is within reach of what is indexed; undefined: it is. */
  room(conv: ConversationId, last: Seq): Promise<void> | undefined {
    const line = this.#lines.get(conv);
    if (line === undefined) return undefined;
    const upTo = last - UNINDEXED_MAX;
    if (line.indexed >= upTo && this.#unindexed < UNINDEXED_TOTAL_MAX) return undefined;
    return new Promise((resolve) => this.#waiters.push({ line, upTo, resolve }));
  }

  /** Rows were committed. */
  add(conv: ConversationId, rows: readonly AppendRow[]): void {
    const line = this.#lines.get(conv);
    if (line === undefined) return; // the term has ended meanwhile: the next one catches up
    if (!this.#due.has(line)) {
      line.dueAt = this.#system.monotonic() + GATHER_MS;
      this.#due.add(line);
    }
    line.pending.push(...rows);
    this.#unindexed += rows.length;
    if (line.pending.length >= ROWS_PER_WRITE_MAX) this.#start(line);
  }

  /** Writes what waits of the conversation now. */
  hurry(conv: ConversationId): void {
    const line = this.#lines.get(conv);
    if (line !== undefined) this.#start(line);
  }

  /** Whether nothing that was added is still to be indexed. */
  isIndexed(conv: ConversationId): boolean {
    const line = this.#lines.get(conv);
    return line !== undefined && line.pending.length === 0 && line.writing === undefined;
  }

  /** Resolves when all that was added is indexed; the conversation is then forgotten. */
  async drop(conv: ConversationId): Promise<void> {
    const line = this.#lines.get(conv);
    if (line === undefined) return;
    while (line.pending.length > 0 && !this.#stopped) {
      this.#start(line);
      await line.writing;
    }
    if (this.#lines.get(conv) === line) this.forget(conv);
  }

  /** The term is over; what is not indexed, the next one catches up with. */
  forget(conv: ConversationId): void {
    const line = this.#lines.get(conv);
    if (line === undefined) return;
    this.#lines.delete(conv);
    this.#due.delete(line);
    this.#unindexed -= line.pending.length;
    line.pending.length = 0;
    this.#wake();
  }

  stop(): void {
    this.#stopped = true;
    this.#ticker.cancel();
  }

  #tick(): void {
    const now = this.#system.monotonic();
    const hurry = this.#unindexed >= HURRY_TOTAL_MIN || this.#waiters.length > 0;
    if (this.#isRush() && !hurry) return;
    for (const line of this.#due) {
      if (this.#inFlight >= WRITES_IN_FLIGHT_MAX || (!hurry && line.dueAt > now)) return;
      this.#start(line);
    }
  }

  #start(line: Line): void {
    if (line.writing !== undefined || line.pending.length === 0) return;
    this.#due.delete(line);
    this.#inFlight++;
    line.writing = this.#pump(line).finally(() => {
      line.writing = undefined;
      this.#inFlight--;
      this.#wake();
    });
  }

  async #pump(line: Line): Promise<void> {
    do {
      const rows = line.pending.slice(0, ROWS_PER_WRITE_MAX);
      await this.#write(line.conv, rows);
      if (line.pending.length === 0) return; // forgotten meanwhile
      line.pending.splice(0, rows.length);
      this.#unindexed -= rows.length;
      line.indexed = rows.at(-1)?.seq ?? line.indexed;
      this.#wake();
    } while (line.pending.length >= ROWS_PER_WRITE_MAX && !this.#stopped);
  }

  #wake(): void {
    if (this.#waiters.length === 0) return;
    const hasRoom = this.#unindexed < UNINDEXED_TOTAL_MAX;
    const waiting: Waiter[] = [];
    for (const waiter of this.#waiters) {
      const { line, upTo } = waiter;
      const isGone = this.#lines.get(line.conv) !== line;
      if (isGone || (hasRoom && line.indexed >= upTo)) waiter.resolve();
      else waiting.push(waiter);
    }
    this.#waiters = waiting;
  }

  /** Until it is done: a store that is away stops the appends too. */
  async #write(conv: ConversationId, rows: readonly AppendRow[]): Promise<void> {
    const named = rows.filter((row) => row.cmid !== '');
    while (named.length > 0 && !this.#stopped) {
      const outcome = await this.#log.writeDedup(conv, named);
      if (outcome === 'written') return;
      this.#logger.warn({ conv, outcome }, 'ids were not indexed: again');
      await pause(this.#system, RETRY_MS);
    }
  }
}

function toAppendRow({ env, seq, m }: StoredRow): AppendRow {
  const hash = payloadHash(messageKind(env), messageBody(env), messageIsText(env));
  return { seq, m, env, user: messageFrom(env), device: messageDevice(env), cmid: messageCmid(env), hash };
}
