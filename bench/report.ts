/** What a scenario found, as a table for people. `--json` prints the same reports with their medians. */
import { cpus, totalmem } from 'node:os';
import type { Latency, LoadResult } from './plan.ts';
import { cpuModel } from './process-stats.ts';
import { cores } from './processes.ts';
import type { IdleReport } from './scenarios/idle.ts';
import type { LoadReport } from './scenarios/load.ts';
import type { RestartReport } from './scenarios/restart.ts';
import { median } from './statistics.ts';

export type Report = LoadReport | IdleReport | RestartReport;

export interface Medians {
  readonly ackedPerSecond: number;
  readonly deliveriesPerSecond: number;
  readonly ackLatency: Latency;
  readonly receiveLatency: Latency;
  readonly framesPerRead: number;
  readonly messagesPerRead: number;
  /** Cores in use; undefined where the system does not tell. */
  readonly serverCores: number | undefined;
  readonly serverMainCores: number | undefined;
  readonly generatorCores: number | undefined;
  readonly othersCores: number | undefined;
}

/** server ÷ baseline. */
export interface Ratios {
  /** Of acked/s (direct) or deliveries/s (group). */
  readonly rate: number;
  /** The same per core that the server used: free of what the generator could not ask for. */
  readonly perServerCore: number | undefined;
}

export function medians(results: readonly LoadResult[]): Medians {
  const of = (pick: (result: LoadResult) => number): number => median(results.map(pick));
  const latency = (pick: (result: LoadResult) => Latency): Latency => ({
    count: of((r) => pick(r).count),
    meanUs: of((r) => pick(r).meanUs),
    p50Us: of((r) => pick(r).p50Us),
    p99Us: of((r) => pick(r).p99Us),
    p999Us: of((r) => pick(r).p999Us),
    maxUs: of((r) => pick(r).maxUs),
  });
  const cpu = results.every((result) => result.cpu !== undefined);
  return {
    ackedPerSecond: of((r) => r.ackedPerSecond),
    deliveriesPerSecond: of((r) => r.deliveriesPerSecond),
    ackLatency: latency((r) => r.ackLatency),
    receiveLatency: latency((r) => r.receiveLatency),
    framesPerRead: of((r) => r.framesPerRead),
    messagesPerRead: of((r) => r.messagesPerRead),
    serverCores: cpu ? of((r) => r.cpu?.server ?? 0) : undefined,
    serverMainCores: cpu ? of((r) => r.cpu?.serverMain ?? 0) : undefined,
    generatorCores: cpu ? of((r) => r.cpu?.generator ?? 0) : undefined,
    othersCores: cpu ? of((r) => r.cpu?.others ?? 0) : undefined,
  };
}

export function ratios(report: LoadReport): Ratios | undefined {
  if (report.server.length === 0 || report.baseline.length === 0) return undefined;
  const server = medians(report.server);
  const baseline = medians(report.baseline);
  const key = report.scenario === 'group' ? 'deliveriesPerSecond' : 'ackedPerSecond';
  const rate = server[key] / baseline[key];
  const both = server.serverCores !== undefined && baseline.serverCores !== undefined;
  return {
    rate,
    perServerCore: both
      ? rate / ((server.serverCores as number) / (baseline.serverCores as number))
      : undefined,
  };
}

export function problemsOf(report: Report): { count: number; texts: readonly string[] } {
  const parts: readonly { problemCount: number; problems: readonly string[] }[] =
    'server' in report ? [...report.server, ...report.baseline] : [report];
  return {
    count: parts.reduce((sum, part) => sum + part.problemCount, 0),
    texts: parts.flatMap((part) => part.problems),
  };
}

export function machine(): string {
  const memory = Math.round(totalmem() / 2 ** 30);
  const pinning =
    cores === undefined
      ? 'processes not pinned'
      : `server on core ${cores.server}, generator on core ${cores.generator}`;
  return `${cpuModel()}, ${cpus().length} cores, ${memory} GiB, Node ${process.versions.node}, ${pinning}`;
}

export function asJson(report: Report): object {
  const problems = problemsOf(report);
  const common = { ...report, machine: machine(), ok: problems.count === 0 };
  if (!('server' in report)) return common;
  const side = (results: readonly LoadResult[]): Medians | undefined =>
    results.length === 0 ? undefined : medians(results);
  const brief = (results: readonly LoadResult[]): object[] =>
    results.map(({ heads: _heads, ...rest }) => rest);
  return {
    ...common,
    server: brief(report.server),
    baseline: brief(report.baseline),
    medians: { server: side(report.server), baseline: side(report.baseline) },
    ratio: ratios(report),
  };
}

export function asTable(report: Report): string {
  const body =
    'server' in report
      ? loadTable(report)
      : report.scenario === 'idle'
        ? idleTable(report)
        : restartTable(report);
  const problems = problemsOf(report);
  const verdict =
    problems.count === 0
      ? checked(report)
      : [`FAILED: ${problems.count} fault(s)`, ...problems.texts.map((text) => `  ${text}`)].join('\n');
  return `${machine()}\n\n${body}\n\n${verdict}`;
}

function checked(report: Report): string {
  if (!('server' in report)) return 'checked: all that was acked was there, in order, once.';
  let acked = 0;
  let delivered = 0;
  for (const result of [...report.server, ...report.baseline]) {
    acked += result.checked.acked;
    delivered += result.checked.delivered;
  }
  return report.scenario === 'echo'
    ? `checked: ${count(acked)} echoes, each the answer to its send.`
    : `checked: ${count(acked)} acks and ${count(delivered)} deliveries: seqs dense, each message once to each recipient, in one order.`;
}

function loadTable(report: LoadReport): string {
  const baselineName = report.scenario === 'group' ? 'bare publish' : 'bare echo';
  const sides: [string, Medians][] = [];
  if (report.server.length > 0) sides.push(['carillon', medians(report.server)]);
  if (report.baseline.length > 0) sides.push([baselineName, medians(report.baseline)]);
  const rounds = Math.max(report.server.length, report.baseline.length);
  const rows: string[][] = [
    [`${report.scenario}, median of ${rounds} round(s)`, ...sides.map(([name]) => name)],
  ];
  const row = (name: string, cell: (side: Medians) => string): void =>
    void rows.push([name, ...sides.map(([, side]) => cell(side))]);
  row('acked/s', (side) => count(side.ackedPerSecond));
  if (report.scenario !== 'echo') row('deliveries/s', (side) => dash(side.deliveriesPerSecond, count));
  row('send -> ack p50 / p99 / p99.9', (side) => latencies(side.ackLatency));
  if (report.scenario !== 'echo') {
    row('send -> receive p50 / p99 / p99.9', (side) => latencies(side.receiveLatency));
    row('messages per client read', (side) => dash(side.messagesPerRead, (n) => n.toFixed(2)));
  }
  row('frames per client read', (side) => side.framesPerRead.toFixed(2));
  row(
    'server CPU, cores (its main thread)',
    (side) => `${share(side.serverCores)} (${share(side.serverMainCores)})`,
  );
  row('generator CPU, cores', (side) => share(side.generatorCores));
  row('all else on the machine, cores', (side) => share(side.othersCores));
  const lines = [table(rows)];
  const ratio = ratios(report);
  if (ratio !== undefined) {
    const unit = report.scenario === 'group' ? 'deliveries/s' : 'acked/s';
    const perCore =
      ratio.perServerCore === undefined ? '' : `; per server core ${ratio.perServerCore.toFixed(3)}`;
    lines.push('', `${unit} ÷ ${baselineName}: ${ratio.rate.toFixed(3)}${perCore}`);
  }
  const refused = new Map<string, number>();
  for (const result of report.server) {
    for (const [code, n] of Object.entries(result.refused)) refused.set(code, (refused.get(code) ?? 0) + n);
  }
  for (const [code, n] of refused) lines.push(`refused with ${code}: ${count(n)}`);
  return lines.join('\n');
}

function idleTable(report: IdleReport): string {
  const rows = [
    ['connections', 'private KiB', 'heap KiB', 'external KiB'],
    ...report.steps.map((step) => [
      count(step.connections),
      kib(step.privateBytes),
      kib(step.heapBytes),
      kib(step.externalBytes),
    ]),
    [
      'bytes per connection',
      count(report.bytesPerConnection),
      count(report.heapBytesPerConnection),
      count(report.externalBytesPerConnection),
    ],
  ];
  return `idle, ${report.conversationsPerConnection} conversations per connection\n\n${table(rows)}`;
}

function restartTable(report: RestartReport): string {
  const row = (name: string, ms: readonly number[]): string[] => [
    name,
    `${Math.round(median(ms))} ms`,
    ms.map((one) => Math.round(one)).join(', '),
  ];
  const rows = [
    ['start to ready', 'median', 'all (ms)'],
    row('after kill -9 in the wake of load', report.afterKillMs),
    row('after an orderly stop', report.afterStopMs),
  ];
  return `restart, ${count(report.messages)} messages of ${report.bodyBytes} bytes\n\n${table(rows)}`;
}

/** The first column to the left, the others to the right. */
function table(rows: readonly (readonly string[])[]): string {
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

function latencies(latency: Latency): string {
  if (latency.count === 0) return '-';
  return [latency.p50Us, latency.p99Us, latency.p999Us].map((us) => milliseconds(us)).join(' / ');
}
function milliseconds(us: number): string {
  return `${(us / 1000).toFixed(us < 10_000 ? 2 : 1)} ms`;
}
function count(n: number): string {
  return Math.round(n).toLocaleString('en-US');
}
function kib(bytes: number): string {
  return count(bytes / 1024);
}
function share(n: number | undefined): string {
  return n === undefined ? '-' : n.toFixed(2);
}
function dash(n: number, format: (n: number) => string): string {
  return n === 0 ? '-' : format(n);
}
