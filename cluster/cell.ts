import type { ConversationActor } from '../src/core/actor.ts';
import type { ConversationId } from '../src/core/ids.ts';
import { Mailbox } from './mailbox.ts';

/** A conversation's place in the host, from its first request until it is passivated. */
export class Cell {
  readonly conv: ConversationId;
  readonly mailbox = new Mailbox();
  actor: ConversationActor | undefined;
  activating = false;
  /** Whether it waits for its turn. */
  scheduled = false;
  /** Whether it waits for the next round of requests. */
  gathers = false;
  /** The actor asked to go. */
  leaving = false;
  /** The slot under which the conversation was last marked dirty; 0: none by this process. */
  markedSlot = 0;
  /** Unix ms of its last turn. */
  lastActive: number;
  /** What its actor was last counted for. */
  bytes = 0;
  /** Monotonic ms at which the batch in flight left. */
  appendedAt = 0;

  constructor(conv: ConversationId, now: number) {
    this.conv = conv;
    this.lastActive = now;
  }

  get atRest(): boolean {
    const { actor, mailbox } = this;
    return (
      actor?.idle === true &&
      mailbox.length === 0 &&
      !mailbox.hasCompletions &&
      !this.scheduled &&
      !this.gathers
    );
  }
}
