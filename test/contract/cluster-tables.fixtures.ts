import type { LeaseRow, LeaseTable, LogRow, LogTable } from '../../src/core/cluster-ports.ts';
import type { ProjectionStore } from '../../src/core/ports.ts';
import type { StoredRow } from '../../src/core/rows.ts';
import { rowOf } from './store-fixtures.ts';

export type Projections = Omit<ProjectionStore, 'dirty' | 'clearDirty'>;

/** The tables of a cluster under test. */
export interface TablesUnderTest {
  readonly leases: LeaseTable;
  readonly log: LogTable;
  readonly projections: Projections;
}

/** Opened once per suite: a suite's tests share it, each with ids of its own. */
export type OpenTables = () => Promise<TablesUnderTest>;

export function leaseRow(node: string, changes: Partial<LeaseRow> = {}): LeaseRow {
  return {
    node,
    state: 'live',
    hb: 0,
    bus: true,
    addr: '127.0.0.1:9090',
    roles: 'edge,sequencer',
    dirtyFrom: 7,
    walked: false,
    ...changes,
  };
}

export interface LogRowOptions {
  readonly conv: string;
  readonly seq: number;
  readonly fence?: number;
  readonly c?: number;
  readonly x?: number;
  readonly m?: number;
  readonly body?: Uint8Array;
  readonly cmid?: string;
  readonly user?: string;
  readonly device?: string;
}

export function logRow(options: LogRowOptions): LogRow {
  const { fence = 1, c = 0, x = 0, ...row } = options;
  return { ...rowOf(row), fence, c, x };
}

/** Rows `from` … `to` of one fence. */
export function logRows(conv: string, from: number, to: number, fence = 1, c = from - 1): LogRow[] {
  return Array.from({ length: to - from + 1 }, (_, i) => logRow({ conv, seq: from + i, fence, c }));
}

export function stored({ seq, fence, c, m, x, env }: LogRow): StoredRow {
  return { seq, fence, c, m, x, env };
}
