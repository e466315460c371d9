import assert from 'node:assert/strict';
import { randomInt, randomUUID } from 'node:crypto';
import test from 'node:test';
import { CommittedReader } from '../../cluster/committed-reader.ts';
import type { ScyllaLogTable } from '../../src/adapters/scylla/log-table.ts';
import { firstOfBucket, lastOfBucket } from '../../src/core/buckets.ts';
import type { LogRow } from '../../src/core/cluster-ports.ts';
import type { StoredRow } from '../../src/core/rows.ts';
import { LIMITS } from '../../src/protocol/limits.ts';
import { encodeMessage } from '../../src/protocol/message-frame.ts';
import { cassandraMissing, migrate, openScylla, testCassandra } from '../support/scylla.ts';

/** CARILLON_HISTORY_ROWS: fewer, for a quick look. */
const ROWS = Number(process.env.CARILLON_HISTORY_ROWS ?? 1_000_000);
const BATCH_ROWS = 256;
const BATCHES_IN_FLIGHT = 24;
const PLACES = 40;
const ROUNDS = 15;
/** What a page may take, against the first. */
const TIMES_MAX = 3;
const PAGE = LIMITS.historyLimitDefault;
const PAGE_LIMITS = { rowsMax: PAGE, bytesMax: LIMITS.pageBytesMax };

const conv = randomUUID();
const cmid = randomUUID();
const body = new TextEncoder().encode(
  'What one person says to another, a hundred bytes of it: nobody says more at one time, or less. '.padEnd(
    100,
    '.',
  ),
);

function frame(seq: number): Uint8Array {
  const ts = 1_764_000_000_000 + seq;
  return encodeMessage({
    conv,
    seq,
    n: seq,
    ts,
    from: 'ann',
    device: 'phone',
    cmid,
    kind: 'text',
    body,
    text: true,
  });
}

/** The batch that begins at `from`; none crosses a bucket. */
function batchAt(from: number): LogRow[] {
  const to = Math.min(from + BATCH_ROWS - 1, lastOfBucket(from), ROWS);
  return Array.from({ length: to - from + 1 }, (_, i) => {
    const seq = from + i;
    const row = { seq, fence: 1, c: from - 1, m: 1, x: from - 1, hash: 0 };
    return { ...row, env: frame(seq), user: 'ann', device: 'phone', cmid };
  });
}

async function writeAll(log: ScyllaLogTable): Promise<void> {
  let next = 1;
  const lane = async (): Promise<void> => {
    while (next <= ROWS) {
      const rows = batchAt(next);
      next += rows.length;
      let outcome = await log.write(conv, rows);
      // A busy machine may be late with an answer.
      for (let tries = 0; outcome === 'unknown' && tries < 5; tries++) outcome = await log.write(conv, rows);
      assert.equal(outcome, 'written');
    }
  };
  await Promise.all(Array.from({ length: BATCHES_IN_FLIGHT }, lane));
}

/** A page up from `from`, or down from `to`, and how long it took, each time that it was read. */
interface Place {
  readonly from: number;
  readonly to: number;
  readonly newestFirst: boolean;
  readonly ms: number[];
}

function upFrom(seq: number): Place {
  return { from: seq, to: ROWS, newestFirst: false, ms: [] };
}
function downFrom(seq: number): Place {
  return { from: 1, to: seq, newestFirst: true, ms: [] };
}

async function read(reader: CommittedReader, { from, to, newestFirst, ms }: Place): Promise<StoredRow[]> {
  const start = performance.now();
  const rows = await reader.read(conv, from, to, newestFirst, PAGE_LIMITS);
  ms.push(performance.now() - start);
  return rows;
}

function check(rows: readonly StoredRow[], { from, to, newestFirst }: Place): void {
  const first = newestFirst ? to - PAGE + 1 : from;
  assert.equal(rows.length, PAGE);
  for (const [i, row] of rows.entries()) {
    assert.equal(row.seq, first + i);
    assert.deepEqual(row.env, frame(first + i));
  }
}

function median(of: readonly number[]): number {
  return of.toSorted((a, b) => a - b)[of.length >> 1] as number;
}

/** Reads the first page beside every other: whatever else the machine does, it does to both. */
async function compare(reader: CommittedReader, first: Place, places: readonly Place[]): Promise<void> {
  for (let round = 0; round < ROUNDS; round++) {
    for (const place of places) {
      await read(reader, first);
      await read(reader, place);
    }
  }
}

function tooSlow(place: Place, first: Place): boolean {
  return median(place.ms) > TIMES_MAX * median(first.ms);
}

test(`scylla: a history of ${ROWS} messages, and any page of it as soon as the first`, {
  skip: cassandraMissing() ?? false,
  timeout: 600_000,
}, async (t) => {
  const cassandra = await testCassandra();
  t.after(() => cassandra.stop());
  await migrate(cassandra.options);
  const store = await openScylla(cassandra.options);
  t.after(() => store.close());
  const started = performance.now();
  await writeAll(store.log);
  const seconds = (performance.now() - started) / 1_000;
  t.diagnostic(`written in ${seconds.toFixed(1)} s: ${Math.round(ROWS / seconds)} rows/s`);

  const reader = new CommittedReader(store.log);
  const [first, last] = [upFrom(1), downFrom(ROWS)];
  const random = Array.from({ length: PLACES }, () => randomInt(PAGE, ROWS - PAGE));
  /** Pages with one half in each of two buckets. */
  const across = random.slice(0, 8).map((seq) => Math.max(firstOfBucket(seq), firstOfBucket(PAGE + 4_096)));
  const inside = random.flatMap((seq) => [upFrom(seq), downFrom(seq)]);
  const astride = across.flatMap((seq) => [upFrom(seq - PAGE / 2), downFrom(seq + PAGE / 2 - 1)]);
  const places = [last, ...inside, ...astride];
  for (const place of [first, ...places]) check(await read(reader, place), place);
  for (let round = 0; round < 3; round++) for (const place of [first, ...places]) await read(reader, place);
  for (const place of [first, ...places]) place.ms.length = 0;
  await compare(reader, first, places);
  // Nobody else's work makes one place slow time and again.
  for (let more = 0; more < 2; more++)
    await compare(
      reader,
      first,
      places.filter((place) => tooSlow(place, first)),
    );
  const base = median(first.ms);
  const show = (name: string, of: readonly Place[]): number => {
    const medians = of.map((place) => median(place.ms) / base).sort((a, b) => a - b);
    const [low, high] = [medians[0] as number, medians.at(-1) as number];
    const figures = `${low.toFixed(2)} to ${high.toFixed(2)}, median ${median(medians).toFixed(2)}`;
    t.diagnostic(`${name}: ${of.length} places, times the first page: ${figures}`);
    return high;
  };
  t.diagnostic(`first page: ${base.toFixed(2)} ms`);
  const worst = [
    show('newest page', [last]),
    show(
      'up',
      inside.filter((place) => !place.newestFirst),
    ),
    show(
      'down',
      inside.filter((place) => place.newestFirst),
    ),
    show('across buckets', astride),
  ];
  assert.ok(
    Math.max(...worst) <= TIMES_MAX,
    `the slowest place takes ${Math.max(...worst)} times the first page`,
  );
});
