/** Where a cluster's time goes: rows of the load table. */
import type { ClusterUse, LoadResult, ProcessUse, StatementUse, StoreUse } from './plan.ts';
import { median } from './statistics.ts';
import { share } from './table.ts';

/** Medians over rounds. */
export interface Uses {
  readonly processes: readonly ProcessUse[];
  readonly rowsPerBatch: number;
  readonly appendMs: number;
  readonly sequencers: StoreUse;
  readonly edges: StoreUse;
  readonly sequencerBusMessagesPerRow: number;
  readonly edgeBusMessagesPerRow: number;
}

/** What is rarer than that is in the sum alone. */
const SHOWN_PER_ROW_MIN = 0.0005;

/** undefined: not of a cluster. */
export function usesOf(results: readonly LoadResult[]): Uses | undefined {
  const uses = results.flatMap(({ cluster }) => (cluster === undefined ? [] : [cluster]));
  if (uses.length === 0) return undefined;
  const of = (pick: (use: ClusterUse) => number): number => median(uses.map(pick));
  const processes = results[0]?.cpu?.processes ?? [];
  const ofProcess = (i: number, pick: 'cores' | 'mainCores' | 'compilerCores'): number =>
    median(results.map(({ cpu }) => cpu?.processes[i]?.[pick] ?? 0));
  return {
    processes: processes.map(({ name, compilerCores }, i) => ({
      name,
      cores: ofProcess(i, 'cores'),
      mainCores: ofProcess(i, 'mainCores'),
      compilerCores: compilerCores === undefined ? undefined : ofProcess(i, 'compilerCores'),
    })),
    rowsPerBatch: of((use) => use.rowsPerBatch),
    appendMs: of((use) => use.appendMs),
    sequencers: storeUseOf(uses.map((use) => use.sequencers)),
    edges: storeUseOf(uses.map((use) => use.edges)),
    sequencerBusMessagesPerRow: of((use) => use.sequencerBusMessagesPerRow),
    edgeBusMessagesPerRow: of((use) => use.edgeBusMessagesPerRow),
  };
}

export function storeUseOf(uses: readonly StoreUse[]): StoreUse {
  const names = new Set(uses.flatMap(({ statements }) => Object.keys(statements)));
  const statements: Record<string, StatementUse> = {};
  for (const name of names) {
    const ofAll = uses.flatMap((use) => use.statements[name] ?? []);
    // A round without the statement counts as none of it.
    const perRow = uses.map((use) => use.statements[name]?.requestsPerRow ?? 0);
    statements[name] = {
      requestsPerRow: median(perRow),
      meanMs: median(ofAll.map(({ meanMs }) => meanMs)),
    };
  }
  return { statements, failures: median(uses.map(({ failures }) => failures)) };
}

/** A cell per side; `-` where the side is none of a cluster. */
export function clusterRows(sides: readonly (Uses | undefined)[]): string[][] {
  const [first] = sides.filter((side) => side !== undefined);
  if (first === undefined) return [];
  const rows: string[][] = [];
  const row = (name: string, cell: (uses: Uses) => string): void =>
    void rows.push([name, ...sides.map((uses) => (uses === undefined ? '-' : cell(uses)))]);
  for (const [i, { name, compilerCores }] of first.processes.entries()) {
    const isNode = /^(edge|sequencer)/.test(name);
    row(compilerCores === undefined ? `  ${name}` : `  ${name} (its compilers)`, ({ processes }) => {
      const use = processes[i];
      const part = isNode ? use?.mainCores : use?.compilerCores;
      return share(use?.cores) + (part === undefined ? '' : ` (${share(part)})`);
    });
  }
  row('rows per batch', (uses) => uses.rowsPerBatch.toFixed(2));
  row('append -> committed, mean', (uses) => `${uses.appendMs.toFixed(1)} ms`);
  row("sequencers' store requests per acked", ({ sequencers }) => total(sequencers).toFixed(3));
  for (const name of shown(first.sequencers)) {
    row(`  ${name} (mean time)`, ({ sequencers }) => statementCell(sequencers.statements[name]));
  }
  row("edges' store requests per acked", ({ edges }) => total(edges).toFixed(3));
  row('bus messages per acked, sequencers + edges', (uses) =>
    [uses.sequencerBusMessagesPerRow, uses.edgeBusMessagesPerRow].map((n) => n.toFixed(3)).join(' + '),
  );
  if (first.sequencers.failures + first.edges.failures > 0)
    row('store requests that failed', ({ sequencers, edges }) =>
      String(sequencers.failures + edges.failures),
    );
  return rows;
}

/** The statements worth a line, the most frequent first. */
export function shown({ statements }: StoreUse): string[] {
  return Object.entries(statements)
    .filter(([, { requestsPerRow }]) => requestsPerRow >= SHOWN_PER_ROW_MIN)
    .sort(([, a], [, b]) => b.requestsPerRow - a.requestsPerRow)
    .map(([name]) => name);
}

export function statementCell(use: StatementUse | undefined): string {
  return use === undefined ? '-' : `${use.requestsPerRow.toFixed(3)} (${use.meanMs.toFixed(1)} ms)`;
}

export function total({ statements }: StoreUse): number {
  return Object.values(statements).reduce((sum, { requestsPerRow }) => sum + requestsPerRow, 0);
}
