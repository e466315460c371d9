import { type Members, membersBySeq } from '../world/final-log.ts';
import type { History } from '../world/history.ts';

/** P6: who is no member is told of nothing, and reads nothing; a removed one from the removal's seq on. */
export function membership(history: History): string[] {
  const bySeq = new Map<string, Members[]>();
  for (const log of history.logs.values()) bySeq.set(log.conv, membersBySeq(log));
  const isStranger = (conv: string, user: string, seq: number): boolean => {
    const members = bySeq.get(conv)?.[seq];
    return members !== undefined && !members.has(user); // beyond the log other checkers speak
  };
  const findings: string[] = [];
  for (const { t, conv, user, device, seq, at } of history.told)
    if (isStranger(conv, user, seq))
      findings.push(`${device} was told of ${t} ${seq} of ${conv} at ${at}: no member`);
  for (const { conv, user, device, head, at } of history.reads)
    if (isStranger(conv, user, head))
      findings.push(`${device} read ${conv} up to ${head} at ${at}: no member`);
  return findings;
}
