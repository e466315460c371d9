import type { LeaseTable } from '../src/core/cluster-ports.ts';
import type { ConversationId, NodeId } from '../src/core/ids.ts';
import type { System } from '../src/core/ports.ts';

const GATHER_MS = 5;

interface Gathered {
  readonly marks: { readonly conv: ConversationId; readonly fence: number }[];
  readonly waiters: ((marked: boolean) => void)[];
}

/** Marks conversations dirty, a node's marks of a few milliseconds as one write per slot. */
export class DirtyMarks {
  readonly #leases: LeaseTable;
  readonly #node: NodeId;
  readonly #system: System;
  readonly #bySlot = new Map<number, Gathered>();

  constructor(leases: LeaseTable, node: NodeId, system: System) {
    this.#leases = leases;
    this.#node = node;
    this.#system = system;
  }

  /** Resolves with whether the mark is at a quorum. */
  mark(slot: number, conv: ConversationId, fence: number): Promise<boolean> {
    let gathered = this.#bySlot.get(slot);
    if (gathered === undefined) {
      gathered = { marks: [], waiters: [] };
      this.#bySlot.set(slot, gathered);
      this.#system.after(GATHER_MS, () => void this.#write(slot));
    }
    gathered.marks.push({ conv, fence });
    const { waiters } = gathered;
    return new Promise((resolve) => waiters.push(resolve));
  }

  async #write(slot: number): Promise<void> {
    const gathered = this.#bySlot.get(slot);
    this.#bySlot.delete(slot);
    if (gathered === undefined) return;
    const outcome = await this.#leases.markDirty(this.#node, slot, gathered.marks);
    for (const resolve of gathered.waiters) resolve(outcome === 'written');
  }
}
