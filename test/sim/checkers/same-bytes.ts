import type { History } from '../world/history.ts';
import { inShort, rowFinder } from './rows.ts';

/** P1: the bytes at a seq never change: what any timeline showed is what the log has at the end. */
export function sameBytes(history: History): string[] {
  const row = rowFinder(history);
  const findings: string[] = [];
  for (const { device, conv, seq, cmid, body } of history.shown) {
    const found = row(conv, seq);
    if (found?.cmid === cmid && found.body === body) continue;
    const there = found === undefined ? 'nothing' : `${found.cmid} ${inShort(found.body)}`;
    findings.push(`${device} showed ${cmid} ${inShort(body)} as ${seq} of ${conv}, where there is ${there}`);
  }
  return findings;
}
