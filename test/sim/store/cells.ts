/**
 * Columns that are always written together, under one timestamp. Never changed: replicas and readers share it.
 * `key` tells which of its partition it is.
 */
export interface Cell {
  readonly key: string;
  readonly ts: number;
  readonly columns: object;
}

/** Cells of one partition: a replica takes all of them at one moment. */
export interface Mutation {
  readonly partition: string;
  readonly cells: readonly Cell[];
}

/** The last write; of equal timestamps, in each column the larger value. `a` itself where `b` adds nothing. */
export function reconcile(a: Cell, b: Cell): Cell {
  if (a === b || a.ts > b.ts) return a;
  return b.ts > a.ts ? b : largerOf(a, b);
}

function largerOf(a: Cell, b: Cell): Cell {
  const [left, right] = [a.columns as Columns, b.columns as Columns];
  let columns: Columns | undefined;
  for (const name of Object.keys(left)) {
    if (compare(left[name], right[name]) >= 0) continue;
    columns ??= { ...left };
    columns[name] = right[name];
  }
  return columns === undefined ? a : { key: a.key, ts: a.ts, columns };
}

type Columns = Record<string, unknown>;

/** Absent is the least; bytes in their order; other objects (a preview) as the text that the store would have. */
function compare(a: unknown, b: unknown): number {
  if (a === b) return 0;
  if (a === undefined) return -1;
  if (b === undefined) return 1;
  if (a instanceof Uint8Array && b instanceof Uint8Array) return Buffer.compare(a, b);
  if (typeof a === 'object' || typeof b === 'object') return compare(JSON.stringify(a), JSON.stringify(b));
  return (a as number | string) < (b as number | string) ? -1 : 1;
}

/** What several replicas said, as one; in no order. */
export function merged(answers: readonly (readonly Cell[])[]): readonly Cell[] {
  const [first = [], ...others] = answers;
  if (others.every((other) => same(first, other))) return first;
  const cells = new Map<string, Cell>();
  for (const answer of answers) {
    for (const cell of answer) {
      const present = cells.get(cell.key);
      cells.set(cell.key, present === undefined ? cell : reconcile(present, cell));
    }
  }
  return [...cells.values()];
}

/** Those of `wanted` that add something to `had`. */
export function missing(had: readonly Cell[], wanted: readonly Cell[]): readonly Cell[] {
  if (same(had, wanted)) return [];
  const present = new Map(had.map((cell) => [cell.key, cell]));
  return wanted.filter((cell) => {
    const old = present.get(cell.key);
    return old === undefined || reconcile(old, cell) !== old;
  });
}

function same(a: readonly Cell[], b: readonly Cell[]): boolean {
  return a.length === b.length && a.every((cell, i) => cell === b[i]);
}
