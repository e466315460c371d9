/** What `sync` prints. */
import type { SyncRound } from './plan.ts';
import type { SyncReport } from './scenarios/sync.ts';
import { median } from './statistics.ts';
import { count, milliseconds, table } from './table.ts';

export function syncTable({ plan, rounds, unreadConversations }: SyncReport): string {
  const { binary, json } = rounds;
  const row = (name: string, cell: (rounds: readonly SyncRound[]) => string): string[] => [
    name,
    cell(binary),
    cell(json),
  ];
  const of =
    (pick: (round: SyncRound) => number, write: (n: number) => string) =>
    (all: readonly SyncRound[]): string =>
      write(median(all.map(pick)));
  const ms = (n: number): string => milliseconds(n * 1_000);
  const rows = [
    [`first sync, median of ${binary.length} round(s)`, 'binary', 'JSON'],
    row(
      'hello -> welcome, bytes received',
      of((r) => r.welcomeBytes, count),
    ),
    row(
      '  of so many conversations',
      of((r) => r.welcomeEntries, count),
    ),
    row(
      'hello -> welcome',
      of((r) => r.welcomeMs, ms),
    ),
    row('hello -> welcome, the first round', (all) => ms(all[0]?.welcomeMs ?? Number.NaN)),
    row(
      'hello -> the last page, bytes received',
      of((r) => r.allBytes, count),
    ),
    row(
      'hello -> the last page',
      of((r) => r.allMs, ms),
    ),
  ];
  const { conversations, unread, bodyBytes } = plan;
  return `${count(conversations)} direct conversations, ${count(unread)} unread messages in ${count(unreadConversations)} of them, bodies of ${bodyBytes} bytes\n\n${table(rows)}`;
}
