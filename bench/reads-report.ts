/** What `reads` prints. */
import type { ReadsReport } from './scenarios/reads.ts';
import { count, cpuRows, table } from './table.ts';

export function readsTable(report: ReadsReport): string {
  const { conversations, readsPerSecond, receiptsPerSecond, cpu } = report;
  const rows = [
    ['reads', 'carillon'],
    ['read frames/s', count(readsPerSecond)],
    ['receipt events/s', count(receiptsPerSecond)],
    ...cpuRows(cpu, 'read', readsPerSecond),
  ];
  return `cursors in ${count(conversations)} direct conversations\n\n${table(rows)}`;
}
