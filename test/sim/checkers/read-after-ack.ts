import type { History, Read } from '../world/history.ts';
import { grouped } from './rows.ts';

/** P1: a read that starts after an ack shows what was acked; a page is what it says. */
export function readAfterAck({ deviceAcks, reads }: History): string[] {
  const findings: string[] = [];
  const acks = grouped(deviceAcks, ({ conv }) => conv);
  for (const [conv, ofConversation] of grouped(reads, ({ conv }) => conv)) {
    const acked = acks.get(conv) ?? [];
    let highest = 0;
    let next = 0;
    for (const read of [...ofConversation].sort((a, b) => a.startedAt - b.startedAt)) {
      for (let ack = acked[next]; ack !== undefined && ack.at < read.startedAt; ack = acked[++next])
        highest = Math.max(highest, ack.seq);
      const who = `${read.device} read ${conv} from ${read.startedAt} to ${read.at}`;
      if (read.head < highest)
        findings.push(`${who}: the head is ${read.head}, though ${highest} was acked before`);
      const wrong = wrongPage(read);
      if (wrong !== undefined) findings.push(`${who}: ${wrong}`);
    }
  }
  return findings;
}

function wrongPage({ after, before, head, more, seqs }: Read): string | undefined {
  const [first, last] = [seqs[0], seqs.at(-1)];
  if (seqs.some((seq, i) => i > 0 && seq !== (seqs[i - 1] as number) + 1)) return `a gap in ${seqs.join()}`;
  if (first === undefined || last === undefined) {
    const isEmpty = after === undefined ? (before ?? head + 1) <= 1 : after >= head;
    return isEmpty ? undefined : `nothing after ${after} or before ${before} of ${head}`;
  }
  if (last > head) return `${last} is beyond the head ${head}`;
  if (after !== undefined) {
    if (first !== after + 1) return `begins at ${first} after ${after}`;
    return more === last < head ? undefined : `ends at ${last} of ${head} with more ${more}`;
  }
  if (last !== (before ?? head + 1) - 1) return `ends at ${last} before ${before}, of ${head}`;
  return more === first > 1 ? undefined : `begins at ${first} with more ${more}`;
}
