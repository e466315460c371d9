import assert from 'node:assert/strict';
import test from 'node:test';
import { TAIL_ROWS_MAX, TAIL_ROWS_MIN, type Walk, walkLog } from '../../../cluster/log-walk.ts';
import { MemoryLogTable } from '../../../src/adapters/memory/cluster-tables.ts';
import { MemoryStore } from '../../../src/adapters/memory/store.ts';
import { lastOfBucket } from '../../../src/core/buckets.ts';
import type { FloorRow, LogRow } from '../../../src/core/cluster-ports.ts';
import type { StoredRow } from '../../../src/core/rows.ts';
import { encodeMessage } from '../../../src/protocol/message-frame.ts';
import { Random } from '../../fuzz/random.ts';
import { VirtualSystem } from '../../sim/virtual-system.ts';
import { cmid, CONV } from '../actors/requests.ts';
import { NOW } from '../actors/stage.ts';

/** Divides a bucket: no batch crosses one. */
const BATCH = 64;

interface RowOptions {
  readonly fence?: number;
  /** Of the last row before it. */
  readonly msPerRow?: number;
  readonly isSent?: boolean;
}

function row(
  seq: number,
  c: number,
  { fence = 1, msPerRow = 1_000, isSent = true }: RowOptions = {},
): LogRow {
  const id = isSent ? cmid(seq) : '';
  const fields = { conv: CONV, seq, n: seq, ts: NOW + seq * msPerRow, from: 'ann', device: 'd', cmid: id };
  const env = encodeMessage({ ...fields, kind: 'text', body: new Uint8Array(0), text: true });
  return { seq, m: 0, env, user: 'ann', device: 'd', cmid: id, hash: 0, fence, c, x: 0 };
}

class Log {
  readonly system = new VirtualSystem(1);
  readonly table = new MemoryLogTable(this.system, new MemoryStore(this.system));
  /** How often the log was read backward. */
  reads = 0;

  constructor() {
    const rowsBackward = this.table.rowsBackward.bind(this.table);
    this.table.rowsBackward = (...args) => {
      this.reads++;
      return rowsBackward(...args);
    };
  }

  /** Of rows 1 … last, each of which names the end of the batch before as committed. */
  static async of(last: number, options: (seq: number) => RowOptions = () => ({})): Promise<Log> {
    const log = new Log();
    for (let c = 0; c < last; c += BATCH) {
      const length = Math.min(BATCH, last - c);
      await log.write(Array.from({ length }, (_, i) => row(c + 1 + i, c, options(c + 1 + i))));
    }
    return log;
  }

  async write(rows: readonly LogRow[]): Promise<void> {
    await this.#done(this.table.write(CONV, rows));
  }

  async writeHead(head: number): Promise<void> {
    await this.#done(this.table.writeHead(CONV, { head, n: head, ts: NOW }));
  }

  /** The rows of a bucket. */
  async all(from: number): Promise<readonly StoredRow[]> {
    const limits = { rowsMax: 100_000, bytesMax: 1e9 };
    return (await this.#done(this.table.rows(CONV, from, from + 4_095, limits))).rows;
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
    assert.deepEqual(extent(tail), [4_396 - TAIL_ROWS_MIN + 1, 4_396, TAIL_ROWS_MIN], `from ${committed}`);
    assert.deepEqual(extent(uncertain), committed === 4_396 ? [0, 0, 0] : [c + 1, 4_396, 4_396 - c]);
  }
});

test('however old the head is that a walk begins at, it reads the end of the log alone', async () => {
  const log = await Log.of(4_000);
  assert.equal((await log.walk(7)).last, 4_000);
  assert.equal(log.reads, 1);
});

test('a walk that finds a bucket full goes on where conv_head says that the log was longer', async () => {
  const log = await Log.of(3 * 4_096 + 20);
  assert.equal((await log.walk(5)).last, 3 * 4_096 + 20);
  const oneByOne = log.reads;
  await log.writeHead(3 * 4_096 + 3);
  log.reads = 0;
  const { last, tail } = await log.walk(5);
  assert.deepEqual([last, extent(tail)[0]], [3 * 4_096 + 20, 3 * 4_096 + 20 - tail.length + 1]);
  assert.ok(log.reads <= oneByOne - 2, `${log.reads} reads, ${oneByOne} by four buckets one after the other`);
});

test('the tail is that of the last quarter of a minute, within bounds, and has a message', async () => {
  const lengthOf = async (options: (seq: number) => RowOptions): Promise<number> => {
    const log = await Log.of(4_200, options);
    const { tail } = await log.walk(4_100);
    assert.deepEqual(extent(tail), [4_200 - tail.length + 1, 4_200, tail.length]);
    return tail.length;
  };
  assert.equal(await lengthOf(() => ({ msPerRow: 1 })), TAIL_ROWS_MAX);
  const some = await lengthOf(() => ({ msPerRow: 100 }));
  assert.ok(some > 150 && some < TAIL_ROWS_MAX, `${some} rows of 100 ms each`);
  const older = await lengthOf((seq) => ({ isSent: seq < 3_900 }));
  assert.ok(older > 300 && older < TAIL_ROWS_MAX, `${older} rows, of which the last message is the 301st`);
  assert.equal(await lengthOf(() => ({ isSent: false })), TAIL_ROWS_MAX);
});

/** What a walk is to find, by all rows of the log. */
async function bySpec(
  log: Log,
  committed: number,
  floor: FloorRow,
): Promise<Pick<Walk, 'last' | 'c' | 'uncertain'>> {
  const rows: StoredRow[] = [];
  for (let from = 1; from <= 8_192; from += 4_096) rows.push(...(await log.all(from)));
  const c = Math.max(committed, ...rows.map((each) => each.c));
  const valid = rows.filter(({ seq, fence }) => seq < floor.start || fence >= floor.fence);
  const prefix: StoredRow[] = [];
  for (const each of valid) if (each.seq === prefix.length + 1) prefix.push(each);
  return { last: prefix.length, c, uncertain: prefix.filter(({ seq }) => seq > c) };
}

test('what is left of several terms is found as by all rows', async () => {
  const random = new Random(7);
  for (let round = 0; round < 40; round++) {
    const base = 3_900 + random.below(300);
    const log = await Log.of(base);
    let fence = 1;
    let floor: FloorRow = { fence: 1, start: 1 };
    let committed = base;
    for (let term = random.below(4); term > 0; term--) {
      // A batch that was never committed, some of it, and maybe behind a hole of what another voided.
      const from = committed + 1 + (random.below(3) === 0 ? random.below(5) : 0);
      const length = Math.min(1 + random.below(200), lastOfBucket(committed + 1) - from + 1);
      if (length > 0) await log.write(Array.from({ length }, (_, i) => row(from + i, committed, { fence })));
      fence++;
      if (random.below(2) === 0) continue;
      // The next term saw less of it, and committed some of its own.
      floor = { fence, start: committed + 1 };
      const own = Math.min(random.below(80), lastOfBucket(committed + 1) - committed);
      for (let i = 0; i < own; i++, committed++) await log.write([row(committed + 1, committed, { fence })]);
    }
    for (const from of [0, 3_000, base - 1, base]) {
      const { last, c, uncertain } = await log.walk(from, floor);
      assert.deepEqual(
        { last, c, uncertain },
        await bySpec(log, from, floor),
        `round ${round}, from ${from}`,
      );
    }
  }
});

test('of a short log all rows are the tail; of none there is none', async () => {
  const log = await Log.of(50);
  assert.deepEqual(extent((await log.walk(0)).tail), [1, 50, 50]);
  assert.deepEqual(extent((await log.walk(50)).tail), [1, 50, 50]);
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
  await log.write([row(4, 3, { fence: 2 })]);
  await log.write([row(5, 4), row(6, 4)]);
  await log.write([row(5, 4, { fence: 3 })]);
  await log.write([row(8, 5, { fence: 4 })]);
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
