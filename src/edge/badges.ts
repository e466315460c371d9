import { badgeOf } from '../core/entry.ts';
import type { ConversationId, UserId } from '../core/ids.ts';
import { type Logger, type ProjectionStore, logUnlessAway, type System, type Timer } from '../core/ports.ts';
import type { EdgeBounds } from './bounds.ts';
import type { ReadGate } from './read-gate.ts';
import type { Registry } from './registry.ts';
import type { Replies } from './replies.ts';

const TICK_MS = 250;
/** By then the inbox of a member of a group shows a change, too. */
const WRITTEN_MS = 6_000;

export interface BadgesOptions {
  readonly system: System;
  readonly logger: Logger;
  readonly bounds: Pick<EdgeBounds, 'badgeReadsPerTickMax'>;
  readonly projections: Pick<ProjectionStore, 'inbox'>;
  readonly gate: ReadGate;
  readonly registry: Registry;
  readonly replies: Replies;
}

/**
 * Tells users what is unread of all their conversations after one of them has changed, since a client need not know
 * them all: as the inbox has it soon after, and when all is written; once for all that changed meanwhile, and only if
 * it is another number.
 */
export class Badges {
  readonly #o: BadgesOptions;
  readonly #timer: Timer;
  /** Users of whom something changed, with the conversation that did so last. */
  readonly #due = new Map<UserId, ConversationId>();
  /** The same, for a second look; by its time, monotonic ms. */
  readonly #dueLater = new Map<UserId, { readonly conv: ConversationId; readonly at: number }>();

  constructor(options: BadgesOptions) {
    this.#o = options;
    this.#timer = options.system.every(TICK_MS, () => this.#tick());
  }

  /** The user was told that the conversation changed. */
  changed(user: UserId, conv: ConversationId): void {
    this.#due.set(user, conv);
    this.#dueLater.delete(user);
    this.#dueLater.set(user, { conv, at: this.#o.system.monotonic() + WRITTEN_MS });
  }

  /** The user has no session any more. */
  forget(user: UserId): void {
    this.#due.delete(user);
    this.#dueLater.delete(user);
  }

  stop(): void {
    this.#timer.cancel();
    this.#due.clear();
    this.#dueLater.clear();
  }

  #tick(): void {
    let left: number = this.#o.bounds.badgeReadsPerTickMax;
    for (const [user, conv] of this.#due) {
      if (left-- === 0) return;
      this.#due.delete(user);
      void this.#tell(user, conv);
    }
    const now = this.#o.system.monotonic();
    for (const [user, { conv, at }] of this.#dueLater) {
      if (at > now || left-- === 0) return;
      this.#dueLater.delete(user);
      void this.#tell(user, conv);
    }
  }

  async #tell(user: UserId, conv: ConversationId): Promise<void> {
    const { gate, projections, registry, replies, system, logger } = this.#o;
    try {
      const { rows } = await gate.run(() => projections.inbox(user));
      const badge = badgeOf(
        rows.map((row) => row.entry),
        system.now(),
      );
      for (const session of registry.account(user)?.sessions ?? []) {
        if (session.mode !== 'push' || session.badge === badge || !session.hasSeen(conv)) continue;
        session.badge = badge;
        replies.frame(session, { t: 'conversation', conv, badge }, conv);
      }
    } catch (err) {
      logUnlessAway(logger, err, { user }, 'a badge was not told');
    }
  }
}
