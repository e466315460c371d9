import type { Outbox } from '../src/core/actor.ts';
import type { PrefsRequest } from '../src/core/requests.ts';
import { refuseStranger } from './refusals.ts';
import type { SequencerState } from './sequencer-state.ts';

/** Changes that one term can tell apart. */
const CHANGES_MAX = 2 ** 20;

/** Sets what the request names; it is answered once that is durable. */
export function setPrefs(state: SequencerState, request: PrefsRequest, out: Outbox): void {
  const member = state.members.get(request.user);
  if (member === undefined) {
    refuseStranger(request, out);
    return;
  }
  const { mute = 0, pin = false, archive = false } = member.prefs ?? {};
  member.prefs = {
    mute: request.mute ?? mute,
    pin: request.pin ?? pin,
    archive: request.archive ?? archive,
    at: state.nextPrefsAt(),
  };
  member.dirty = true;
  out.whenWritten(request);
}

/** `at` of the nth change of a term; 0 is for what it found: the same as before, under its own fence. */
export function prefsAt(fence: number, n: number): number {
  return fence * CHANGES_MAX + Math.min(n, CHANGES_MAX - 1);
}
