import type { History } from '../world/history.ts';
import { grouped, knownHeads } from './rows.ts';

/** P1: seqs are 1, 2, 3 … without a gap, in the log and in what each device saw. */
export function denseOrder(history: History): string[] {
  const findings: string[] = [];
  const heads = knownHeads(history);
  for (const { conv, rows, direct } of history.logs.values()) {
    const head = heads.get(conv) ?? 0;
    if (direct === undefined && rows[0] !== undefined && rows[0].kind !== 'sys.created')
      findings.push(`the log of the group ${conv} begins with ${rows[0].kind}, not with sys.created`);
    const dense = rows.findIndex(({ seq }, i) => seq !== i + 1);
    const last = dense < 0 ? rows.length : dense;
    if (last < head)
      findings.push(`the log of ${conv} ends at ${last} or has a gap there; ${head} was told of`);
  }
  const events = history.told.filter(({ t }) => t === 'message');
  for (const [key, ofConnection] of grouped(events, (e) => `${e.device} ${e.connection} ${e.conv}`)) {
    let last = 0;
    for (const { seq } of ofConnection) {
      if (seq <= last) findings.push(`${key}: the message ${seq} came after ${last}`);
      last = seq;
    }
  }
  for (const [key, timeline] of grouped(history.shown, (e) => `${e.device} life ${e.life} ${e.conv}`)) {
    let last = 0;
    for (const { seq } of timeline) {
      if (seq !== last + 1) findings.push(`${key}: the timeline shows ${seq} after ${last}`);
      last = seq;
    }
  }
  return findings;
}
