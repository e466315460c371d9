import { membersBySeq } from '../world/final-log.ts';
import type { History } from '../world/history.ts';
import { knownHeads } from './rows.ts';

/** P2: in the end every device of a member has the last event of each of its conversations, and all before it. */
export function eventualDelivery(history: History): string[] {
  const findings: string[] = [];
  const at = history.standings[0]?.at ?? 0;
  const heads = knownHeads(history, at);
  for (const log of history.logs.values()) {
    const head = heads.get(log.conv) ?? 0;
    const bySeq = membersBySeq(log);
    // A change that nobody was told of by then counts as well.
    const members = [bySeq[head], bySeq.at(-1)];
    for (const { user, device, conv, last, head: known, failure } of history.standings) {
      if (conv !== log.conv || members.some((all) => all?.has(user) !== true)) continue;
      if (failure !== undefined) findings.push(`${device} cannot read ${conv}: ${failure}`);
      else if (last < head)
        findings.push(`${device} has ${conv} up to ${last} and knows of ${known}; ${head} are committed`);
    }
  }
  return findings;
}
