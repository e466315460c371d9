import type { FinalRow, History } from '../world/history.ts';
import { inShort, rowFinder } from './rows.ts';

/** P1: what was acknowledged, to whomever, is in the log at the end, at the seq that was named. */
export function ackedDurable(history: History): string[] {
  const row = rowFinder(history);
  const findings: string[] = [];
  for (const { conv, seq, ts, body, device } of history.deviceAcks) {
    const found = row(conv, seq);
    if (found?.body !== body || found.device !== device || found.ts !== ts)
      findings.push(
        `${device} was acked ${inShort(body)} at ${ts} as ${seq} of ${conv}, where there is ${shown(found)}`,
      );
  }
  for (const { conv, seq, ts, body, cmid, node } of history.ownerAcks) {
    const found = row(conv, seq);
    if (found?.cmid !== cmid || found.body !== body || found.ts !== ts)
      findings.push(
        `${node} acked ${cmid} ${inShort(body)} at ${ts} as ${seq} of ${conv}, where there is ${shown(found)}`,
      );
  }
  return findings;
}

function shown(row: FinalRow | undefined): string {
  return row === undefined
    ? 'nothing'
    : `${row.cmid || row.kind} ${inShort(row.body)} of ${row.device} at ${row.ts}`;
}
