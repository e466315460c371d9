/** What appending rows costs, ours beside the bare driver. */
import { shown, statementCell, storeUseOf, total } from './cluster-report.ts';
import type { AppendResult, Latency, StoreUse } from './plan.ts';
import type { AppendReport } from './scenarios/append.ts';
import { median } from './statistics.ts';
import { count, latencies, share, table } from './table.ts';

export interface AppendMedians {
  readonly rowsPerSecond: number;
  readonly batchLatency: Latency;
  readonly clientUsPerRow: number;
  readonly clientCores: number | undefined;
  readonly storeCores: number | undefined;
  /** Of these, those of its compilers: high while it is cold. */
  readonly storeCompilerCores: number | undefined;
  readonly othersCores: number | undefined;
  readonly store: StoreUse | undefined;
}

export function appendMedians(results: readonly AppendResult[]): AppendMedians {
  const of = (pick: (result: AppendResult) => number): number => median(results.map(pick));
  const latency = (pick: keyof Latency): number => of(({ batchLatency }) => batchLatency[pick]);
  const cpu = results.every((result) => result.cpu !== undefined);
  const knowsStore = cpu && results.every((result) => (result.cpu?.processes.length ?? 0) > 0);
  const stores = results.flatMap(({ store }) => (store === undefined ? [] : [store]));
  return {
    rowsPerSecond: of((r) => r.rowsPerSecond),
    batchLatency: {
      count: latency('count'),
      meanUs: latency('meanUs'),
      p50Us: latency('p50Us'),
      p99Us: latency('p99Us'),
      p999Us: latency('p999Us'),
      maxUs: latency('maxUs'),
    },
    clientUsPerRow: of((r) => r.clientUsPerRow),
    clientCores: cpu ? of((r) => r.cpu?.generator ?? 0) : undefined,
    storeCores: knowsStore ? of((r) => r.cpu?.server ?? 0) : undefined,
    storeCompilerCores: knowsStore
      ? of((r) => (r.cpu?.processes ?? []).reduce((sum, { compilerCores = 0 }) => sum + compilerCores, 0))
      : undefined,
    othersCores: cpu ? of((r) => r.cpu?.others ?? 0) : undefined,
    store: stores.length === 0 ? undefined : storeUseOf(stores),
  };
}

/** Of rows/s: ours ÷ the bare driver's. */
export function appendRatio({ server, baseline }: AppendReport): { readonly rate: number } | undefined {
  if (server.length === 0 || baseline.length === 0) return undefined;
  return { rate: appendMedians(server).rowsPerSecond / appendMedians(baseline).rowsPerSecond };
}

export function appendTable(report: AppendReport): string {
  const sides: [string, AppendMedians][] = [];
  if (report.server.length > 0) sides.push(['carillon', appendMedians(report.server)]);
  if (report.baseline.length > 0) sides.push(['bare driver', appendMedians(report.baseline)]);
  const rounds = Math.max(report.server.length, report.baseline.length);
  const rows: string[][] = [[`append, median of ${rounds} round(s)`, ...sides.map(([name]) => name)]];
  const row = (name: string, cell: (side: AppendMedians) => string): void =>
    void rows.push([name, ...sides.map(([, side]) => cell(side))]);
  row('rows/s', (side) => count(side.rowsPerSecond));
  row('batch -> committed p50 / p99 / p99.9', (side) => latencies(side.batchLatency));
  row('client CPU, us per row', (side) => side.clientUsPerRow.toFixed(1));
  row('client CPU, cores', (side) => share(side.clientCores));
  row('Cassandra CPU, cores (its compilers)', (side) =>
    side.storeCores === undefined ? '-' : `${share(side.storeCores)} (${share(side.storeCompilerCores)})`,
  );
  row('all else on the machine, cores', (side) => share(side.othersCores));
  const perBatch = report.rowsPerBatch;
  const store = sides[0]?.[1].store;
  if (store !== undefined) {
    row('store requests per batch', (side) =>
      side.store === undefined ? '1' : (total(side.store) * perBatch).toFixed(3),
    );
    for (const name of shown(store))
      row(`  ${name} (mean time)`, (side) => {
        const use = side.store?.statements[name];
        return statementCell(use && { ...use, requestsPerRow: use.requestsPerRow * perBatch });
      });
  }
  const lines = [
    `${report.conversations} conversations with a batch of ${perBatch} rows of ${report.server[0]?.rowBytes} bytes in flight each, ${report.storeNodes} store node(s)`,
    '',
    table(rows),
  ];
  const ratio = appendRatio(report);
  const refused = report.server.reduce((sum, result) => sum + result.refused, 0);
  if (refused > 0) lines.push('', `refused as unavailable, and appended again: ${count(refused)} batches`);
  if (ratio !== undefined) lines.push('', `rows/s ÷ bare driver: ${ratio.rate.toFixed(3)}`);
  return lines.join('\n');
}
