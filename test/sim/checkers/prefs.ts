import { membersBySeq } from '../world/final-log.ts';
import type { History, PrefsSet, Standing } from '../world/history.ts';

const FIELDS = ['mute', 'pin', 'archive'] as const;

/**
 * In the end all devices of a member show a conversation in one way: each field as some request set it that was not
 * answered before one that was answered `ok` was even asked, or as at first, if none was.
 */
export function prefs(history: History): string[] {
  const findings: string[] = [];
  for (const log of history.logs.values()) {
    const stayed = whoStayed(membersBySeq(log));
    const seen = new Map<string, Standing>();
    for (const standing of history.standings) {
      const { user, device, conv, head, failure } = standing;
      if (conv !== log.conv || !stayed.has(user) || failure !== undefined || head === 0) continue;
      const other = seen.get(user);
      seen.set(user, standing);
      const sets = history.prefs.filter((set) => set.user === user && set.conv === conv);
      for (const field of FIELDS) {
        const value = standing.prefs[field];
        if (other !== undefined && other.prefs[field] !== value)
          findings.push(
            `${conv}: ${field} is ${value} to ${device}, ${other.prefs[field]} to ${other.device}`,
          );
        if (!isRight(value, field, sets))
          findings.push(`${conv}: ${field} is ${value} to ${device}: too old`);
      }
    }
  }
  return findings;
}

function isRight(
  value: number | boolean,
  field: (typeof FIELDS)[number],
  sets: readonly PrefsSet[],
): boolean {
  const ofField = sets.filter(({ change }) => change[field] !== undefined);
  const lastAsked = Math.max(
    -1,
    ...ofField.filter(({ answered }) => answered !== undefined).map(({ asked }) => asked),
  );
  if (lastAsked < 0 && (value === 0 || value === false)) return true;
  return ofField.some(
    ({ change, answered }) => change[field] === value && (answered ?? lastAsked) >= lastAsked,
  );
}

/** Those whose membership never changed: who comes back has set nothing. */
function whoStayed(bySeq: ReturnType<typeof membersBySeq>): Set<string> {
  const stayed = new Set(bySeq.at(-1)?.keys());
  for (const members of bySeq.slice(1))
    for (const user of stayed) if (!members.has(user)) stayed.delete(user);
  return stayed;
}
