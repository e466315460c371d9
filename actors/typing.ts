import type { Instant, Outbox } from '../src/core/actor.ts';
import type { UserId } from '../src/core/ids.ts';
import type { TypingRequest } from '../src/core/requests.ts';
import { LIMITS } from '../src/protocol/limits.ts';
import { refuseStranger } from './refusals.ts';
import type { SequencerState } from './sequencer-state.ts';

/** Who is typing: told to the others, and kept only to tell it no more often than people look. */
export class Typing {
  /** When each was last said to type; who stopped, or was forgotten, is not in it. */
  readonly #since = new Map<UserId, Instant>();

  receive(state: SequencerState, request: TypingRequest, now: Instant, out: Outbox): void {
    const { user, on } = request;
    if (!state.members.has(user)) {
      refuseStranger(request, out);
      return;
    }
    const since = this.#since.get(user) ?? Number.NEGATIVE_INFINITY;
    const age = Math.abs(now - since); // a clock may have been set back
    if (on ? age < LIMITS.typingEveryMs : age >= LIMITS.typingMs) return;
    if (on) this.#since.set(user, now);
    else this.#since.delete(user);
    this.#prune(now);
    const { conv, audience } = state;
    out.publish({ t: 'typing', conv, audience, user, on });
  }

  #prune(now: Instant): void {
    for (const [user, since] of this.#since)
      if (Math.abs(now - since) >= LIMITS.typingMs) this.#since.delete(user);
  }
}
