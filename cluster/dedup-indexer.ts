import type { LogTable } from '../src/core/cluster-ports.ts';
import type { ConversationId, Seq } from '../src/core/ids.ts';
import type { Logger, System } from '../src/core/ports.ts';
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
import { readCommitted } from './log-walk.ts';

/** Rows that may be committed and not indexed yet; beyond it appends wait. */
const UNINDEXED_MAX = 1_024;
const ROWS_PER_WRITE_MAX = 256;
const RETRY_MS = 200;

interface Line {
  /** All committed rows up to it are at a quorum in the index. */
  indexed: Seq;
  readonly pending: AppendRow[];
  writing: Promise<void> | undefined;
  waiters: { readonly upTo: Seq; readonly resolve: () => void }[];
}

/** Brings committed rows into the deduplication table, behind the log by a bounded number of rows. */
export class DedupIndexer {
  readonly #log: LogTable;
  readonly #system: System;
  readonly #logger: Logger;
  /** One per active conversation. */
  readonly #lines = new Map<ConversationId, Line>();

  constructor(log: LogTable, system: System, logger: Logger) {
    this.#log = log;
    this.#system = system;
    this.#logger = logger;
  }

  /** A term begins: what the last one had not indexed, (x, head], is indexed before anything is served. */
  async catchUp(conv: ConversationId, x: Seq, head: Seq): Promise<void> {
    for (let from = x + 1; from <= head; ) {
      const rows = await readCommitted(this.#log, conv, from, head, false, ROWS_PER_WRITE_MAX);
      await this.#write(conv, rows.map(toAppendRow));
      from += rows.length;
    }
    this.#lines.set(conv, { indexed: head, pending: [], writing: undefined, waiters: [] });
  }

  /** The watermark that rows written now carry. */
  indexed(conv: ConversationId): Seq {
    return this.#lines.get(conv)?.indexed ?? 0;
  }

  /** Waits until `last` is within reach of what is indexed. */
  room(conv: ConversationId, last: Seq): Promise<void> | undefined {
    const line = this.#lines.get(conv);
    if (line === undefined || last - line.indexed <= UNINDEXED_MAX) return undefined;
    return new Promise((resolve) => line.waiters.push({ upTo: last - UNINDEXED_MAX, resolve }));
  }

  /** Rows were committed. */
  add(conv: ConversationId, rows: readonly AppendRow[]): void {
    const line = this.#line(conv);
    line.pending.push(...rows);
    line.writing ??= this.#pump(conv, line);
  }

  /** Resolves when all that was added is indexed; the conversation is then forgotten. */
  async drop(conv: ConversationId): Promise<void> {
    await this.#lines.get(conv)?.writing;
    this.#lines.delete(conv);
  }

  #line(conv: ConversationId): Line {
    let line = this.#lines.get(conv);
    if (line === undefined) {
      line = { indexed: 0, pending: [], writing: undefined, waiters: [] };
      this.#lines.set(conv, line);
    }
    return line;
  }

  async #pump(conv: ConversationId, line: Line): Promise<void> {
    while (line.pending.length > 0) {
      const rows = line.pending.slice(0, ROWS_PER_WRITE_MAX);
      await this.#write(conv, rows);
      line.pending.splice(0, rows.length);
      line.indexed = Math.max(line.indexed, rows.at(-1)?.seq ?? 0);
      for (const waiter of line.waiters) if (waiter.upTo <= line.indexed) waiter.resolve();
      line.waiters = line.waiters.filter((waiter) => waiter.upTo > line.indexed);
    }
    line.writing = undefined;
  }

  async #write(conv: ConversationId, rows: readonly AppendRow[]): Promise<void> {
    const named = rows.filter((row) => row.cmid !== '');
    if (named.length === 0) return;
    for (;;) {
      const outcome = await this.#log.writeDedup(conv, named);
      if (outcome === 'written') return;
      this.#logger.warn({ conv, outcome }, 'ids were not indexed: again');
      await new Promise<void>((resolve) => this.#system.after(RETRY_MS, resolve));
    }
  }
}

function toAppendRow({ env, seq, m }: StoredRow): AppendRow {
  const hash = payloadHash(messageKind(env), messageBody(env), messageIsText(env));
  return { seq, m, env, user: messageFrom(env), device: messageDevice(env), cmid: messageCmid(env), hash };
}
