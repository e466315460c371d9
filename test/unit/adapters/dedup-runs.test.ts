import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import {
  type IdEntry,
  runCell,
  runsOf,
  slotsOf,
  takeFromRun,
} from '../../../src/adapters/scylla/dedup-runs.ts';
import { uuidV7 } from '../../../src/core/ids.ts';
import type { DedupHit } from '../../../src/core/rows.ts';

/** The beginning of a slot of 10 s. */
const NOW = 1_790_000_000_000;
const idAt = (time: number, tail: number): string => {
  const random = new Uint8Array(10);
  new DataView(random.buffer).setUint32(6, tail);
  return uuidV7(time, random);
};
const entryOf = (cmid: string, seq: number, ts = NOW + seq): IdEntry => ({ cmid, seq, ts, hash: seq * 7 });
const sizes = (entries: readonly IdEntry[]): number[] => runsOf(entries).map((run) => run.entries.length);

/** What the store has of one device: rows by their keys, the last write of a key alone. */
class Device {
  readonly rows = new Map<string, { slot: number; cell: Buffer }>();

  write(entries: readonly IdEntry[]): void {
    for (const run of runsOf(entries)) {
      const key = `${run.slot} ${run.entries[0]?.seq} ${run.entries.length}`;
      const cell = runCell(run);
      assert.deepEqual(this.rows.get(key)?.cell ?? cell, cell, 'another run under the same key');
      this.rows.set(key, { slot: run.slot, cell });
    }
  }

  /** By one look-up of all, and how many rows it read. */
  lookUp(cmids: readonly string[]): { found: Map<string, DedupHit>; rowsRead: number } {
    const found = new Map<string, DedupHit>();
    const wanted = new Set(cmids);
    const slots = new Set(cmids.flatMap(slotsOf));
    const rows = [...this.rows.values()].filter(({ slot }) => slots.has(slot));
    for (const { cell } of rows) takeFromRun(cell, wanted, found);
    return { found, rowsRead: rows.length };
  }
}

const hitsOf = (entries: readonly IdEntry[]): Map<string, DedupHit> =>
  new Map(entries.map(({ cmid, ...hit }) => [cmid, hit]));

test('ids made as they should be, one after the other, are one run', () => {
  const entries = Array.from({ length: 300 }, (_, i) => entryOf(idAt(NOW + 10 * i, i), i + 1));
  assert.deepEqual(
    runsOf(entries).map((run) => run.entries),
    [entries],
  );
  const device = new Device();
  device.write(entries);
  const { found, rowsRead } = device.lookUp(entries.map(({ cmid }) => cmid));
  assert.deepEqual(found, hitsOf(entries));
  assert.equal(rowsRead, 1);
});

test('a run has 512 ids at most, of one slot of 10 s', () => {
  const many = Array.from({ length: 1_100 }, (_, i) => entryOf(idAt(NOW, i), i + 1));
  assert.deepEqual(sizes(many), [512, 512, 76]);
  const slow = Array.from({ length: 12 }, (_, i) =>
    entryOf(idAt(NOW + 2_500 * i, i), i + 1, NOW + 2_500 * i),
  );
  assert.deepEqual(sizes(slow), [4, 4, 4]);
});

test('an id has a slot of its own whose time is none, or over a minute from its commit', () => {
  const cmids = [
    '5a2f9c1e-0b7d-4c3a-9e21-7f0d8b6a4c11',
    idAt(NOW - 60_001, 1),
    idAt(NOW + 60_001, 2),
    idAt(NOW - 60_000, 3),
    idAt(NOW - 59_999, 4),
  ];
  const entries = cmids.map((cmid, i) => entryOf(cmid, i + 1, NOW));
  const runs = runsOf(entries);
  assert.deepEqual(
    runs.map((run) => run.entries.map(({ seq }) => seq)),
    [[1], [2], [3], [4, 5]],
  );
  assert.deepEqual(
    runs.map(({ slot }) => slot < 0),
    [true, true, true, false],
  );
  for (const { slot } of runs) assert.ok(Number.isSafeInteger(slot));
  // However many of one time, sent at another: a look-up reads its own alone.
  const flood = Array.from({ length: 2_000 }, (_, i) => entryOf(idAt(NOW, i), i + 1, NOW + 3_600_000));
  const device = new Device();
  device.write(flood);
  const { found, rowsRead } = device.lookUp([idAt(NOW, 77)]);
  assert.deepEqual([found.get(idAt(NOW, 77))?.seq, rowsRead], [78, 1]);
});

test('a look-up reads no run of another time', () => {
  const device = new Device();
  for (let hour = 0; hour < 100; hour++) {
    const from = NOW + hour * 3_600_000;
    device.write([0, 1, 2].map((i) => entryOf(idAt(from + i, i), hour * 3 + i + 1, from)));
  }
  assert.equal(device.rows.size, 100);
  assert.equal(device.lookUp([idAt(NOW + 3_600_001, 1), idAt(NOW + 50 * 3_600_000, 9)]).rowsRead, 2);
});

const times = fc.oneof(
  fc.integer({ min: 0, max: 15_000 }),
  fc.integer({ min: 0, max: 3 }),
  fc.integer({ min: -100_000, max: 100_000 }),
);
const timed = fc.tuple(times, fc.nat(9)).map(([time, tail]) => idAt(NOW + time, tail));
const ids = fc.uniqueArray(
  fc.oneof({ weight: 5, arbitrary: timed }, { weight: 1, arbitrary: fc.uuid({ version: 4 }) }),
  { minLength: 1, maxLength: 60 },
);

test('whatever ids, written in whatever pieces, again and over one another: each is found, and no other', () => {
  fc.assert(
    fc.property(
      ids,
      fc.array(fc.tuple(fc.nat(60), fc.nat(60)), { maxLength: 12 }),
      fc.uniqueArray(timed, { maxLength: 10 }),
      (cmids, pieces, others) => {
        const entries = cmids.map((cmid, i) => entryOf(cmid, i + 1));
        const device = new Device();
        const cut = pieces.map(([from, length]) => entries.slice(from, from + length));
        for (const piece of [...cut, entries.slice(0, 30), entries.slice(30), ...cut.reverse()])
          device.write(piece);
        assert.deepEqual(device.lookUp(cmids).found, hitsOf(entries));
        for (const { cmid, ...hit } of entries)
          assert.deepEqual(device.lookUp([cmid]).found, new Map([[cmid, hit]]));
        for (const other of others)
          assert.equal(device.lookUp([other]).found.size, cmids.includes(other) ? 1 : 0);
      },
    ),
    { numRuns: 500 },
  );
});
