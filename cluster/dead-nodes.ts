import type { LeaseRow, LeaseTable } from '../src/core/cluster-ports.ts';
import type { ConversationId, NodeId } from '../src/core/ids.ts';
import { pause } from '../src/core/patience.ts';
import { type Logger, StoreUnavailable, type System } from '../src/core/ports.ts';
import type { Acquirer } from './acquire.ts';
import { dirtySlotAt } from './dirty-slots.ts';
import type { Ring } from './ring.ts';
import type { Watcher } from './watcher.ts';

/** Marks expire after 7 days. */
const SLOTS_MAX = 1_010;
/** How far the dead node's clock may have been ahead of this one's: slots that are looked at last. */
const SLOTS_AHEAD = 6;
const LOOK_MS = 100;
/** What somebody asks for is opened before what is only to be told. */
const ASKED_MS = 1_000;
/** How long the others have for their share, until the one who closes the books looks after it. */
const OTHERS_MS = 10_000;

export interface DeadNodesOptions {
  readonly me: NodeId;
  readonly leases: LeaseTable;
  readonly watcher: Watcher;
  readonly acquirer: Acquirer;
  readonly ring: () => Ring;
  /** Opens conversations in their turn, and tells their members where they stand. */
  readonly walk: (convs: readonly ConversationId[]) => void;
  readonly isShown: (conv: ConversationId) => boolean;
  /** Whether the conversation is in memory here: it may be this node's by a release, whomever the ring names. */
  readonly isHere: (conv: ConversationId) => boolean;
  readonly system: System;
  readonly logger: Logger;
}

/**
 * Sees to the dead: kills who is silent, and wakes the conversations in which a dead node may have committed what it
 * told nobody. Each live node wakes those that the ring names it for; the one that the ring names for the dead node
 * itself makes sure that none is left, and notes that all were walked.
 */
export class DeadNodes {
  readonly #o: DeadNodesOptions;
  /** Whose share of this node is walked, or being walked; since the ring last changed. */
  readonly #taken = new Set<NodeId>();
  #takenOf: Ring | undefined;
  #killing = false;
  #stopped = false;

  constructor(options: DeadNodesOptions) {
    this.#o = options;
  }

  /** To be called after each look at the leases. */
  look(): void {
    const { me, watcher, ring } = this.#o;
    if (this.#stopped) return;
    if (this.#takenOf !== ring()) this.#taken.clear();
    this.#takenOf = ring();
    for (const row of watcher.rows) {
      if (row.node === me || row.walked) continue;
      if (watcher.isSuspect(row.node)) void this.#kill(row.node);
      if (row.state !== 'dead' || this.#taken.has(row.node)) continue;
      this.#taken.add(row.node);
      void this.#walkNode(row);
    }
  }

  stop(): void {
    this.#stopped = true;
  }

  async #kill(node: NodeId): Promise<void> {
    if (this.#killing) return;
    this.#killing = true;
    const { acquirer, logger } = this.#o;
    try {
      if (await acquirer.bury(node)) logger.warn({ node }, 'a silent node was marked dead');
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error; // else it is tried again at the next look
    }
    this.#killing = false;
  }

  async #walkNode(row: LeaseRow): Promise<void> {
    const { me, ring, isHere, leases, logger } = this.#o;
    const { node } = row;
    try {
      await pause(this.#o.system, ASKED_MS);
      const woken = await this.#walkSlots(row, (conv) => ring().ownerOf(conv) === me || isHere(conv));
      if (ring().ownerOf(node) === me) {
        if (ring().nodes.length > 1) {
          await pause(this.#o.system, OTHERS_MS);
          await this.#walkSlots(row, async (conv) => (await leases.owner(conv))?.owner === node);
        }
        if (!this.#stopped) await leases.markWalked(node);
      }
      if (woken > 0 && !this.#stopped)
        logger.info({ node, conversations: woken }, 'what a dead node may not have told is told');
    } catch (error) {
      if (!(error instanceof StoreUnavailable)) throw error;
      await pause(this.#o.system, LOOK_MS);
      this.#taken.delete(node); // again, then
    }
  }

  /** Slot by slot, the newest first: its conversations are few enough to be held. Resolves with their number. */
  async #walkSlots(
    { node, dirtyFrom }: LeaseRow,
    isWanted: (conv: ConversationId) => boolean | Promise<boolean>,
  ): Promise<number> {
    const { leases, system, walk, isShown } = this.#o;
    let count = 0;
    for (const slot of slotsFrom(dirtyFrom, dirtySlotAt(system.now()))) {
      if (this.#stopped) break;
      let wanted: ConversationId[] = [];
      for (const conv of await leases.dirty(node, slot)) if (await isWanted(conv)) wanted.push(conv);
      walk(wanted);
      count += wanted.length;
      // One by one: a busy conversation is seldom written up at the moment when all others are.
      for (;;) {
        wanted = wanted.filter((conv) => !isShown(conv));
        if (wanted.length === 0 || this.#stopped) break;
        await pause(this.#o.system, LOOK_MS);
      }
    }
    return count;
  }
}

function* slotsFrom(dirtyFrom: number, present: number): Generator<number> {
  const newest = Math.max(present + SLOTS_AHEAD, dirtyFrom);
  const oldest = Math.max(dirtyFrom, newest - SLOTS_MAX);
  for (let slot = present; slot >= oldest; slot--) yield slot;
  for (let slot = Math.max(present + 1, oldest); slot <= newest; slot++) yield slot;
}
