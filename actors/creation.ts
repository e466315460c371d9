import type { Outbox } from '../src/core/actor.ts';
import type { CreateRequest } from '../src/core/requests.ts';
import type { SequencerState } from './sequencer-state.ts';

/** A `create` of what exists, as it was begun: whoever asks is shown it. */
export function createAgain(state: SequencerState, request: CreateRequest, out: Outbox): void {
  const { user, kind } = request;
  if (kind === 'direct') state.showDirectTo(user);
  const entry = state.entryFor(user);
  if (entry !== undefined && entry.removed === undefined) out.publish({ t: 'conversation', user, entry });
  out.project(user);
  out.answer(request, { t: 'created' });
}
