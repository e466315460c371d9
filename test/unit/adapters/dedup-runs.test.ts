import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import {
  type IdEntry,
  runCell,
  runRanges,
  runsOf,
  takeFromRun,
} from '../../../src/adapters/scylla/dedup-runs.ts';
import { uuidToBytes, uuidV7 } from '../../../src/core/ids.ts';
import type { DedupHit } from '../../../src/core/rows.ts';

const NOW = 1_790_000_000_000;
const idAt = (time: number, tail: number): string => {
  const random = new Uint8Array(10);
  new DataView(random.buffer).setUint32(6, tail);
  return uuidV7(time, random);
};
const entryOf = (cmid: string, seq: number, ts = NOW + seq): IdEntry => ({ cmid, seq, ts, hash: seq * 7 });

/** What the store has of one device: rows by their keys, the last write of a key alone. */
class Device {
  readonly runs = new Map<string, { first: Buffer; cell: Buffer }>();
  readonly single = new Map<string, DedupHit>();

  write(entries: readonly IdEntry[]): void {
    const { runs, single } = runsOf(entries);
    for (const { cmid, ...hit } of single) this.single.set(cmid, hit);
    for (const run of runs) {
      const [{ cmid, seq }] = run as [IdEntry];
      const first = Buffer.alloc(16);
      uuidToBytes(cmid, first, 0);
      const key = `${cmid} ${seq} ${run.length}`;
      const cell = runCell(run);
      assert.deepEqual(this.runs.get(key)?.cell ?? cell, cell, 'another run under the same key');
      this.runs.set(key, { first, cell });
    }
  }

  /** By one look-up of all, and how many runs it read. */
  lookUp(cmids: readonly string[]): { found: Map<string, DedupHit>; runsRead: number } {
    const found = new Map<string, DedupHit>();
    for (const cmid of cmids) {
      const hit = this.single.get(cmid);
      if (hit !== undefined) found.set(cmid, hit);
    }
    let runsRead = 0;
    for (const { from, to, cmids: ofRange } of runRanges(cmids)) {
      const wanted = new Set(ofRange);
      for (const { first, cell } of this.runs.values()) {
        if (first.compare(from) < 0 || first.compare(to) > 0) continue;
        runsRead++;
        takeFromRun(cell, wanted, found);
      }
    }
    return { found, runsRead };
  }
}

const hitsOf = (entries: readonly IdEntry[]): Map<string, DedupHit> =>
  new Map(entries.map(({ cmid, ...hit }) => [cmid, hit]));

test('ids made as they should be, one after the other, are one run', () => {
  const entries = Array.from({ length: 300 }, (_, i) => entryOf(idAt(NOW + 10 * i, i), i + 1));
  const { runs, single } = runsOf(entries);
  assert.deepEqual([runs, single], [[entries], []]);
  const device = new Device();
  device.write(entries);
  const { found, runsRead } = device.lookUp(entries.map(({ cmid }) => cmid));
  assert.deepEqual(found, hitsOf(entries));
  assert.equal(runsRead, 1);
});

test('a run has 512 ids at most, and 10 s from its first to its last', () => {
  const many = Array.from({ length: 1_100 }, (_, i) => entryOf(idAt(NOW, i), i + 1));
  assert.deepEqual(
    runsOf(many).runs.map(({ length }) => length),
    [512, 512, 76],
  );
  const slow = Array.from({ length: 12 }, (_, i) =>
    entryOf(idAt(NOW + 2_500 * i, i), i + 1, NOW + 2_500 * i),
  );
  assert.deepEqual(
    runsOf(slow).runs.map(({ length }) => length),
    [5, 5, 2],
  );
});

test('an id stays by itself whose time is none, or over a minute from its commit', () => {
  const cmids = [
    '5a2f9c1e-0b7d-4c3a-9e21-7f0d8b6a4c11',
    idAt(NOW - 60_001, 1),
    idAt(NOW + 60_001, 2),
    idAt(NOW - 60_000, 3),
    idAt(NOW - 59_999, 4),
  ];
  const { runs, single } = runsOf(cmids.map((cmid, i) => entryOf(cmid, i + 1, NOW)));
  assert.deepEqual(
    single.map(({ seq }) => seq),
    [1, 2, 3],
  );
  assert.deepEqual(
    runs.map((run) => run.map(({ seq }) => seq)),
    [[4, 5]],
  );
});

test('a look-up reads no run of another time', () => {
  const device = new Device();
  for (let hour = 0; hour < 100; hour++) {
    const from = NOW + hour * 3_600_000;
    device.write([0, 1, 2].map((i) => entryOf(idAt(from + i, i), hour * 3 + i + 1, from)));
  }
  assert.equal(device.runs.size, 100);
  assert.equal(device.lookUp([idAt(NOW + 3_600_001, 1), idAt(NOW + 50 * 3_600_000, 9)]).runsRead, 2);
});

const times = fc.oneof(
  fc.integer({ min: 0, max: 15_000 }),
  fc.integer({ min: 0, max: 3 }),
  fc.integer({ min: -100_000, max: 100_000 }),
);
const ids = fc.uniqueArray(
  fc.oneof(
    { weight: 5, arbitrary: fc.tuple(times, fc.nat(5)).map(([time, tail]) => idAt(NOW + time, tail)) },
    { weight: 1, arbitrary: fc.uuid({ version: 4 }) },
  ),
  { minLength: 1, maxLength: 60 },
);

test('whatever ids, written in whatever pieces, again and over one another: each is found, and no other', () => {
  fc.assert(
    fc.property(
      ids,
      fc.array(fc.tuple(fc.nat(60), fc.nat(60)), { maxLength: 12 }),
      fc.uniqueArray(
        fc.tuple(times, fc.nat(9)).map(([time, tail]) => idAt(NOW + time, tail)),
        { maxLength: 10 },
      ),
      (cmids, pieces, others) => {
        const entries = cmids.map((cmid, i) => entryOf(cmid, i + 1));
        const device = new Device();
        const cut = pieces.map(([from, length]) => entries.slice(from, from + length));
        for (const piece of [...cut, entries.slice(0, 30), entries.slice(30), ...cut.reverse()])
          device.write(piece);
        assert.deepEqual(device.lookUp(cmids).found.size, cmids.length);
        for (const { cmid, ...hit } of entries)
          assert.deepEqual(device.lookUp([cmid]).found, new Map([[cmid, hit]]));
        for (const other of others)
          assert.equal(device.lookUp([other]).found.size, cmids.includes(other) ? 1 : 0);
      },
    ),
    { numRuns: 500 },
  );
});
