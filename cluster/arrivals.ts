import { makeRoom } from '../src/core/bounded-map.ts';
import type { ConversationId, NodeId } from '../src/core/ids.ts';
import type { System } from '../src/core/ports.ts';

/** For how long a node waits for the word of the next owner, which may be lost. */
const WORD_MS_MAX = 1_000;
/** Of conversations that are to come; one that never does is forgotten in its turn. */
const EXPECTED_MAX = 65_536;

/**
 * The word that ends a hand-over: the next owner says that it serves the conversation. Whoever gives faster than the
 * other can open sees it by this, and gives less at a time.
 */
export class Arrivals {
  readonly #system: Pick<System, 'after'>;
  readonly #say: (giver: NodeId, conv: ConversationId) => void;
  /** Given to others, and not heard of: no more than are on their way. */
  readonly #unheard = new Map<ConversationId, () => void>();
  /** From whom they come; the oldest first. */
  readonly #givers = new Map<ConversationId, NodeId>();

  /** `say` tells the giver that its conversation is served here. */
  constructor(system: Pick<System, 'after'>, say: (giver: NodeId, conv: ConversationId) => void) {
    this.#system = system;
    this.#say = say;
  }

  /** Resolves when the next owner of a conversation is heard, or never will be. */
  arrival(conv: ConversationId): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#system.after(WORD_MS_MAX, () => this.heard(conv));
      this.#unheard.set(conv, () => {
        timer.cancel();
        resolve();
      });
    });
  }

  /** Its next owner serves it. */
  heard(conv: ConversationId): void {
    this.#unheard.get(conv)?.();
    this.#unheard.delete(conv);
  }

  /** It comes from `giver`, who is told once it is `opened`. */
  expect(conv: ConversationId, giver: NodeId): void {
    makeRoom(this.#givers, EXPECTED_MAX);
    this.#givers.set(conv, giver);
  }

  /** It is served here. */
  opened(conv: ConversationId): void {
    const giver = this.#givers.get(conv);
    if (giver === undefined) return;
    this.#givers.delete(conv);
    this.#say(giver, conv);
  }

  /** Nobody is waited for any more. */
  stop(): void {
    for (const conv of [...this.#unheard.keys()]) this.heard(conv);
  }
}
