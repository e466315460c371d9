import type { Message } from '../../src/client/index.ts';

/** What one sender says of one message, whose body no other has: acked at `seq` (undefined: never). */
export interface SentRecord {
  readonly body: string;
  seq: number | undefined;
}

/** All that was observed of one conversation. */
export interface ConversationHistory {
  readonly conv: string;
  /** By device, in the order of sending. */
  readonly sent: Map<string, SentRecord[]>;
  /** By device, in the order of delivery: complete, since every receiver repairs its gaps. */
  readonly received: Map<string, { readonly seq: number; readonly cmid: string | undefined }[]>;
  /** The whole log, read at the end. */
  log: readonly Message[];
}

export interface Verdict {
  acked: number;
  lost: number;
  duplicated: number;
  reordered: number;
  gaps: number;
  /** The first few findings, in words. */
  readonly examples: string[];
}

const EXAMPLES_MAX = 20;

export function newVerdict(): Verdict {
  return { acked: 0, lost: 0, duplicated: 0, reordered: 0, gaps: 0, examples: [] };
}

export function isClean(verdict: Verdict): boolean {
  return verdict.lost + verdict.duplicated + verdict.reordered + verdict.gaps === 0;
}

/** Holds what clients saw against the log and the promises; adds its findings to `verdict`. */
export function checkHistory(history: ConversationHistory, verdict: Verdict): void {
  const { conv, log } = history;
  const find = (what: 'lost' | 'duplicated' | 'reordered' | 'gaps', example: string): void => {
    verdict[what]++;
    if (verdict.examples.length < EXAMPLES_MAX) verdict.examples.push(`${what}: ${conv}: ${example}`);
  };
  const seqOf = new Map<string, number>();
  log.forEach((message, index) => {
    if (message.seq !== index + 1) find('gaps', `row ${index + 1} of the log has seq ${message.seq}`);
    if (message.cmid === undefined) return;
    const key = `${message.from}/${message.device}: ${String(message.body)}`;
    if (seqOf.has(key)) find('duplicated', `${key} has seqs ${seqOf.get(key)} and ${message.seq}`);
    seqOf.set(key, message.seq);
  });
  for (const [device, records] of history.sent) {
    let last = 0;
    for (const { body, seq } of records) {
      if (seq === undefined) continue;
      verdict.acked++;
      if (log[seq - 1]?.body !== body) find('lost', `${device} had "${body}" acked at ${seq}`);
      if (seq <= last)
        find('reordered', `${device} sent "${body}" later, and it has seq ${seq} after ${last}`);
      last = seq;
    }
  }
  for (const [device, received] of history.received) {
    received.forEach(({ seq, cmid }, index) => {
      const expected = index + 1;
      if (seq > expected) find('gaps', `${device} got seq ${seq} where ${expected} was next`);
      if (seq < expected) find('duplicated', `${device} got seq ${seq} again`);
      if (log[seq - 1]?.cmid !== cmid)
        find('reordered', `${device} got another message at seq ${seq} than the log has`);
    });
    if (received.length < log.length)
      find('lost', `${device} got ${received.length} of ${log.length} messages`);
  }
}
