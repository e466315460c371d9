import type { Entry } from './entry.ts';
import type { MemberPrefs } from './rows.ts';

/** As an entry shows them: what is not set is absent. */
export function shownPrefs(prefs: MemberPrefs | undefined): Pick<Entry, 'mute' | 'pin' | 'archive' | 'set'> {
  if (prefs === undefined) return {};
  const { mute, pin, archive, at: set } = prefs;
  return { ...(mute > 0 && { mute }), ...(pin && { pin }), ...(archive && { archive }), set };
}

/** What an entry shows; undefined: nothing was ever set. */
export function prefsOf({ mute = 0, pin = false, archive = false, set: at }: Entry): MemberPrefs | undefined {
  return at === undefined ? undefined : { mute, pin, archive, at };
}
