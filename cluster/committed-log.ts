import type { LookUpOutcome } from '../src/core/actor.ts';
import type { LeaseTable, LogRow, LogTable, WriteOutcome } from '../src/core/cluster-ports.ts';
import type { ConversationId, DeviceId, Seq, UserId } from '../src/core/ids.ts';
import type {
  AppendListener,
  Claim,
  MessageStore,
  Ownership,
  ReadLimits,
  System,
} from '../src/core/ports.ts';
import type { AppendBatch, Establishment, StoredRow } from '../src/core/rows.ts';
import type { Acquirer } from './acquire.ts';
import type { Barrier } from './barrier.ts';
import type { DedupIndexer } from './dedup-indexer.ts';
import type { DirtyMarks } from './dirty-marks.ts';
import { readCommitted } from './log-walk.ts';
import type { Term } from './term.ts';

/** What a batch may take, retries and barrier included, before its outcome is given up as unknown. */
const APPEND_MS_MAX = 8_000;
const RETRY_MS = 100;
const UNAVAILABLE_RETRY_MS = 1_000;
/** What `insertOwner` gives a new conversation. */
const FIRST_FENCE = 1;
const READ_CONFIRM_MS_MAX = 2_000;

export interface CommittedLogOptions {
  readonly leases: LeaseTable;
  readonly log: LogTable;
  readonly term: Term;
  readonly barrier: Barrier;
  readonly acquirer: Acquirer;
  readonly dirty: DirtyMarks;
  readonly dedup: DedupIndexer;
  readonly system: System;
}

/** An owned conversation, from its claim until it is let go. */
interface Owned {
  readonly fence: number;
  head: Seq;
  /** Whether nothing of the term is of unknown outcome. */
  clean: boolean;
}

/**
 * The log as an owner may use it: `append` is the commit point of DESIGN section 6 (written at a quorum, then a
 * barrier that started after it says live), `claim` takes a conversation over and recovers it.
 */
export class CommittedLog implements MessageStore, Ownership {
  readonly #o: CommittedLogOptions;
  /** One per active conversation: the host's bound is this one's. */
  readonly #owned = new Map<ConversationId, Owned>();

  constructor(options: CommittedLogOptions) {
    this.#o = options;
  }

  async claim(conv: ConversationId): Promise<Claim> {
    const { acquirer, term, dedup, log } = this.#o;
    if (term.state !== 'live') return { t: 'unavailable', retryAfterMs: UNAVAILABLE_RETRY_MS };
    const acquired = await acquirer.acquire(conv);
    switch (acquired.t) {
      case 'owned': {
        this.#owned.set(conv, { fence: acquired.fence, head: acquired.head, clean: true });
        const x =
          acquired.head === 0
            ? 0
            : ((await readCommitted(log, conv, acquired.head, acquired.head, false, 1))[0]?.x ?? 0);
        await dedup.catchUp(conv, x, acquired.head);
        return { t: 'owned', fence: acquired.fence };
      }
      case 'none':
        return { t: 'none', fence: FIRST_FENCE };
      case 'notOwner':
        return { t: 'notOwner', owner: acquired.owner };
      case 'unavailable':
        return { t: 'unavailable', retryAfterMs: UNAVAILABLE_RETRY_MS };
    }
  }

  append(batch: AppendBatch, listener: AppendListener): void {
    this.#append(batch).then(
      (outcome) => listener.appended(batch, outcome),
      (error: unknown) => {
        throw error; // a broken invariant ends the process
      },
    );
  }

  async #append(batch: AppendBatch): Promise<'committed' | 'fenced' | 'unavailable' | 'timedOutUnknown'> {
    const { term, dirty, dedup, barrier, system } = this.#o;
    const deadline = system.monotonic() + APPEND_MS_MAX;
    if (term.state !== 'live') return term.state === 'over' ? 'fenced' : 'unavailable';
    if (batch.establish !== undefined) {
      const established = await this.#establish(batch.conv, batch.establish);
      if (established !== 'committed') return established;
    }
    const owned = this.#owned.get(batch.conv);
    if (owned === undefined || owned.fence !== batch.fence) return 'fenced';
    if (owned.head !== batch.c)
      throw new Error(`${batch.conv}: a batch after ${batch.c}, where ${owned.head} is the head`);
    await dedup.room(batch.conv, batch.c + batch.rows.length);
    const marked = batch.dirtySlot === 0 ? undefined : dirty.mark(batch.dirtySlot, batch.conv, batch.fence);
    const written = batch.rows.length === 0 ? 'written' : await this.#write(batch, deadline);
    if (written === 'unavailable') return 'unavailable';
    owned.clean &&= written === 'written';
    if (written === 'unknown') return 'timedOutUnknown';
    if ((await marked) === false) return this.#unknown(owned);
    if (!(await barrier.pass(deadline - system.monotonic()))) return this.#unknown(owned);
    owned.head = batch.c + batch.rows.length;
    dedup.add(batch.conv, batch.rows);
    return 'committed';
  }

  #unknown(owned: Owned): 'timedOutUnknown' {
    owned.clean = false;
    return 'timedOutUnknown';
  }

  /** The first claim of a new conversation, then its rows; whoever comes second is fenced. */
  async #establish(
    conv: ConversationId,
    establish: Establishment,
  ): Promise<'committed' | 'fenced' | 'unavailable' | 'timedOutUnknown'> {
    const { leases, log, term } = this.#o;
    // The small rows first: once the owner row is there, the conversation exists, and must be whole.
    if ((await log.establish(establish)) !== 'written') return 'unavailable';
    const inserted = await leases.insertOwner(conv, term.node);
    if (inserted.t === 'unknown') return 'timedOutUnknown';
    if (inserted.t === 'notApplied') return 'fenced';
    this.#owned.set(conv, { fence: FIRST_FENCE, head: 0, clean: true });
    return 'committed';
  }

  /** The same bytes until they are at a quorum, or time is up. */
  async #write(batch: AppendBatch, deadline: number): Promise<WriteOutcome> {
    const { log, dedup, system, term } = this.#o;
    const { conv, fence, c } = batch;
    const x = dedup.indexed(conv);
    const rows = batch.rows.map((row): LogRow => ({ ...row, fence, c, x }));
    for (let tries = 0; ; tries++) {
      const outcome = await log.write(conv, rows);
      if (outcome === 'written') return outcome;
      if (outcome === 'unavailable' && tries === 0) return outcome;
      if (system.monotonic() >= deadline || term.state === 'over') return 'unknown';
      await new Promise<void>((resolve) => system.after(RETRY_MS, resolve));
    }
  }

  /** Committed rows; the caller knows that `to` is. */
  async read(
    conv: ConversationId,
    from: Seq,
    to: Seq,
    newestFirst: boolean,
    limits: ReadLimits,
  ): Promise<StoredRow[]> {
    if (to < from) return [];
    const rows = await readCommitted(this.#o.log, conv, from, to, newestFirst, limits.rowsMax);
    return withinBytes(rows, newestFirst, limits.bytesMax);
  }

  head(conv: ConversationId): Promise<Seq> {
    return Promise.resolve(this.#owned.get(conv)?.head ?? 0);
  }

  lookUp(conv: ConversationId, user: UserId, device: DeviceId, cmid: string): Promise<LookUpOutcome> {
    return this.#o.log.lookUp(conv, user, device, cmid);
  }

  confirmed(): Promise<boolean> {
    return this.#o.barrier.pass(READ_CONFIRM_MS_MAX);
  }

  /** A term without loose ends may be resumed without a claim, once its ids are indexed. */
  letGo(conv: ConversationId, atRest: boolean): void {
    const owned = this.#owned.get(conv);
    this.#owned.delete(conv);
    void this.#o.dedup.drop(conv).then(() => {
      if (owned !== undefined && atRest && owned.clean) this.#o.acquirer.settle(conv, owned.fence);
    });
  }
}

function withinBytes(rows: StoredRow[], newestFirst: boolean, bytesMax: number): StoredRow[] {
  let bytes = 0;
  for (let i = 0; i < rows.length; i++) {
    const row = rows[newestFirst ? rows.length - 1 - i : i] as StoredRow;
    bytes += row.env.length;
    if (i > 0 && bytes > bytesMax) return newestFirst ? rows.slice(rows.length - i) : rows.slice(0, i);
  }
  return rows;
}
