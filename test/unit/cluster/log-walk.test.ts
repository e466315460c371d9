import assert from 'node:assert/strict';
import test from 'node:test';
import { TAIL_ROWS_MAX, type Walk, walkLog } from '../../../cluster/log-walk.ts';
import { MemoryLogTable } from '../../../src/adapters/memory/cluster-tables.ts';
import { MemoryStore } from '../../../src/adapters/memory/store.ts';
import type { FloorRow, LogRow } from '../../../src/core/cluster-ports.ts';
import type { StoredRow } from '../../../src/core/rows.ts';
import { VirtualSystem } from '../../sim/virtual-system.ts';
import { CONV } from '../actors/requests.ts';

/** Divides a bucket: no batch crosses one. */
const BATCH = 64;

function row(seq: number, c: number, fence = 1): LogRow {
  const env = new Uint8Array(8);
  return { seq, m: 0, env, user: 'ann', device: 'd', cmid: '', hash: 0, fence, c, x: 0 };
}

class Log {
  readonly system = new VirtualSystem(1);
  readonly table = new MemoryLogTable(this.system, new MemoryStore(this.system));

  /** Of rows 1 … last, each of which names the end of the batch before as committed. */
  static async of(last: number): Promise<Log> {
    const log = new Log();
    for (let c = 0; c < last; c += BATCH) {
      const length = Math.min(BATCH, last - c);
      await log.write(Array.from({ length }, (_, i) => row(c + 1 + i, c)));
    }
    return log;
  }

  async write(rows: readonly LogRow[]): Promise<void> {
    await this.#done(this.table.write(CONV, rows));
  }

  walk(committed: number, floor?: FloorRow): Promise<Walk> {
    return this.#done(walkLog(this.table, CONV, committed, floor));
  }

  async #done<T>(work: Promise<T>): Promise<T> {
    const [done] = await Promise.allSettled([work, this.system.advance(50)]);
    if (done.status === 'rejected') throw done.reason;
    return done.value;
  }
}

function extent(rows: readonly StoredRow[]): [first: number, last: number, count: number] {
  return [rows[0]?.seq ?? 0, rows.at(-1)?.seq ?? 0, rows.length];
}

test('a walk gives the last rows, whole, from wherever it begins and over buckets', async () => {
  const log = await Log.of(4_096 + 300);
  for (const committed of [0, 1, 100, 3_000, 4_095, 4_096, 4_097, 4_352, 4_396]) {
    const { last, tail, uncertain, c, fenceMax } = await log.walk(committed);
    assert.deepEqual([last, c, fenceMax], [4_396, Math.max(4_352, committed), 1], `from ${committed}`);
    assert.deepEqual(extent(tail), [4_396 - TAIL_ROWS_MAX + 1, 4_396, TAIL_ROWS_MAX], `from ${committed}`);
    assert.deepEqual(extent(uncertain), committed === 4_396 ? [0, 0, 0] : [c + 1, 4_396, 4_396 - c]);
  }
});

test('of a short log all rows are the tail; of none there is none', async () => {
  const log = await Log.of(70);
  assert.deepEqual(extent((await log.walk(0)).tail), [1, 70, 70]);
  assert.deepEqual(extent((await log.walk(70)).tail), [1, 70, 70]);
  assert.deepEqual(await new Log().walk(0), { last: 0, tail: [], uncertain: [], c: 0, fenceMax: 0 });
});

test('what is uncertain is kept, however much it is', async () => {
  const log = new Log();
  for (let from = 1; from <= 3_000; from += 250)
    await log.write(Array.from({ length: 250 }, (_, i) => row(from + i, 0)));
  const { tail, uncertain } = await log.walk(0);
  assert.deepEqual(
    [extent(uncertain), extent(tail)],
    [
      [1, 3_000, 3_000],
      [1_977, 3_000, TAIL_ROWS_MAX],
    ],
  );
});

test('of a seq the highest fence counts, what the floor voids and what is behind a hole does not', async () => {
  const log = await Log.of(4);
  await log.write([row(4, 3, 2)]);
  await log.write([row(5, 4, 1), row(6, 4, 1)]);
  await log.write([row(5, 4, 3)]);
  await log.write([row(8, 5, 4)]);
  const { last, tail, fenceMax } = await log.walk(2, { fence: 2, start: 5 });
  assert.deepEqual(
    tail.map(({ seq, fence }) => [seq, fence]),
    [
      [1, 1],
      [2, 1],
      [3, 1],
      [4, 2],
      [5, 3],
    ],
  );
  assert.deepEqual([last, fenceMax], [5, 4]);
});

test('a committed row that is not there is an alarm', async () => {
  const log = await Log.of(64);
  await assert.rejects(log.walk(65), /seq 65 is committed and not in the log/);
});
