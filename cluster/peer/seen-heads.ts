import { makeRoom } from '../../src/core/bounded-map.ts';
import type { ConversationId, Seq } from '../../src/core/ids.ts';

/** The highest seq of each conversation that an edge has seen acknowledged: what it sends from then on comes behind it. */
export class SeenHeads {
  /** Those acknowledged first are first. */
  readonly #heads = new Map<ConversationId, Seq>();
  readonly #max: number;

  constructor(max: number) {
    this.#max = max;
  }

  /** 0: none was seen, or it is forgotten. */
  of(conv: ConversationId): Seq {
    return this.#heads.get(conv) ?? 0;
  }

  note(conv: ConversationId, seq: Seq): void {
    const known = this.#heads.get(conv);
    if (known === undefined) makeRoom(this.#heads, this.#max);
    if (known === undefined || seq > known) this.#heads.set(conv, seq);
  }
}
