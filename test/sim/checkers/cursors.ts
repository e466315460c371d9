import { membersBySeq } from '../world/final-log.ts';
import type { History, Standing } from '../world/history.ts';

/**
 * In the end all devices of a member have one read cursor, the others are told the same one, and what is unread is what
 * the log has behind it, mentions among it too.
 */
export function cursors(history: History): string[] {
  const findings: string[] = [];
  const hid = new Set(
    history.settings.filter(({ change }) => change.receipts === false).map(({ user }) => user),
  );
  for (const log of history.logs.values()) {
    const bySeq = membersBySeq(log);
    const members = bySeq.at(-1) ?? new Set();
    const reads = new Map<string, Standing>();
    for (const standing of history.standings) {
      const { user, device, conv, head, read, unread, mentions, failure } = standing;
      if (conv !== log.conv || !members.has(user) || failure !== undefined || head === 0) continue;
      const other = reads.get(user);
      if (other !== undefined && other.read !== read)
        findings.push(
          `${user} has read ${conv} up to ${other.read} by ${other.device}, ${read} by ${device}`,
        );
      reads.set(user, standing);
      const behind = log.rows.filter(
        (row) => row.seq > read && row.seq <= head && !row.kind.startsWith('sys.'),
      );
      if (behind.length !== unread)
        findings.push(`${device} has ${unread} unread in ${conv}: ${behind.length} are behind ${read}`);
      const named = behind.filter((row) => row.mentions.includes(user));
      if (named.length !== mentions)
        findings.push(
          `${device} has ${mentions} unread mentions in ${conv}: ${named.length} are behind ${read}`,
        );
    }
    for (const { device, conv, items } of history.receipts) {
      if (conv !== log.conv) continue;
      for (const [user, delivered, read] of items) {
        const own = reads.get(user);
        // What was hidden once may be so still.
        const isWrong = hid.has(user) ? read > (own?.read ?? read) : read !== own?.read;
        if (own !== undefined && isWrong)
          findings.push(`${device} was told that ${user} has read ${conv} up to ${read}; it is ${own.read}`);
        if (delivered < read)
          findings.push(`${user} has read ${conv} up to ${read}, and has ${delivered} of it`);
      }
    }
  }
  return findings;
}
