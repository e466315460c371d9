import type { History } from '../world/history.ts';
import { inShort } from './rows.ts';

/** P1: nobody, at no time, acknowledges something else at a seq, or the same at another. */
export function singleAcker({ ownerAcks }: History): string[] {
  const bySeq = new Map<string, { node: string; what: string }>();
  const byId = new Map<string, { node: string; seq: number }>();
  const findings: string[] = [];
  for (const { conv, seq, ts, cmid, user, body, node } of ownerAcks) {
    const what = `${user} ${cmid} ${inShort(body)}`;
    const bytes = `${what} at ${ts}`;
    const first = bySeq.get(`${conv} ${seq}`);
    if (first === undefined) bySeq.set(`${conv} ${seq}`, { node, what: bytes });
    else if (first.what !== bytes)
      findings.push(`${seq} of ${conv}: ${first.node} acked ${first.what}, ${node} acked ${bytes}`);
    const place = byId.get(`${conv} ${what}`);
    if (place === undefined) byId.set(`${conv} ${what}`, { node, seq });
    else if (place.seq !== seq)
      findings.push(`${what} in ${conv}: ${place.node} acked it as ${place.seq}, ${node} as ${seq}`);
  }
  return findings;
}
