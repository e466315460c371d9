import { badgeOf } from '../core/entry.ts';
import type { ConversationId, UserId } from '../core/ids.ts';
import { type Logger, type ProjectionStore, logUnlessAway, type System, type Timer } from '../core/ports.ts';
import type { EdgeBounds } from './bounds.ts';
import type { ReadGate } from './read-gate.ts';
import type { Registry } from './registry.ts';
import type { Replies } from './replies.ts';

const TICK_MS = 250;
/** By then the inbox of a member of a conversation of two shows a change, … */
const SOON_MS = 1_250;
/** … and by then that of a member of a group, too. */
const LATER_MS = 6_000;

export interface BadgesOptions {
  readonly system: System;
  readonly logger: Logger;
  readonly bounds: Pick<EdgeBounds, 'badgeReadsPerTickMax'>;
  readonly projections: Pick<ProjectionStore, 'inbox'>;
  readonly gate: ReadGate;
  readonly registry: Registry;
  readonly replies: Replies;
}

/** One of the user's conversations changed; when the inbox is to be looked at, monotonic ms. */
interface Due {
  readonly conv: ConversationId;
  readonly at: number;
}

/**
 * Tells users what is unread of all their conversations after one of them has changed, since a client need not know
 * them all: as the inbox has it soon after, and when all is written; once for all that changed meanwhile, and only if
 * it is another number.
 */
export class Badges {
  readonly #o: BadgesOptions;
  readonly #timer: Timer;
  /** Users of whom something changed, by the time of the look after the first change, … */
  readonly #soon = new Map<UserId, Due>();
  /** … and by that of the look after the last. */
  readonly #later = new Map<UserId, Due>();

  constructor(options: BadgesOptions) {
    this.#o = options;
    this.#timer = options.system.every(TICK_MS, () => this.#tick());
  }

  /** The user was told that the conversation changed. */
  changed(user: UserId, conv: ConversationId): void {
    const now = this.#o.system.monotonic();
    this.#soon.set(user, { conv, at: this.#soon.get(user)?.at ?? now + SOON_MS });
    this.#later.delete(user);
    this.#later.set(user, { conv, at: now + LATER_MS });
  }

  /** The user has no session any more. */
  forget(user: UserId): void {
    this.#soon.delete(user);
    this.#later.delete(user);
  }

  stop(): void {
    this.#timer.cancel();
    this.#soon.clear();
    this.#later.clear();
  }

  #tick(): void {
    const now = this.#o.system.monotonic();
    let left: number = this.#o.bounds.badgeReadsPerTickMax;
    for (const due of [this.#soon, this.#later])
      for (const [user, { conv, at }] of due) {
        if (at > now) break;
        if (left-- === 0) return;
        due.delete(user);
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
