import { makeRoom } from '../src/core/bounded-map.ts';
import { bucketOf } from '../src/core/buckets.ts';
import type { LeaseTable, LogRow, LogTable, OwnerRow } from '../src/core/cluster-ports.ts';
import type { ConversationId, NodeId, Seq } from '../src/core/ids.ts';
import { StoreUnavailable } from '../src/core/ports.ts';
import type { HandOver, StoredRow } from '../src/core/rows.ts';
import { messageCmid, messageDevice, messageFrom } from '../src/protocol/message-frame.ts';
import type { Barrier } from './barrier.ts';
import { type Walk, walkLog } from './log-walk.ts';
import type { Offers } from './offers.ts';
import type { Watcher } from './watcher.ts';

/**
 * owned: fit to serve from `head`; `recovered`: after a term that may have ended between a commit and its being
 * told. none: there is no such conversation.
 */
export type Acquired =
  | {
      readonly t: 'owned';
      readonly fence: number;
      readonly head: Seq;
      /** What was read of the log: its last rows, all of them or TAIL_ROWS_MAX. */
      readonly tail?: readonly StoredRow[];
      readonly recovered: boolean;
      /**
       * What is left of a recovery: resolves when it may be served. Rejects with StoreUnavailable when that is not known:
       * it is to be claimed again.
       */
      readonly ready?: Promise<void>;
      /** By a release that names this node: all that the last owner knew. */
      readonly warm?: HandOver;
    }
  | { readonly t: 'none' }
  | { readonly t: 'notOwner'; readonly owner: NodeId }
  | { readonly t: 'unavailable' };

const ATTEMPTS_MAX = 8;
const BARRIER_MS_MAX = 4_000;
const REWRITE_ROWS_MAX = 256;
const REWRITE_BYTES_MAX = 48 * 1024;
/** Terms remembered as settled: their conversations are served again without a claim. */
const SETTLED_MAX = 100_000;

interface Settled {
  readonly fence: number;
  readonly head: Seq;
}

export interface AcquireOptions {
  readonly me: NodeId;
  readonly leases: LeaseTable;
  readonly log: LogTable;
  readonly watcher: Watcher;
  readonly barrier: Barrier;
  /** Whether it is for this node to mark a silent one dead before others do; if not given, it is. */
  readonly buriesFirst?: (node: NodeId) => boolean;
  /** A death is confirmed by an own LWT; `isFirst`: it was this node's that marked it. */
  readonly buried?: (node: NodeId, isFirst: boolean) => void;
  /** Where no node ever hands anything over there are none. */
  readonly offers?: Offers;
  /** Conversations taken over and recovered are counted in it. */
  readonly counts: { takeovers: number };
}

/**
 * Takes conversations over, step by step as DESIGN section 6 has it. The order is the proof: claim applied, then
 * the floor read, then the rows, their rewrite, the new floor of known outcome, a barrier, and only then service.
 */
export class Acquirer {
  readonly #o: AcquireOptions;
  /** Fences under which a term of this process ended strictly settled, and where. */
  readonly #settled = new Map<ConversationId, Settled>();
  /** Nodes whose death was confirmed by an own applied LWT. */
  readonly #confirmedDead = new Set<NodeId>();
  readonly #burials = new Map<NodeId, Promise<boolean>>();
  /** Of whom others say that they are dead, and who wait for such news. */
  readonly #saidDead = new Set<NodeId>();
  readonly #hearers = new Set<() => void>();

  constructor(options: AcquireOptions) {
    this.#o = options;
  }

  /** The term served and ended with no write and no LWT of unknown outcome. */
  settle(conv: ConversationId, fence: number, head: Seq): void {
    makeRoom(this.#settled, SETTLED_MAX);
    this.#settled.set(conv, { fence, head });
  }

  /** Nothing is remembered any more: each conversation is to be claimed anew. */
  unsettleAll(): void {
    this.#settled.clear();
    this.#o.offers?.clear();
  }

  /** Another node has marked this one dead, it says: an own LWT is to confirm that, and need not wait for a look. */
  heardOfDeath(node: NodeId): void {
    if (this.#confirmedDead.has(node) || this.#o.watcher.get(node) === undefined) return;
    this.#saidDead.add(node);
    for (const resolve of this.#hearers) resolve();
    this.#hearers.clear();
  }

  async acquire(conv: ConversationId): Promise<Acquired> {
    try {
      for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
        const acquired = await this.#attempt(conv, attempt === 0);
        if (acquired !== undefined) return acquired;
      }
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
    }
    return { t: 'unavailable' };
  }

  /** One pass; undefined: look again. */
  async #attempt(conv: ConversationId, isFirst: boolean): Promise<Acquired | undefined> {
    const { me, leases, watcher } = this.#o;
    const settled = this.#settled.get(conv);
    if (settled !== undefined) {
      this.#settled.delete(conv); // served or lost: either way it is a term again, with an end of its own
      const again = await this.#reactivate(conv, settled);
      if (again !== undefined) return again;
    }
    // What was so once will do: the condition of a claim, an offer held for just this fence, or whom it names if that one
    // lives, tells whether it still is. It costs a quarter of a serial read, and stands in no LWT's way.
    const row = (isFirst ? await leases.ownerOnce(conv) : undefined) ?? (await leases.owner(conv));
    if (row === undefined) return { t: 'none' };
    const { owner, fence, head } = row;
    if (owner === me) {
      // Whom this node buried, it may have claimed the conversation from: the fence is then that claim's.
      const warm = this.#o.offers?.take(conv, fence, head, (from) => !this.#confirmedDead.has(from));
      if (warm !== undefined) return { t: 'owned', fence, head, recovered: false, warm };
      return this.#claim(conv, me, row);
    }
    const lease = watcher.get(owner) ?? (await leases.node(owner));
    if (lease?.state === 'live' && !this.#isTakenForDead(owner)) {
      if (!watcher.isSilent(owner)) return { t: 'notOwner', owner };
      // Whoever asks here takes it for dead: this node sees that soon, or hears it beat.
      while (watcher.isSilent(owner) && !this.#isTakenForDead(owner)) await this.#news();
      if (!this.#isTakenForDead(owner)) return undefined;
    }
    if (!(await this.bury(owner))) return undefined;
    return this.#claim(conv, owner, row);
  }

  /** An own settled term goes on under its fence, if nobody raised it since. */
  async #reactivate(conv: ConversationId, { fence, head }: Settled): Promise<Acquired | undefined> {
    const { last, tail, fenceMax } = await this.#walk(conv, head);
    if (fenceMax > fence) return undefined;
    if (!(await this.#o.barrier.pass(BARRIER_MS_MAX))) return { t: 'unavailable' };
    return { t: 'owned', fence, head: last, tail, recovered: false };
  }

  async #claim(conv: ConversationId, from: NodeId, { fence, head }: OwnerRow): Promise<Acquired | undefined> {
    this.#o.offers?.drop(conv); // an own claim makes the term, not a release
    const claimed = await this.#o.leases.claim(conv, from, fence, this.#o.me);
    if (claimed.t === 'unavailable') return { t: 'unavailable' };
    if (claimed.t !== 'applied') return undefined; // a serial read will tell
    return this.#recover(conv, fence + 1, head);
  }

  /** undefined: another has claimed it since. */
  async #recover(conv: ConversationId, fence: number, ownerHead: Seq): Promise<Acquired | undefined> {
    const walk = await this.#walk(conv, ownerHead);
    if (walk.fenceMax > fence) return undefined;
    const ready = this.#secure(conv, fence, walk);
    return { t: 'owned', fence, head: walk.last, tail: walk.tail, recovered: true, ready };
  }

  /** Has what was read stay. Not finished, it is never to be read again at this fence. */
  async #secure(conv: ConversationId, fence: number, { last, uncertain, c }: Walk): Promise<void> {
    const { log, barrier } = this.#o;
    if (!(await this.#rewrite(conv, uncertain, fence, c))) throw unsecured(conv);
    const written = await log.writeFloor(conv, { fence, start: last + 1 });
    if (written !== 'written') throw unsecured(conv);
    if (!(await barrier.pass(BARRIER_MS_MAX))) throw unsecured(conv);
    this.#o.counts.takeovers++;
  }

  /** The floor, then the log from a committed seq on; the highest fence of both. */
  async #walk(conv: ConversationId, committed: Seq): Promise<Walk> {
    const { log } = this.#o;
    const floor = await log.floor(conv);
    const walk = await walkLog(log, conv, Math.max(committed, (floor?.start ?? 1) - 1), floor);
    return { ...walk, fenceMax: Math.max(walk.fenceMax, floor?.fence ?? 0) };
  }

  /** Writes what may be on a minority of replicas alone, under the own fence, in batches within a bucket. */
  async #rewrite(conv: ConversationId, rows: readonly StoredRow[], fence: number, c: Seq): Promise<boolean> {
    let batch: LogRow[] = [];
    let bytes = 0;
    const flush = async (): Promise<boolean> => {
      if (batch.length > 0 && (await this.#o.log.write(conv, batch)) !== 'written') return false;
      batch = [];
      bytes = 0;
      return true;
    };
    for (const row of rows) {
      const crossing = batch.length > 0 && bucketOf(row.seq) !== bucketOf((batch[0] as LogRow).seq);
      if (crossing || batch.length >= REWRITE_ROWS_MAX || bytes + row.env.length > REWRITE_BYTES_MAX) {
        if (!(await flush())) return false;
      }
      batch.push(rewritten(row, fence, c));
      bytes += row.env.length;
    }
    return flush();
  }

  #isTakenForDead(node: NodeId): boolean {
    const { watcher } = this.#o;
    return this.#saidDead.has(node) || watcher.isSuspect(node) || watcher.get(node)?.state === 'dead';
  }

  /** Resolves after the next look at the leases, or when another tells of a death. */
  #news(): Promise<void> {
    return new Promise((resolve) => {
      this.#hearers.add(resolve);
      void this.#o.watcher.nextLook().then(() => {
        this.#hearers.delete(resolve);
        resolve();
      });
    });
  }

  /**
   * Has the death of a node that is dead or suspect committed at a quorum by an own applied LWT; false: it lives, or
   * that is not known. Rejects with StoreUnavailable.
   */
  async bury(node: NodeId): Promise<boolean> {
    if (this.#confirmedDead.has(node)) return true;
    // All whose owner it was ask at once: one LWT tells them all, where many would stand in one another's way.
    let burial = this.#burials.get(node);
    if (burial === undefined) {
      burial = this.#bury(node).finally(() => this.#burials.delete(node));
      this.#burials.set(node, burial);
    }
    return burial;
  }

  async #bury(node: NodeId): Promise<boolean> {
    const { leases, watcher, buriesFirst, buried } = this.#o;
    // All suspect it at once, and would stand in one another's way: the others follow the first.
    if (watcher.isSuspect(node) && !this.#saidDead.has(node) && buriesFirst?.(node) === false)
      await this.#news();
    const isKnown = this.#isTakenForDead(node);
    const row = isKnown ? watcher.get(node) : await leases.node(node);
    // A live node is killed only for the very heartbeat of whose silence it is suspected, never for one just read.
    if (!isKnown && row?.state === 'live') return false;
    const isMarked = this.#saidDead.delete(node) || row?.state === 'dead';
    const marked =
      row === undefined
        ? await leases.insertDead(node)
        : await leases.markDead(node, isMarked ? 'dead' : row.hb);
    if (marked.t !== 'applied') return false;
    this.#confirmedDead.add(node);
    buried?.(node, !isMarked);
    return true;
  }
}

function unsecured(conv: ConversationId): StoreUnavailable {
  return new StoreUnavailable(`${conv}: what was recovered could not be secured`);
}

function rewritten(row: StoredRow, fence: number, c: Seq): LogRow {
  const { env, seq, m, x } = row;
  const cmid = messageCmid(env);
  return { seq, m, env, fence, c, x, cmid, user: messageFrom(env), device: messageDevice(env), hash: 0 };
}
