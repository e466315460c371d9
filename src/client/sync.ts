import type { Entry } from '../core/entry.ts';
import type { ConversationsPage, Welcome } from '../protocol/frames.ts';
import { LIMITS } from '../protocol/limits.ts';
import { ClientError } from './errors.ts';

export interface SyncOptions {
  readonly page: (before: string | undefined, limit: number) => Promise<ConversationsPage>;
  readonly take: (entry: Entry) => void;
  /** All that has changed is known. */
  readonly synced: () => void;
  readonly failed: (error: ClientError) => void;
}

/** Brings the list of conversations up to date after each `welcome`. */
export class Sync {
  readonly #o: SyncOptions;
  /** Tells the paging of this connection from one before. */
  #epoch = 0;
  /** What the server said of a list that was paged to its end. */
  cursor: string | undefined;

  constructor(options: SyncOptions) {
    this.#o = options;
  }

  begin(welcome: Welcome): void {
    this.#run(welcome).catch((error: unknown) => {
      if (error instanceof ClientError) this.#o.failed(error);
      else throw error;
    });
  }

  /** The connection is gone. */
  stop(): void {
    this.#epoch++;
  }

  /** Pages the rest of what `welcome` began; the new cursor counts once all of it is here. */
  async #run(welcome: Welcome): Promise<void> {
    const epoch = ++this.#epoch;
    let { more, before } = welcome;
    while (more) {
      const next = await this.#o.page(before, LIMITS.conversationsLimitMax);
      if (epoch !== this.#epoch) return;
      next.conversations.forEach(this.#o.take);
      ({ more, before } = next);
      if (more && before === undefined)
        throw new ClientError('internal', 'conversations: more without before');
    }
    this.cursor = welcome.cursor;
    this.#o.synced();
  }
}
