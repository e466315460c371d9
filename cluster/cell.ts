import type { AppendOutcome, ConversationActor } from '../src/core/actor.ts';
import type { ConversationId } from '../src/core/ids.ts';
import type { AppendListener } from '../src/core/ports.ts';
import type { AppendBatch } from '../src/core/rows.ts';
import { Mailbox } from './mailbox.ts';

/** Who is told of an append's outcome, together with the cell that it was for. */
export interface CellListener {
  appendedFor(cell: Cell, batch: AppendBatch, outcome: AppendOutcome): void;
}

/** A conversation's place in the host, from its first request until it is passivated. */
export class Cell implements AppendListener {
  readonly conv: ConversationId;
  readonly mailbox = new Mailbox();
  actor: ConversationActor | undefined;
  activating = false;
  /** Monotonic ms at which its activation was asked for. */
  activatingSince = 0;
  /** Whether it waits for its turn. */
  scheduled = false;
  /** Whether it waits for the next round of requests. */
  gathers = false;
  /** Whether its requests gather since a batch was committed. */
  held = false;
  /** Whether its requests wait because it is being handed over. */
  moving = false;
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

  readonly #listener: CellListener;

  constructor(conv: ConversationId, now: number, listener: CellListener) {
    this.#listener = listener;
    this.conv = conv;
    this.lastActive = now;
  }

  appended(batch: AppendBatch, outcome: AppendOutcome): void {
    this.#listener.appendedFor(this, batch, outcome);
  }

  /** Whether its actor owes nothing: what is left are requests that it has not seen. */
  get settled(): boolean {
    return this.actor?.idle === true && !this.mailbox.hasCompletions;
  }

  get atRest(): boolean {
    return this.settled && this.mailbox.length === 0 && !this.scheduled && !this.gathers && !this.moving;
  }
}
