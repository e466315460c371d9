import type { History } from '../world/history.ts';
import { grouped } from './rows.ts';

/** P3: what was sent once, however often it was tried, is there once. */
export function noDuplicate(history: History): string[] {
  const findings: string[] = [];
  for (const { conv, rows } of history.logs.values()) {
    const named = rows.filter(({ cmid }) => cmid !== '');
    for (const [key, same] of grouped(named, ({ from, device, cmid }) => `${from}/${device} ${cmid}`))
      if (same.length > 1)
        findings.push(`${key} is in the log of ${conv} at ${same.map(({ seq }) => seq).join()}`);
  }
  const shown = history.shown.filter(({ cmid }) => cmid !== '');
  for (const [key, same] of grouped(shown, (e) => `${e.device} life ${e.life} ${e.conv} ${e.cmid}`))
    if (same.length > 1) findings.push(`${key}: shown at ${same.map(({ seq }) => seq).join()}`);
  return findings;
}
