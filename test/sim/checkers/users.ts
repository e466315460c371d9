import type { UserPrefs } from '../../../src/protocol/frames.ts';
import type { History, SettingsSet } from '../world/history.ts';

/** In the end all devices of a user have the same settings: those asked for last, as far as that is known. */
export function settings(history: History): string[] {
  const findings: string[] = [];
  const seen = new Map<string, History['settled'][number]>();
  for (const standing of history.settled) {
    const { user, device } = standing;
    const other = seen.get(user);
    seen.set(user, standing);
    const sets = history.settings.filter((set) => set.user === user);
    for (const field of ['receipts', 'presence'] as const) {
      const value = standing.settings[field];
      if (other !== undefined && other.settings[field] !== value)
        findings.push(`${field} is ${value} to ${device}, ${other.settings[field]} to ${other.device}`);
      if (!isRight(value, field, sets))
        findings.push(`${field} of ${user} is ${value} to ${device}: too old`);
    }
  }
  return findings;
}

function isRight(value: boolean | string, field: keyof UserPrefs, sets: readonly SettingsSet[]): boolean {
  const ofField = sets.filter(({ change }) => change[field] !== undefined);
  const lastAsked = Math.max(
    -1,
    ...ofField.filter(({ answered }) => answered !== undefined).map(({ asked }) => asked),
  );
  if (lastAsked < 0 && (value === true || value === 'everyone')) return true;
  return ofField.some(
    ({ change, answered }) => change[field] === value && (answered ?? lastAsked) >= lastAsked,
  );
}

/** Whoever watches is told in the end how a user is, or that the user is offline, where that is not to be seen. */
export function presence(history: History): string[] {
  const visible = new Map(history.settled.map(({ user, settings: { presence: to } }) => [user, to]));
  return history.presence.flatMap(({ device, watcher, user, told, isOnline }) => {
    const to = watcher === user ? 'everyone' : visible.get(user);
    if (to === undefined) return []; // nobody of the user's is there to say
    const isRight =
      told !== undefined &&
      (to === 'contacts' ? !told || isOnline : told === (isOnline && to === 'everyone'));
    return isRight ? [] : [`${device} was told that ${user} (${to}) is ${told}: it is ${isOnline}`];
  });
}
