import { type ConversationId, uuidFromBytes } from '../../core/ids.ts';
import { readU64 } from '../../protocol/message-frame.ts';
import { type FrozenPart, NOTHING } from './bulk.ts';
import { type Environment, META } from './environment.ts';
import { dirtyKey } from './keys.ts';

/** Cleared rows that one bulk removes from the table. */
const REMOVED_PER_BULK_MAX = 8_192;
const EMPTY = new Uint8Array(0);

/**
 * The conversations marked dirty, by slot: all in memory, since they are those written to in the last slots.
 * Slots below the floor are cleared; their rows leave the table with later bulks.
 */
export class DirtyMarks {
  readonly #env: Environment;
  readonly #slots = new Map<number, Set<ConversationId>>();
  #floor: number;
  #fresh: [slot: number, conv: ConversationId][] = [];

  constructor(env: Environment) {
    this.#env = env;
    this.#floor = env.meta(META.dirtyFrom);
    for (const key of env.dirty.getKeys({ start: dirtyKey(this.#floor, FIRST) })) {
      this.#mark(readU64(key, 0), uuidFromBytes(key, 8));
    }
  }

  get freshCount(): number {
    return this.#fresh.length;
  }

  add(slot: number, conv: ConversationId): void {
    if (slot < this.#floor) return;
    this.#mark(slot, conv);
    this.#fresh.push([slot, conv]);
  }

  clear(below: number): void {
    if (below <= this.#floor) return;
    this.#floor = below;
    for (const slot of this.#slots.keys()) if (slot < below) this.#slots.delete(slot);
  }

  all(): ConversationId[] {
    return [...new Set([...this.#slots.values()].flatMap((slot) => [...slot]))];
  }

  freeze(): FrozenPart {
    const marks = this.#fresh;
    this.#fresh = [];
    const range = {
      start: dirtyKey(0, FIRST),
      end: dirtyKey(this.#floor, FIRST),
      limit: REMOVED_PER_BULK_MAX,
    };
    const cleared = [...this.#env.dirty.getKeys(range)];
    if (marks.length + cleared.length === 0) return NOTHING;
    return {
      count: cleared.length + marks.length,
      write: (index: number) => {
        if (index < cleared.length) {
          void this.#env.dirty.remove(cleared[index] as Uint8Array);
          return;
        }
        const [slot, conv] = marks[index - cleared.length] as [number, ConversationId];
        if (slot >= this.#floor) void this.#env.dirty.put(dirtyKey(slot, conv), EMPTY);
      },
      written: () => undefined,
    };
  }

  /** Part of the transaction that ends a bulk. */
  writeFloor(): void {
    this.#env.putMeta(META.dirtyFrom, this.#floor);
  }

  #mark(slot: number, conv: ConversationId): void {
    const convs = this.#slots.get(slot);
    if (convs === undefined) this.#slots.set(slot, new Set([conv]));
    else convs.add(conv);
  }
}

const FIRST = '00000000-0000-0000-0000-000000000000';
