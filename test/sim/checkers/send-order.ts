import type { History } from '../world/history.ts';
import { grouped } from './rows.ts';

/** A device's messages to a conversation stand in the log in the order in which they were sent. */
export function sendOrder({ deviceAcks }: History): string[] {
  const findings: string[] = [];
  for (const [key, acks] of grouped(deviceAcks, (ack) => `${ack.device} life ${ack.life} ${ack.conv}`)) {
    const sorted = [...acks].sort((a, b) => a.nth - b.nth);
    sorted.forEach(({ nth, seq }, i) => {
      const before = sorted[i - 1];
      if (before !== undefined && before.seq >= seq)
        findings.push(`${key}: the send ${before.nth} became ${before.seq}, the later ${nth} ${seq}`);
    });
  }
  return findings;
}
