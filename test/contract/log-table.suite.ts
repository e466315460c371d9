import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import test from 'node:test';
import { LIMITS } from '../../src/protocol/limits.ts';
import { readU64, TS_AT } from '../../src/protocol/message-frame.ts';
import { logRow, logRows, type OpenTables, stored, type TablesUnderTest } from './cluster-tables.fixtures.ts';
import { conversationRow, memberRow, rowOf } from './store-fixtures.ts';

/** What every LogTable does, whatever it stands on. */
export function logTableSuite(name: string, open: OpenTables): void {
  const check = (title: string, run: (log: Log, tables: TablesUnderTest) => Promise<void>): void => {
    void test(`${name}: ${title}`, async () => {
      const tables = await open();
      await run(tables.log, tables);
    });
  };

  check('a batch comes back as it was, in both directions', async (log) => {
    const conv = randomUUID();
    const rows = logRows(conv, 1, 256, 1, 0).map((row) => ({ ...row, x: 2 ** 40, m: row.seq - 1 }));
    assert.deepEqual(await log.rows(conv, 1, 4_096, 10), []);
    assert.deepEqual(await log.rowsBackward(conv, 1, 4_096, 10), []);
    assert.equal(await log.write(conv, []), 'written');
    assert.equal(await log.write(conv, rows), 'written');
    assert.deepEqual(await log.rows(conv, 1, 4_096, 1_000), rows.map(stored));
    assert.deepEqual(await log.rows(conv, 10, 12, 1_000), rows.slice(9, 12).map(stored));
    assert.deepEqual(await log.rows(conv, 10, 200, 3), rows.slice(9, 12).map(stored));
    assert.deepEqual(await log.rowsBackward(conv, 1, 4_096, 1_000), rows.map(stored).reverse());
    assert.deepEqual(await log.rowsBackward(conv, 1, 12, 3), rows.slice(9, 12).map(stored).reverse());
    assert.deepEqual(await log.rows(randomUUID(), 1, 4_096, 10), []);
  });

  check('a batch written again changes nothing, whoever was between', async (log) => {
    const conv = randomUUID();
    const rows = logRows(conv, 1, 3);
    assert.equal(await log.write(conv, rows), 'written');
    const rewritten = logRows(conv, 2, 4, 2, 1);
    assert.equal(await log.write(conv, rewritten), 'written');
    const before = await log.rows(conv, 1, 4, 100);
    assert.equal(await log.write(conv, rows), 'written');
    assert.deepEqual(await log.rows(conv, 1, 4, 100), before);
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
    assert.deepEqual(await log.rows(conv, 1, 9, 100), [...of(1), ...of(2), ...of(3), ...of(4)]);
    assert.deepEqual(await log.rowsBackward(conv, 1, 9, 100), [...of(4), ...of(3), ...of(2), ...of(1)]);
    // Cut forward, the seq cut has its highest fence; backward there are whole seqs alone, and at least one.
    assert.deepEqual(await log.rows(conv, 1, 9, 2), [...of(1), ...of(2).slice(0, 1)]);
    assert.deepEqual(await log.rowsBackward(conv, 1, 9, 2), of(4));
    assert.deepEqual(await log.rowsBackward(conv, 1, 9, 4), [...of(4), ...of(3)]);
    assert.deepEqual(await log.rowsBackward(conv, 1, 3, 1), of(3));
    assert.deepEqual(await log.rowsBackward(conv, 1, 3, 2), of(3));
  });

  check('buckets end at seq 4,096', async (log) => {
    const conv = randomUUID();
    const [last, first] = [logRows(conv, 4_090, 4_096), logRows(conv, 4_097, 4_100)];
    assert.equal(await log.write(conv, last), 'written');
    assert.equal(await log.write(conv, first), 'written');
    assert.deepEqual(await log.rows(conv, 1, 4_096, 100), last.map(stored));
    assert.deepEqual(await log.rows(conv, 4_097, 8_192, 100), first.map(stored));
    assert.deepEqual(await log.rowsBackward(conv, 4_097, 8_192, 2), first.slice(2).map(stored).reverse());
    assert.deepEqual(await log.rowsBackward(conv, 1, 4_096, 1), last.slice(6).map(stored));
    for (const bad of [
      () => log.write(conv, logRows(conv, 4_096, 4_097)),
      () => log.rows(conv, 4_096, 4_097, 1),
      () => log.rowsBackward(conv, 4_096, 4_097, 1),
      () => log.rows(conv, 0, 1, 1),
    ])
      await assert.rejects(bad, RangeError);
  });

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
    assert.deepEqual(await log.rows(conv, seq, seq + 2, 9), rows.map(stored));
    const tiny = { ...logRow({ conv, seq: seq + 3 }), env: new Uint8Array(0) };
    assert.equal(await log.write(conv, [tiny]), 'written');
    assert.deepEqual(await log.rows(conv, seq + 3, seq + 3, 9), [stored(tiny)]);
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
          const [outcome, rows] = await Promise.all([
            log.write(conv, logRows(conv, c * 10 + 1, c * 10 + 10, 1, c * 10)),
            log.rows(conv, 1, 4_096, 1_000),
          ]);
          assert.equal(outcome, 'written');
          // What was written before is seen whole, what is being written as one: all or nothing.
          assert.ok(rows.length === c * 10 || rows.length === c * 10 + 10, `${rows.length} rows`);
        }
      }),
    );
  });
}

type Log = TablesUnderTest['log'];
