import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import test from 'node:test';
import { uuidV7 } from '../../src/core/ids.ts';
import type { ReadLimits } from '../../src/core/ports.ts';
import type { StoredRow } from '../../src/core/rows.ts';
import { LIMITS } from '../../src/protocol/limits.ts';
import { readU64, TS_AT } from '../../src/protocol/message-frame.ts';
import {
  logRow,
  logRows,
  type OpenTables,
  rowsBackwardOf,
  rowsOf,
  stored,
  type TablesUnderTest,
} from './cluster-tables.fixtures.ts';
import { ALL, conversationRow, memberRow, rowOf } from './store-fixtures.ts';

/** What every LogTable does, whatever it stands on. */
export function logTableSuite(name: string, open: OpenTables): void {
  const check: Check = (title, run) => {
    void test(`${name}: ${title}`, async () => {
      const tables = await open();
      await run(tables.log, tables);
    });
  };

  check('a batch comes back as it was, in both directions', async (log) => {
    const conv = randomUUID();
    const rows = logRows(conv, 1, 256, 1, 0).map((row) => ({ ...row, x: 2 ** 40, m: row.seq - 1 }));
    assert.deepEqual(await rowsOf(log, conv, 1, 4_096, 10), []);
    assert.deepEqual(await rowsBackwardOf(log, conv, 1, 4_096, 10), []);
    assert.equal(await log.write(conv, []), 'written');
    assert.equal(await log.write(conv, rows), 'written');
    assert.deepEqual(await rowsOf(log, conv, 1, 4_096, 1_000), rows.map(stored));
    assert.deepEqual(await rowsOf(log, conv, 10, 12, 1_000), rows.slice(9, 12).map(stored));
    assert.deepEqual(await rowsOf(log, conv, 10, 200, 3), rows.slice(9, 12).map(stored));
    assert.deepEqual(await rowsBackwardOf(log, conv, 1, 4_096, 1_000), rows.map(stored).reverse());
    assert.deepEqual(await rowsBackwardOf(log, conv, 1, 12, 3), rows.slice(9, 12).map(stored).reverse());
    assert.deepEqual(await rowsOf(log, randomUUID(), 1, 4_096, 10), []);
  });

  check('a batch written again changes nothing, whoever was between', async (log) => {
    const conv = randomUUID();
    const rows = logRows(conv, 1, 3);
    assert.equal(await log.write(conv, rows), 'written');
    const rewritten = logRows(conv, 2, 4, 2, 1);
    assert.equal(await log.write(conv, rewritten), 'written');
    const before = await rowsOf(log, conv, 1, 4, 100);
    assert.equal(await log.write(conv, rows), 'written');
    assert.deepEqual(await rowsOf(log, conv, 1, 4, 100), before);
  });

  check('all fences of a seq come, the highest first; fences may fall along seqs', async (log) => {
    const conv = randomUUID();
    const [old, half, third] = [
      logRows(conv, 1, 4, 1, 0),
      logRows(conv, 2, 3, 3, 1),
      logRows(conv, 3, 3, 2, 1),
    ];
    for (const rows of [half, old, third]) assert.equal(await log.write(conv, rows), 'written');
    const of = (seq: number): ReturnType<typeof stored>[] =>
      [...half, ...third, ...old].filter((row) => row.seq === seq).map(stored);
    assert.deepEqual(await rowsOf(log, conv, 1, 9, 100), [...of(1), ...of(2), ...of(3), ...of(4)]);
    assert.deepEqual(await rowsBackwardOf(log, conv, 1, 9, 100), [...of(4), ...of(3), ...of(2), ...of(1)]);
    // Whole seqs alone, and one at least.
    assert.deepEqual(await rowsOf(log, conv, 1, 9, 2), of(1));
    assert.deepEqual(await rowsOf(log, conv, 1, 9, 3), [...of(1), ...of(2)]);
    assert.deepEqual(await rowsOf(log, conv, 3, 9, 1), of(3));
    assert.deepEqual(await rowsOf(log, conv, 3, 9, 3), of(3));
    assert.deepEqual(await rowsBackwardOf(log, conv, 1, 9, 2), of(4));
    assert.deepEqual(await rowsBackwardOf(log, conv, 1, 9, 4), [...of(4), ...of(3)]);
    assert.deepEqual(await rowsBackwardOf(log, conv, 1, 3, 1), of(3));
    assert.deepEqual(await rowsBackwardOf(log, conv, 1, 3, 2), of(3));
  });

  check('buckets end at seq 4,096', async (log) => {
    const conv = randomUUID();
    const [last, first] = [logRows(conv, 4_090, 4_096), logRows(conv, 4_097, 4_100)];
    assert.equal(await log.write(conv, last), 'written');
    assert.equal(await log.write(conv, first), 'written');
    assert.deepEqual(await rowsOf(log, conv, 1, 4_096, 100), last.map(stored));
    assert.deepEqual(await rowsOf(log, conv, 4_097, 8_192, 100), first.map(stored));
    assert.deepEqual(await rowsBackwardOf(log, conv, 4_097, 8_192, 2), first.slice(2).map(stored).reverse());
    assert.deepEqual(await rowsBackwardOf(log, conv, 1, 4_096, 1), last.slice(6).map(stored));
    for (const bad of [
      () => log.write(conv, logRows(conv, 4_096, 4_097)),
      () => log.rows(conv, 4_096, 4_097, ALL),
      () => log.rowsBackward(conv, 4_096, 4_097, ALL),
      () => log.rows(conv, 0, 1, ALL),
    ])
      await assert.rejects(bad, RangeError);
  });

  limitsSuite(check);

  check('seqs beyond 2^32, and the bytes as they were: none, and the most', async (log) => {
    const conv = randomUUID();
    const seq = 2 ** 40 + 1;
    const bytes = Uint8Array.from({ length: LIMITS.bodyBytesMax }, (_, i) => i & 255);
    const rows = [
      logRow({ conv, seq, body: new Uint8Array(0) }),
      logRow({ conv, seq: seq + 1, body: bytes, fence: 2 ** 33, c: seq, x: seq, m: seq }),
      logRow({ conv, seq: seq + 2, body: bytes }),
    ];
    assert.equal(await log.write(conv, rows), 'written');
    assert.deepEqual(await rowsOf(log, conv, seq, seq + 2, 9), rows.map(stored));
    const tiny = { ...logRow({ conv, seq: seq + 3 }), env: new Uint8Array(0) };
    assert.equal(await log.write(conv, [tiny]), 'written');
    assert.deepEqual(await rowsOf(log, conv, seq + 3, seq + 3, 9), [stored(tiny)]);
  });

  check('the floor of an older fence never wins', async (log) => {
    const conv = randomUUID();
    assert.equal(await log.floor(conv), undefined);
    assert.equal(await log.writeFloor(conv, { fence: 5, start: 100 }), 'written');
    assert.equal(await log.writeFloor(conv, { fence: 4, start: 200 }), 'written');
    assert.equal(await log.writeFloor(conv, { fence: 5, start: 100 }), 'written');
    assert.deepEqual(await log.floor(conv), { fence: 5, start: 100 });
    assert.equal(await log.writeFloor(conv, { fence: 6, start: 90 }), 'written');
    assert.deepEqual(await log.floor(conv), { fence: 6, start: 90 });
  });

  check('an older head never wins', async (log) => {
    const conv = randomUUID();
    assert.equal(await log.head(conv), undefined);
    assert.equal(await log.writeHead(conv, { head: 0, n: 0, ts: 1 }), 'written');
    assert.deepEqual(await log.head(conv), { head: 0, n: 0, ts: 1 });
    assert.equal(await log.writeHead(conv, { head: 9, n: 8, ts: 1_764_000_000_000 }), 'written');
    assert.equal(await log.writeHead(conv, { head: 7, n: 7, ts: 1_764_000_009_999 }), 'written');
    assert.deepEqual(await log.head(conv), { head: 9, n: 8, ts: 1_764_000_000_000 });
  });

  check('deduplication rows are found by all of their key', async (log) => {
    const conv = randomUUID();
    const users = ['ann', 'bob'].flatMap((user) => ['phone', 'web'].map((device) => ({ user, device })));
    const rows = users.flatMap((key, i) => [
      rowOf({ conv, seq: 2 * i + 1, ...key }),
      rowOf({ conv, seq: 2 * i + 2, ...key }),
    ]);
    const [first] = rows;
    assert.ok(first);
    const event = rowOf({ conv, seq: 99, kind: 'sys.members' });
    assert.deepEqual(await log.lookUp(conv, 'ann', 'phone', first.cmid), { t: 'none' });
    assert.equal(await log.writeDedup(conv, [...rows, event]), 'written');
    assert.equal(await log.writeDedup(conv, rows), 'written');
    assert.equal(await log.writeDedup(conv, []), 'written');
    for (const { user, device, cmid, seq, env, hash } of rows) {
      const hit = { seq, ts: readU64(env, TS_AT), hash };
      assert.deepEqual(await log.lookUp(conv, user, device, cmid), { t: 'found', hit });
    }
    for (const [c, user, device, cmid] of [
      [randomUUID(), 'ann', 'phone', first.cmid],
      [conv, 'bob', 'phone', first.cmid],
      [conv, 'ann', 'web', first.cmid],
      [conv, 'ann', 'phone', randomUUID()],
    ] as const)
      assert.deepEqual(await log.lookUp(c, user, device, cmid), { t: 'none' });
  });

  check(
    'what is looked up at once of one device is found each by itself, however much it is',
    async (log) => {
      const conv = randomUUID();
      const rows = Array.from({ length: 150 }, (_, i) =>
        rowOf({ conv, seq: i + 1, user: 'ann', device: 'phone' }),
      );
      assert.equal(await log.writeDedup(conv, rows), 'written');
      const strange = Array.from({ length: 10 }, () => randomUUID());
      const lookUp = async (cmid: string): Promise<number | undefined> => {
        const found = await log.lookUp(conv, 'ann', 'phone', cmid);
        return found.t === 'found' ? found.hit.seq : undefined;
      };
      const cmids = [...rows.map(({ cmid }) => cmid), ...strange, (rows[0] as (typeof rows)[0]).cmid];
      const seqs = await Promise.all(cmids.map(lookUp));
      assert.deepEqual(seqs, [...rows.map(({ seq }) => seq), ...strange.map(() => undefined), 1]);
    },
  );

  check(
    'ids are found in whatever order and pieces they were written, whatever times are in them',
    async (log) => {
      const conv = randomUUID();
      const now = Date.now();
      const idsOf = (count: number, time: (i: number) => number): string[] =>
        Array.from({ length: count }, (_, i) => uuidV7(time(i), randomBytes(10)));
      const cmids = [
        ...idsOf(60, (i) => now + 3 * i), // as they should be
        ...idsOf(60, (i) => now + 25_000 - 400 * i), // falling
        ...Array.from({ length: 5 }, () => randomUUID()), // without a time
        ...idsOf(60, () => now + 100), // all of one time, among those of the first
        ...idsOf(10, (i) => now - 86_400_000 * (i + 1)), // made long ago
        ...idsOf(60, (i) => now + 700 * i), // far apart
      ];
      const rows = cmids.map((cmid, i) =>
        rowOf({
          conv,
          seq: i + 1,
          user: i % 7 === 3 ? 'bob' : 'ann',
          device: 'phone',
          cmid,
          ts: now + 3 * i,
        }),
      );
      const pieces: [number, number][] = [
        [0, 40],
        [130, 255],
        [0, 20],
        [20, 140],
        [0, 40],
        [19, 21],
      ];
      for (const [from, to] of pieces)
        assert.equal(await log.writeDedup(conv, rows.slice(from, to)), 'written');
      const others = rows.map(({ cmid, user }) => ({ user: user === 'ann' ? 'bob' : 'ann', cmid }));
      const strange = cmids.map((cmid) => ({ user: 'ann', cmid: `${cmid.slice(0, -12)}000000000000` }));
      const lookUp = async ({ user, cmid }: { user: string; cmid: string }): Promise<unknown> =>
        log.lookUp(conv, user, 'phone', cmid);
      const hits = rows.map(({ seq, env, hash }) => ({
        t: 'found',
        hit: { seq, ts: readU64(env, TS_AT), hash },
      }));
      assert.deepEqual(await Promise.all(rows.map(lookUp)), hits);
      for (const row of [rows[0], rows[70], rows[200], rows[254]] as (typeof rows)[0][])
        assert.deepEqual(await lookUp(row), hits[row.seq - 1], `${row.seq} by itself`);
      for (const found of await Promise.all([...others, ...strange].map(lookUp)))
        assert.deepEqual(found, { t: 'none' });
    },
  );

  check(
    'a conversation is established with its members; a repetition changes nothing',
    async (log, tables) => {
      const conv = randomUUID();
      const conversation = conversationRow(conv, 1, 'ours');
      const members = [memberRow('ann', { role: 'owner' }), memberRow('bob')];
      assert.equal(await log.establish({ conversation, members }), 'written');
      assert.equal(await log.establish({ conversation, members }), 'written');
      assert.deepEqual(await tables.projections.conversation(conv), conversation);
      const rows = await tables.projections.members(conv);
      assert.deepEqual(
        rows.sort((a, b) => (a.user < b.user ? -1 : 1)),
        members,
      );
      const big = randomUUID();
      const many = Array.from({ length: 256 }, (_, i) => memberRow(`${'u'.repeat(60)}${i}`));
      assert.equal(await log.establish({ conversation: conversationRow(big), members: many }), 'written');
      assert.equal((await tables.projections.members(big)).length, 256);
    },
  );

  check('writes and reads at the same time', async (log) => {
    const convs = Array.from({ length: 20 }, () => randomUUID());
    await Promise.all(
      convs.map(async (conv) => {
        for (let c = 0; c < 5; c++) {
          const [outcome, ...reads] = await Promise.all([
            log.write(conv, logRows(conv, c * 10 + 1, c * 10 + 10, 1, c * 10)),
            rowsOf(log, conv, 1, 4_096),
            rowsBackwardOf(log, conv, 1, 4_096),
          ]);
          assert.equal(outcome, 'written');
          // What was written before is seen whole, what is being written as one: all or nothing.
          for (const rows of reads)
            assert.ok(rows.length === c * 10 || rows.length === c * 10 + 10, `${rows.length} rows`);
        }
      }),
    );
  });
}

function limitsSuite(check: Check): void {
  check('limits are of rows and of bytes, and say when there may be more', async (log) => {
    const conv = randomUUID();
    const rows = Array.from({ length: 40 }, (_, i) => {
      return logRow({ conv, seq: 4_057 + i, body: new Uint8Array(1_000).fill(i) });
    });
    assert.equal(await log.write(conv, rows), 'written');
    const size = rows[0]?.env.length ?? 0;
    const all = rows.map(stored);
    const down = all.toReversed();
    const cases: readonly (readonly [limits: ReadLimits, count: number])[] = [
      [{ ...ALL, rowsMax: 40 }, 40],
      [{ ...ALL, rowsMax: 39 }, 39],
      [{ ...ALL, rowsMax: 1 }, 1],
      [{ ...ALL, bytesMax: 40 * size }, 40],
      [{ ...ALL, bytesMax: 40 * size - 1 }, 39],
      [{ ...ALL, bytesMax: 1 }, 1],
      [{ rowsMax: 7, bytesMax: 5 * size }, 5],
      [{ rowsMax: 5, bytesMax: 7 * size }, 5],
    ];
    for (const [limits, count] of cases) {
      const up = await log.rows(conv, 4_050, 4_096, limits);
      assert.deepEqual(up.rows, all.slice(0, count));
      const back = await log.rowsBackward(conv, 4_000, 4_096, limits);
      assert.deepEqual(back.rows, down.slice(0, count));
      // All of them, and a limit just reached: either may be said.
      if (count < 40) assert.deepEqual([up.more, back.more], [true, true], JSON.stringify(limits));
      if (limits.rowsMax > 40 && limits.bytesMax > 40 * size)
        assert.deepEqual([up.more, back.more], [false, false]);
    }
    const none = { rows: [], more: false };
    assert.deepEqual(await log.rows(conv, 1, 4_056, ALL), none);
    assert.deepEqual(await log.rowsBackward(conv, 1, 4_056, ALL), none);
    for (const read of [log.rows(conv, 4_060, 4_070, ALL), log.rowsBackward(conv, 4_060, 4_070, ALL)])
      assert.equal((await read).more, false);
  });

  check('rows of every fence count, and a seq of many fences comes whole', async (log) => {
    const conv = randomUUID();
    const fences = Array.from({ length: 30 }, (_, i) => i + 1);
    const ofSeq = (seq: number) => fences.map((fence) => logRow({ conv, seq, fence })).reverse();
    const [first, second, third] = [ofSeq(4_097), ofSeq(4_098), [logRow({ conv, seq: 4_099 })]];
    const size = first[0]?.env.length ?? 0;
    for (const rows of [first, second, third]) assert.equal(await log.write(conv, rows), 'written');
    const read = async (way: 'rows' | 'rowsBackward', limits: ReadLimits) => {
      const { rows, more } = await log[way](conv, 4_097, 8_192, limits);
      return { rows, more };
    };
    const [one, two, three] = [first.map(stored), second.map(stored), third.map(stored)];
    assert.deepEqual(await read('rows', { ...ALL, rowsMax: 1 }), { rows: one, more: true });
    assert.deepEqual(await read('rows', { ...ALL, rowsMax: 59 }), { rows: one, more: true });
    assert.deepEqual(await read('rows', { ...ALL, rowsMax: 60 }), { rows: [...one, ...two], more: true });
    assert.deepEqual(await read('rows', { ...ALL, bytesMax: 60 * size - 1 }), { rows: one, more: true });
    assert.deepEqual(await read('rows', ALL), { rows: [...one, ...two, ...three], more: false });
    assert.deepEqual(await read('rowsBackward', { ...ALL, rowsMax: 30 }), { rows: three, more: true });
    const newer = { rows: [...three, ...two], more: true };
    assert.deepEqual(await read('rowsBackward', { ...ALL, rowsMax: 31 }), newer);
    assert.deepEqual(await read('rowsBackward', ALL), { rows: [...three, ...two, ...one], more: false });
  });

  check('a whole bucket is walked in pieces, seqs and bytes whole', async (log) => {
    const conv = randomUUID();
    const rows = Array.from({ length: 4_096 }, (_, i) => {
      // Every 64th is of the largest size, the others small: what was read tells little of what comes.
      return logRow({
        conv,
        seq: 8_193 + i,
        body: new Uint8Array(i % 64 === 63 ? LIMITS.bodyBytesMax : i % 7),
      });
    });
    for (let i = 0; i < rows.length; i += 64)
      assert.equal(await log.write(conv, rows.slice(i, i + 64)), 'written');
    const expected = rows.map(stored);
    const limits = { rowsMax: 900, bytesMax: 100_000 };
    const up: StoredRow[] = [];
    for (let more = true; more; ) {
      const range = await log.rows(conv, 8_193 + up.length, 12_288, limits);
      assert.ok(weight(range.rows) <= limits.bytesMax);
      up.push(...range.rows);
      more = range.more;
    }
    assert.deepEqual(up, expected);
    const down: StoredRow[] = [];
    for (let more = true; more; ) {
      const range = await log.rowsBackward(conv, 8_193, 12_288 - down.length, limits);
      assert.ok(weight(range.rows) <= limits.bytesMax);
      down.push(...range.rows);
      more = range.more;
    }
    assert.deepEqual(down.reverse(), expected);
  });
}

function weight(rows: readonly StoredRow[]): number {
  return rows.reduce((bytes, row) => bytes + row.env.length, 0);
}

type Log = TablesUnderTest['log'];
type Check = (title: string, run: (log: Log, tables: TablesUnderTest) => Promise<void>) => void;
