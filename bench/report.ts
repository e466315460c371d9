/** What a scenario found, as a table for people. `--json` prints the same reports with their medians. */
import { cpus, totalmem } from 'node:os';
import { appendRatio, appendTable, type AppendMedians, appendMedians } from './append-report.ts';
import { clusterRows, type Uses, usesOf } from './cluster-report.ts';
import type { Latency, LoadResult } from './plan.ts';
import { cpuModel } from './process-stats.ts';
import { otherRatio, otherRatioText } from './other-build.ts';
import { hubPlace, presenceTable } from './presence-report.ts';
import { cores } from './processes.ts';
import { readsTable } from './reads-report.ts';
import { scaleFigures, scaleTable } from './scale-report.ts';
import type { AppendReport } from './scenarios/append.ts';
import type { IdleReport } from './scenarios/idle.ts';
import type { LoadReport } from './scenarios/load.ts';
import type { PresenceReport } from './scenarios/presence.ts';
import type { ReadsReport } from './scenarios/reads.ts';
import type { RestartReport } from './scenarios/restart.ts';
import type { ScaleReport } from './scenarios/scale.ts';
import type { SyncReport } from './scenarios/sync.ts';
import { median } from './statistics.ts';
import { syncTable } from './sync-report.ts';
import { count, dash, kib, latencies, share, table } from './table.ts';

export type Report =
  | LoadReport
  | AppendReport
  | ScaleReport
  | IdleReport
  | ReadsReport
  | PresenceReport
  | SyncReport
  | RestartReport;

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
  /** Of a cluster. */
  readonly uses: Uses | undefined;
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
    uses: usesOf(results),
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
    'server' in report ? [...report.server, ...report.baseline, ...otherOf(report)] : [report];
  return {
    count: parts.reduce((sum, part) => sum + part.problemCount, 0),
    texts: parts.flatMap((part) => part.problems),
  };
}

/** Rounds of another build, of a load that had any. */
function otherOf(report: LoadReport | AppendReport): readonly LoadResult[] {
  return 'other' in report ? (report.other ?? []) : [];
}

export function machine(): string {
  const memory = Math.round(totalmem() / 2 ** 30);
  return `${cpuModel()}, ${cpus().length} cores, ${memory} GiB, Node ${process.versions.node}`;
}

/** What ran where: without it no figure means much. */
export function placement(report: Report): string {
  if (cores === undefined) return 'Processes not pinned.';
  const { server, generator } = cores;
  if (report.scenario === 'append')
    return `The appending process, ours or the bare driver's, on core ${generator}; Cassandra not pinned: it has the other core, and what is left of this one.`;
  const isCluster = report.scenario === 'scale' || ('server' in report && report.cluster !== undefined);
  const apart = `Server on core ${server}, generator on core ${generator}.`;
  if (report.scenario === 'presence') return `${apart} ${hubPlace(generator)}`;
  if (!isCluster) return apart;
  const cluster = `Generator on core ${generator}. The cluster's processes are not pinned: they have the other core, and what the generator leaves of its own.`;
  if (report.scenario === 'scale') return cluster;
  const baseline = report.scenario === 'group' ? 'bare publish' : 'bare echo';
  return [
    cluster,
    `The ${baseline} is one thread, on core ${server}; the cluster is up meanwhile, and idle ("all else" in its column).`,
  ].join('\n');
}

export function asJson(report: Report): object {
  const problems = problemsOf(report);
  const placed = placement(report);
  const common = { ...report, machine: machine(), placement: placed, ok: problems.count === 0 };
  if (report.scenario === 'scale') return { ...common, figures: scaleFigures(report, cpus().length) };
  if (!('server' in report)) return common;
  if (report.scenario === 'append') {
    const side = (results: AppendReport['server']): AppendMedians | undefined =>
      results.length === 0 ? undefined : appendMedians(results);
    const medians = { server: side(report.server), baseline: side(report.baseline) };
    return { ...common, medians, ratio: appendRatio(report) };
  }
  const side = (results: readonly LoadResult[]): Medians | undefined =>
    results.length === 0 ? undefined : medians(results);
  const brief = (results: readonly LoadResult[]): object[] =>
    results.map(({ heads: _heads, ...rest }) => rest);
  return {
    ...common,
    server: brief(report.server),
    baseline: brief(report.baseline),
    ...(report.other !== undefined && { other: brief(report.other), otherRatio: otherRatio(report) }),
    medians: { server: side(report.server), baseline: side(report.baseline), other: side(otherOf(report)) },
    ratio: ratios(report),
  };
}

export function asTable(report: Report): string {
  const body = bodyOf(report);
  const problems = problemsOf(report);
  const verdict =
    problems.count === 0
      ? checked(report)
      : [`FAILED: ${problems.count} fault(s)`, ...problems.texts.map((text) => `  ${text}`)].join('\n');
  return `${machine()}\n\n${placement(report)}\n\n${body}\n\n${verdict}`;
}

function bodyOf(report: Report): string {
  switch (report.scenario) {
    case 'append':
      return appendTable(report);
    case 'scale':
      return scaleTable(report, cpus().length);
    case 'idle':
      return idleTable(report);
    case 'reads':
      return readsTable(report);
    case 'presence':
      return presenceTable(report);
    case 'sync':
      return syncTable(report);
    case 'restart':
      return restartTable(report);
    default:
      return loadTable(report);
  }
}

function checked(report: Report): string {
  if (report.scenario === 'scale') return checkedLoads(report.checked.acked, report.checked.delivered);
  if (report.scenario === 'reads')
    return `checked: ${count(report.checked)} cursors, each where its last read put it.`;
  if (report.scenario === 'presence')
    return `checked: ${count(report.hub.checked)} states at edges and ${count(report.visits.checked)} at watchers, each as its user is.`;
  if (report.scenario === 'sync')
    return `checked: ${count(report.checked)} entries, each once, with its head, its unread messages and the badge.`;
  if (!('server' in report)) return 'checked: all that was acked was there, in order, once.';
  if (report.scenario === 'append') {
    const rows = [...report.server, ...report.baseline].reduce((sum, { checked }) => sum + checked, 0);
    return `checked: ${count(rows)} rows read back from the log: seqs dense, each row there; ours indexed by id.`;
  }
  let acked = 0;
  let delivered = 0;
  for (const result of [...report.server, ...report.baseline, ...otherOf(report)]) {
    acked += result.checked.acked;
    delivered += result.checked.delivered;
  }
  return report.scenario === 'echo'
    ? `checked: ${count(acked)} echoes, each the answer to its send.`
    : checkedLoads(acked, delivered);
}

function checkedLoads(acked: number, delivered: number): string {
  return `checked: ${count(acked)} acks and ${count(delivered)} deliveries: seqs dense, each message once to each recipient, in one order.`;
}

function loadTable(report: LoadReport): string {
  const baselineName = report.scenario === 'group' ? 'bare publish' : 'bare echo';
  const sides: [string, Medians][] = [];
  if (report.server.length > 0) sides.push(['carillon', medians(report.server)]);
  if (report.other !== undefined) sides.push(['other build', medians(report.other)]);
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
    'server CPU, cores (its main threads)',
    (side) => `${share(side.serverCores)} (${share(side.serverMainCores)})`,
  );
  rows.push(...clusterRows(sides.map(([, { uses }]) => uses)));
  row('generator CPU, cores', (side) => share(side.generatorCores));
  row('all else on the machine, cores', (side) => share(side.othersCores));
  const lines = [...shapeOf(report), table(rows)];
  const ratio = ratios(report);
  if (ratio !== undefined) {
    const unit = report.scenario === 'group' ? 'deliveries/s' : 'acked/s';
    const perCore =
      ratio.perServerCore === undefined ? '' : `; per server core ${ratio.perServerCore.toFixed(3)}`;
    lines.push('', `${unit} ÷ ${baselineName}: ${ratio.rate.toFixed(3)}${perCore}`);
  }
  lines.push(...otherRatioText(report));
  const refused = new Map<string, number>();
  for (const result of report.server) {
    for (const [code, n] of Object.entries(result.refused)) refused.set(code, (refused.get(code) ?? 0) + n);
  }
  for (const [code, n] of refused) lines.push(`refused with ${code}: ${count(n)}`);
  return lines.join('\n');
}

function shapeOf({ cluster }: LoadReport): string[] {
  if (cluster === undefined) return [];
  const { nodes, edges, storeNodes } = cluster;
  return [`${edges} edge(s), ${nodes} sequencer(s), ${storeNodes} store node(s)`, ''];
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
