import type { Recalled } from '../src/core/actor.ts';
import type { ConversationId, Seq } from '../src/core/ids.ts';
import type { Logger, MessageStore, System, Timer } from '../src/core/ports.ts';
import { readRows } from './row-reads.ts';

const LOOK_MS = 100;
/** Nothing is recalled while so many conversations are being opened: that is what requests wait for. */
const OPENING_MAX = 4;

export interface RecallsOptions {
  readonly messages: MessageStore;
  readonly system: System;
  readonly logger: Logger;
  /** How many conversations are being opened, or wait for that. */
  readonly opening: () => number;
  /** Whether what can wait should; if not given, it never need. */
  readonly isRush: (() => boolean) | undefined;
}

interface Wanted {
  readonly conv: ConversationId;
  readonly from: Seq;
  readonly to: Seq;
  readonly resolve: (recalled: Recalled) => void;
}

/** Committed rows that actors can do without for a while: read for one at a time, when nothing else is urgent. */
export class Recalls {
  readonly #o: RecallsOptions;
  /** At most one per actor. */
  readonly #waiting = new Set<Wanted>();
  #timer: Timer | undefined;
  #reading = false;

  constructor(options: RecallsOptions) {
    this.#o = options;
  }

  recall(conv: ConversationId, from: Seq, to: Seq): Promise<Recalled> {
    this.#timer ??= this.#o.system.every(LOOK_MS, () => this.#look());
    return new Promise((resolve) => this.#waiting.add({ conv, from, to, resolve }));
  }

  stop(): void {
    this.#timer?.cancel();
    this.#waiting.clear();
  }

  #look(): void {
    if (this.#reading || this.#o.opening() >= OPENING_MAX || this.#o.isRush?.() === true) return;
    for (const wanted of this.#waiting) {
      this.#waiting.delete(wanted);
      void this.#read(wanted);
      return;
    }
    this.#timer?.cancel();
    this.#timer = undefined;
  }

  async #read({ conv, from, to, resolve }: Wanted): Promise<void> {
    const { messages, logger } = this.#o;
    this.#reading = true;
    try {
      resolve({ t: 'recalled', from, to, rows: await readRows(messages, conv, from, to) });
    } catch (err) {
      logger.warn({ err, conv }, 'rows were not read');
      resolve({ t: 'recalled', from, to, rows: undefined });
    }
    this.#reading = false;
  }
}
