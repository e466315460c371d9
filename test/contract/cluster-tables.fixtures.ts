import {
  type Beat,
  type LeaseRow,
  type LeaseTable,
  type LogRow,
  type LogTable,
  NO_BEAT,
} from '../../src/core/cluster-ports.ts';
import type { ProjectionStore } from '../../src/core/ports.ts';
import type { StoredRow } from '../../src/core/rows.ts';
import { ALL, rowOf } from './store-fixtures.ts';

/** The tables of a cluster, as one of its nodes uses them. */
export interface Tables {
  readonly leases: LeaseTable;
  readonly log: LogTable;
  readonly projections: ProjectionStore;
}

/** The same tables over a way to them that can fail. */
export interface FaultyTables extends Tables {
  /** From now on requests take effect, and nobody hears of it. */
  mute(): void;
  /** Resolves when no request gets there any more. */
  cut(): Promise<void>;
  /** Resolves when all is well again. */
  heal(): Promise<void>;
}

export interface TablesUnderTest extends Tables {
  faulty(): Promise<FaultyTables>;
  /** The same tables as a node uses them whose clock is off by `ms`. */
  skewed(ms: number): Promise<Tables>;
}

/** May be opened once per suite: a suite's tests share it, each with ids of its own. */
export type OpenTables = () => Promise<TablesUnderTest>;

export const DAY_MS = 24 * 3_600_000;

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
    draining: false,
    owned: 0,
    moving: 0,
    lag: 0,
    ...changes,
  };
}

/** Of node rows as `leaseRow` makes them. */
export function beatOf(changes: Partial<Beat> = {}): Beat {
  return { ...NO_BEAT, bus: true, dirtyFrom: 7, ...changes };
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
  /** By default, now. */
  readonly ts?: number;
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

/** The rows alone of what `rows` answers, up to `rowsMax` of them. */
export async function rowsOf(
  log: LogTable,
  conv: string,
  from: number,
  to: number,
  rowsMax = ALL.rowsMax,
): Promise<StoredRow[]> {
  return (await log.rows(conv, from, to, { ...ALL, rowsMax })).rows;
}

export async function rowsBackwardOf(
  log: LogTable,
  conv: string,
  from: number,
  to: number,
  rowsMax = ALL.rowsMax,
): Promise<StoredRow[]> {
  return (await log.rowsBackward(conv, from, to, { ...ALL, rowsMax })).rows;
}
