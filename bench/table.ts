/** Tables for people, and how figures are written in them. */
import type { CpuUse, Latency } from './plan.ts';

/** The first column to the left, the others to the right. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? '').length)),
  );
  return rows
    .map((row) =>
      row
        .map((cell, c) => (c === 0 ? cell.padEnd(widths[c] ?? 0) : cell.padStart(widths[c] ?? 0)))
        .join('   '),
    )
    .join('\n');
}

export function latencies(latency: Latency): string {
  if (latency.count === 0) return '-';
  return [latency.p50Us, latency.p99Us, latency.p999Us].map((us) => milliseconds(us)).join(' / ');
}

export function milliseconds(us: number): string {
  return `${(us / 1000).toFixed(us < 10_000 ? 2 : 1)} ms`;
}

export function count(n: number): string {
  return Math.round(n).toLocaleString('en-US');
}

export function kib(bytes: number): string {
  return count(bytes / 1024);
}

export function share(n: number | undefined): string {
  return n === undefined ? '-' : n.toFixed(2);
}

/** CPU in use, and the server's for each of what came so many times a second. */
export function cpuRows(cpu: CpuUse | undefined, each: string, perSecond: number): string[][] {
  return [
    ['server CPU, cores (its main thread)', `${share(cpu?.server)} (${share(cpu?.serverMain)})`],
    [`server CPU per ${each}, us`, cpu === undefined ? '-' : ((cpu.server * 1e6) / perSecond).toFixed(1)],
    ['generator CPU, cores', share(cpu?.generator)],
    ['all else on the machine, cores', share(cpu?.others)],
  ];
}

export function dash(n: number, format: (n: number) => string): string {
  return n === 0 ? '-' : format(n);
}
