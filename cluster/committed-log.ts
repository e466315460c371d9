import type { LookUpOutcome } from '../src/core/actor.ts';
import { lastOfBucket } from '../src/core/buckets.ts';
import type { LeaseTable, LogRow, LogTable, WriteOutcome } from '../src/core/cluster-ports.ts';
import type { ConversationId, DeviceId, NodeId, Seq, UserId } from '../src/core/ids.ts';
import { pause } from '../src/core/patience.ts';
import {
  type AppendListener,
  type Claim,
  type MessageStore,
  type Ownership,
  type ReadLimits,
  StoreUnavailable,
  type System,
} from '../src/core/ports.ts';
import type { AppendBatch, AppendRow, Establishment, StoredRow } from '../src/core/rows.ts';
import { N_AT, readU64, TS_AT } from '../src/protocol/message-frame.ts';
import type { Acquired, Acquirer } from './acquire.ts';
import type { Barrier } from './barrier.ts';
import type { CommittedReader } from './committed-reader.ts';
import type { DedupIndexer } from './dedup-indexer.ts';
import type { DirtyMarks } from './dirty-marks.ts';
import type { Term } from './term.ts';

/** What a batch may take, retries and barrier included, before its outcome is given up as unknown. */
const APPEND_MS_MAX = 8_000;
const RETRY_MS = 100;
const UNAVAILABLE: Claim = { t: 'unavailable', retryAfterMs: 1_000, again: true };
const NOT_LIVE: Claim = { ...UNAVAILABLE, again: false };
/** What `insertOwner` gives a new conversation. */
const FIRST_FENCE = 1;
const READ_CONFIRM_MS_MAX = 2_000;

export interface CommittedLogOptions {
  readonly leases: LeaseTable;
  readonly log: LogTable;
  readonly reader: CommittedReader;
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
  /** Of the last row committed in this term. */
  last: { readonly n: number; readonly ts: number } | undefined;
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
  /** Let go at rest, of which rows are being indexed still: settled behind that, unless they are claimed anew before. */
  readonly #resting = new Map<ConversationId, Owned>();

  constructor(options: CommittedLogOptions) {
    this.#o = options;
  }

  async claim(conv: ConversationId): Promise<Claim> {
    const { acquirer, term } = this.#o;
    if (term.state !== 'live') return NOT_LIVE;
    this.#resting.delete(conv);
    const acquired = await acquirer.acquire(conv);
    switch (acquired.t) {
      case 'owned':
        return owned(acquired, this.#begin(conv, acquired));
      case 'none':
        return { t: 'none', fence: FIRST_FENCE };
      case 'notOwner':
        return { t: 'notOwner', owner: acquired.owner };
      case 'unavailable':
        return UNAVAILABLE;
    }
  }

  /** Before anything is served, each id of the log can be found: in the index, or among the rows since. */
  async #begin(conv: ConversationId, acquired: Acquired & { t: 'owned' }): Promise<void> {
    const { dedup } = this.#o;
    const { fence, head, recovered, ready, tail = [] } = acquired;
    await ready;
    if (recovered) await dedup.catchUp(conv, tail.at(-1)?.x ?? 0, tail);
    else dedup.resume(conv, head);
    this.#owned.set(conv, { fence, head, last: undefined, clean: true });
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
    // The node lives, but may have let the term go, and have claimed and recovered the conversation without this batch.
    if (this.#owned.get(batch.conv) !== owned) return this.#unknown(owned);
    owned.head = batch.c + batch.rows.length;
    dedup.add(batch.conv, batch.rows);
    const env = batch.rows.at(-1)?.env;
    if (env !== undefined) owned.last = { n: readU64(env, N_AT), ts: readU64(env, TS_AT) };
    if (owned.head === lastOfBucket(owned.head)) this.#writeHead(batch.conv, owned);
    return 'committed';
  }

  /** Where the next term begins to look, at the earliest: a hint, so nobody waits for it. */
  #writeHead(conv: ConversationId, { head, last }: Owned): void {
    if (last !== undefined) void this.#o.log.writeHead(conv, { head, ...last });
  }

  #unknown(owned: Owned): 'timedOutUnknown' {
    owned.clean = false;
    return 'timedOutUnknown';
  }

  /**
   * The first claim of a new conversation (whoever comes second is fenced), then its rows. Whose creation ended
   * between the two has an owner and no rows yet: it does not exist, and its owner may create it.
   */
  async #establish(
    conv: ConversationId,
    establish: Establishment,
  ): Promise<'committed' | 'fenced' | 'unavailable' | 'timedOutUnknown'> {
    const { leases, log, term, dedup } = this.#o;
    if (!this.#owned.has(conv)) {
      const owned = { fence: FIRST_FENCE, head: 0, last: undefined, clean: true };
      this.#owned.set(conv, owned); // before it is, so that it can be let go meanwhile
      const inserted = await leases.insertOwner(conv, term.node);
      if (this.#owned.get(conv) !== owned) return 'timedOutUnknown';
      if (inserted.t !== 'applied') this.#owned.delete(conv);
      if (inserted.t === 'unavailable') return 'unavailable';
      if (inserted.t === 'unknown') return 'timedOutUnknown';
      if (inserted.t === 'notApplied') return 'fenced';
      dedup.resume(conv, 0);
    }
    const written = await log.establish(establish);
    if (written === 'written') return 'committed';
    return written === 'unavailable' ? 'unavailable' : 'timedOutUnknown';
  }

  /** The same bytes until they are at a quorum, or time is up. */
  async #write(batch: AppendBatch, deadline: number): Promise<WriteOutcome> {
    const { log, dedup, system, term } = this.#o;
    const { conv, fence, c } = batch;
    const x = dedup.indexed(conv);
    const rows = batch.rows.map((row) => logRow(row, fence, c, x));
    for (let tries = 0; ; tries++) {
      const outcome = await log.write(conv, rows);
      if (outcome === 'written') return outcome;
      if (outcome === 'unavailable' && tries === 0) return outcome;
      if (system.monotonic() >= deadline || term.state === 'over') return 'unknown';
      await pause(system, RETRY_MS);
    }
  }

  /** Committed rows; the caller knows that `to` is. */
  read(
    conv: ConversationId,
    from: Seq,
    to: Seq,
    newestFirst: boolean,
    limits: ReadLimits,
  ): Promise<StoredRow[]> {
    return this.#o.reader.read(conv, from, to, newestFirst, limits);
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

  /** Begins to index what is not indexed of the conversation's ids. */
  hurry(conv: ConversationId): void {
    this.#o.dedup.hurry(conv);
  }

  /**
   * Ends the term of an actor that is sealed and owes nothing, by naming the next owner; its ids are all indexed.
   * `offer` is called with what the owner row will say, just before. False: it did not take place, or that is not
   * known; the conversation is then to be claimed anew.
   */
  async release(
    conv: ConversationId,
    next: NodeId,
    offer: (fence: number, head: Seq) => void,
  ): Promise<boolean> {
    const { leases, term } = this.#o;
    const owned = this.#owned.get(conv);
    this.#owned.delete(conv);
    this.#o.dedup.forget(conv);
    if (owned === undefined || !owned.clean || term.state !== 'live') return false;
    offer(owned.fence + 1, owned.head);
    const released = await leases.release(conv, term.node, owned.fence, next, owned.head);
    return released.t === 'applied';
  }

  /** Asks of the store what a hand-over does, of a conversation that is none: the first time takes several times as long. */
  async rehearse(): Promise<void> {
    const { leases, term } = this.#o;
    try {
      await leases.claim(term.node, term.node, 0, term.node);
      await leases.release(term.node, term.node, 0, term.node, 0);
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
    }
  }

  /** Whether all ids of what is committed are indexed. */
  isIndexed(conv: ConversationId): boolean {
    const owned = this.#owned.get(conv);
    return owned !== undefined && this.#o.dedup.isIndexed(conv);
  }

  /** A term without loose ends may be resumed without a claim, once its ids are indexed. */
  letGo(conv: ConversationId, atRest: boolean): void {
    const owned = this.#owned.get(conv);
    if (owned === undefined) return;
    this.#owned.delete(conv);
    if (!atRest || !owned.clean) this.#o.dedup.forget(conv);
    else void this.#rest(conv, owned);
  }

  async #rest(conv: ConversationId, owned: Owned): Promise<void> {
    const { dedup, acquirer } = this.#o;
    this.#resting.set(conv, owned);
    await dedup.drop(conv);
    if (this.#resting.get(conv) !== owned) return; // claimed anew meanwhile: its fence is raised, or may be
    this.#resting.delete(conv);
    acquirer.settle(conv, owned.fence, owned.head);
    this.#writeHead(conv, owned);
  }
}

function owned({ fence, recovered, warm, tail }: Acquired & { t: 'owned' }, ready: Promise<void>): Claim {
  return { t: 'owned', fence, recovered, warm, tail, ready };
}

/** One shape, made at once: a spread costs several times as much. */
function logRow({ seq, m, env, user, device, cmid, hash }: AppendRow, fence: number, c: Seq, x: Seq): LogRow {
  return { seq, m, env, user, device, cmid, hash, fence, c, x };
}
