import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { LIMITS } from '../../src/protocol/limits.ts';
import type { StoredRow } from '../../src/core/rows.ts';
import {
  checksOf,
  ALL,
  append,
  batchOf,
  conversationRow,
  fenceOf,
  fill,
  inboxRow,
  memberRow,
  type OpenStore,
  projection,
  rowOf,
  type StoreUnderTest,
} from './store-fixtures.ts';

/** What every MessageStore does, whatever it stands on. */
export function messageStoreSuite(name: string, open: OpenStore): void {
  const check = checksOf(name, open);

  check('a committed batch is read back whole, with its fence, c and m', async (store) => {
    const conv = randomUUID();
    const fence = await fenceOf(store, conv);
    const first = batchOf({ conv, fence, c: 0, count: 3, m: 1 });
    assert.equal(await append(store.messages, first), 'committed');
    const second = batchOf({ conv, fence, c: 3, count: 2, m: 4 });
    assert.equal(await append(store.messages, second), 'committed');
    const rows = await store.messages.read(conv, 1, 5, false, ALL);
    assert.deepEqual(
      rows.map(({ seq, fence, c, m }) => [seq, fence, c, m]),
      [1, 2, 3].map((seq) => [seq, fence, 0, 1]).concat([4, 5].map((seq) => [seq, fence, 3, 4])),
    );
    [...first.rows, ...second.rows].forEach((row, i) => assert.deepEqual(env(rows[i]), Buffer.from(row.env)));
    assert.equal(await store.messages.head(conv), 5);
    assert.equal(await store.messages.head(randomUUID()), 0);
  });

  check('the listener hears of a batch once, and never within the call', async (store) => {
    const conv = randomUUID();
    const heard: string[] = [];
    const fence = await fenceOf(store, conv);
    for (const batch of [batchOf({ conv, fence, c: 0 }), batchOf({ conv, fence: fence + 1, c: 0 })]) {
      let within = true;
      await new Promise<void>((resolve) => {
        store.messages.append(batch, {
          appended(_batch, outcome) {
            assert.equal(within, false);
            heard.push(outcome);
            resolve();
          },
        });
        within = false;
      });
    }
    await new Promise((resolve) => setTimeout(resolve, 20));
    assert.deepEqual(heard, ['committed', 'fenced']);
  });

  check('the same batch once more, byte for byte, is committed and changes nothing', async (store) => {
    const conv = randomUUID();
    const batch = batchOf({ conv, fence: await fenceOf(store, conv), c: 0, count: 4 });
    assert.equal(await append(store.messages, batch), 'committed');
    assert.equal(await append(store.messages, { ...batch }), 'committed');
    assert.equal(await store.messages.head(conv), 4);
    assert.equal((await store.messages.read(conv, 1, 4, false, ALL)).length, 4);
  });

  check(
    'other bytes at seqs that are taken, or a gap, are refused and leave the log as it was',
    async (store) => {
      const conv = randomUUID();
      const fence = await fenceOf(store, conv);
      const rows = await fill(store, conv, 0, 3);
      assert.equal(await append(store.messages, batchOf({ conv, fence, c: 1, count: 2 })), 'fenced');
      assert.equal(await append(store.messages, batchOf({ conv, fence, c: 2, count: 2 })), 'fenced');
      assert.equal(await append(store.messages, batchOf({ conv, fence, c: 4 })), 'fenced');
      const read = await store.messages.read(conv, 1, 3, false, ALL);
      assert.deepEqual(
        read.map(env),
        rows.map((row) => Buffer.from(row.env)),
      );
      assert.equal(await store.messages.head(conv), 3);
    },
  );

  check('a batch under an older fence is fenced', async (store) => {
    const conv = randomUUID();
    const fence = await fenceOf(store, conv);
    assert.equal(await append(store.messages, batchOf({ conv, fence, c: 0 })), 'committed');
    const again = await store.reopen();
    assert.ok((await fenceOf(again, conv)) > fence);
    assert.equal(await append(again.messages, batchOf({ conv, fence, c: 1 })), 'fenced');
    assert.equal(await again.messages.head(conv), 1);
  });

  check('reads across a bucket boundary, both ways', async (store) => {
    const conv = randomUUID();
    const rows = await fill(store, conv, 0, 4_100);
    for (const newestFirst of [false, true]) {
      const read = await store.messages.read(conv, 4_090, 4_100, newestFirst, ALL);
      assert.deepEqual(
        read.map((row) => row.seq),
        Array.from({ length: 11 }, (_, i) => 4_090 + i),
      );
      assert.deepEqual(env(read[7]), Buffer.from((rows[4_096] as { env: Uint8Array }).env));
    }
    assert.equal(await store.messages.head(conv), 4_100);
  });

  check('limits count up from the oldest, or down from the newest; one row comes at least', async (store) => {
    const conv = randomUUID();
    const rows = await fill(store, conv, 0, 20, 3);
    const seqs = async (newestFirst: boolean, rowsMax: number, bytesMax: number) =>
      (await store.messages.read(conv, 3, 18, newestFirst, { rowsMax, bytesMax })).map((row) => row.seq);
    const size = (rows[4] as { env: Uint8Array }).env.length;
    assert.deepEqual(await seqs(false, 4, 1e9), [3, 4, 5, 6]);
    assert.deepEqual(await seqs(true, 4, 1e9), [15, 16, 17, 18]);
    assert.deepEqual(await seqs(false, 100, 3 * size + 2), [3, 4, 5]);
    assert.deepEqual(await seqs(true, 100, 3 * (size + 1)), [16, 17, 18]);
    assert.deepEqual(await seqs(false, 100, 1), [3]);
    assert.deepEqual(await seqs(true, 100, 1), [18]);
  });

  check(
    'a batch ends at seq 4,096, the next begins at 4,097, and both can be written again',
    async (store) => {
      const conv = randomUUID();
      await fill(store, conv, 0, 4_090);
      const fence = await fenceOf(store, conv);
      const [last, first] = [
        batchOf({ conv, fence, c: 4_090, count: 6 }),
        batchOf({ conv, fence, c: 4_096, count: 2 }),
      ];
      for (const batch of [last, last, first, first, last])
        assert.equal(await append(store.messages, batch), 'committed');
      assert.equal(await store.messages.head(conv), 4_098);
      const read = await store.messages.read(conv, 4_095, 4_098, false, ALL);
      assert.deepEqual(
        read.map(env),
        [...last.rows.slice(4), ...first.rows].map((row) => Buffer.from(row.env)),
      );
      const one = { ...ALL, rowsMax: 1 };
      for (const seq of [4_096, 4_097])
        for (const newestFirst of [false, true])
          assert.deepEqual(
            (await store.messages.read(conv, seq, seq, newestFirst, one)).map((row) => row.seq),
            [seq],
          );
    },
  );

  check('empty and maximal bodies, and every byte in them', async (store) => {
    const conv = randomUUID();
    const fence = await fenceOf(store, conv);
    const bodies = [
      new Uint8Array(0),
      Uint8Array.from({ length: LIMITS.bodyBytesMax }, (_, i) => i & 0xff),
      Uint8Array.from({ length: 256 }, (_, i) => 255 - i),
    ];
    for (const [c, body] of bodies.entries()) {
      assert.equal(await append(store.messages, batchOf({ conv, fence, c, body })), 'committed');
    }
    const rows = bodies.concat(bodies).map((body, i) => rowOf({ conv, seq: 4 + i, body }));
    const together = { conv, fence, c: 3, rows, establish: undefined, dirtySlot: 0 };
    assert.equal(await append(store.messages, together), 'committed');
    const read = await store.messages.read(conv, 1, 9, false, ALL);
    read
      .slice(3)
      .forEach((row, i) => assert.deepEqual(env(row), Buffer.from((rows[i] as { env: Uint8Array }).env)));
  });

  check('a hole in what the caller knows to be committed throws', async (store) => {
    const conv = randomUUID();
    await fill(store, conv, 0, 3);
    await assert.rejects(store.messages.read(conv, 2, 5, false, ALL), /row 4/);
    await assert.rejects(store.messages.read(conv, 2, 5, true, ALL), /row 5/);
  });

  check(
    'reads while many conversations are written to see each as far as it was committed',
    async (store) => {
      const convs = Array.from({ length: 40 }, () => randomUUID());
      const heads = new Map<string, number>();
      let writing = true;
      const writers = convs.map(async (conv, i) => {
        for (let c = 0; c < 60; c += 1 + (i % 5)) {
          await fill(store, conv, c, 1 + (i % 5));
          heads.set(conv, c + 1 + (i % 5));
        }
      });
      const reader = (async () => {
        while (writing) {
          for (const [conv, head] of heads) {
            const rows = await store.messages.read(conv, 1, head, true, ALL);
            assert.deepEqual(
              rows.map((row) => row.seq),
              Array.from({ length: head }, (_, i) => i + 1),
            );
          }
          await new Promise((resolve) => setImmediate(resolve));
        }
      })();
      await Promise.all(writers);
      writing = false;
      await reader;
      for (const [conv, head] of heads) assert.equal(await store.messages.head(conv), head);
    },
  );

  dedupSuite(check);
  reopenSuite(check);
}

type Check = (title: string, run: (store: StoreUnderTest) => Promise<void>) => void;

function dedupSuite(check: Check): void {
  check('looks up what was committed, by conversation, user, device and cmid', async (store) => {
    const [conv, other] = [randomUUID(), randomUUID()];
    const fence = await fenceOf(store, conv);
    const cmid = randomUUID();
    const ts = Date.now() - 1_000;
    const batch = batchOf({ conv, fence, c: 0, cmid, ts });
    assert.equal(await append(store.messages, batch), 'committed');
    const elsewhere = batchOf({ conv: other, fence: await fenceOf(store, other), c: 0, cmid, user: 'bob' });
    assert.equal(await append(store.messages, elsewhere), 'committed');
    const hash = batch.rows[0]?.hash;
    assert.deepEqual(await store.messages.lookUp(conv, 'ann', 'phone', cmid), {
      t: 'found',
      hit: { seq: 1, ts, hash },
    });
    assert.equal((await store.messages.lookUp(other, 'bob', 'phone', cmid)).t, 'found');
    for (const [c, user, device, id] of [
      [other, 'ann', 'phone', cmid],
      [conv, 'bob', 'phone', cmid],
      [conv, 'ann', 'tablet', cmid],
      [conv, 'ann', 'phone', randomUUID()],
    ] as const) {
      assert.deepEqual(await store.messages.lookUp(c, user, device, id), { t: 'none' });
    }
  });

  check('an id is found by its own time, whatever clocks stamped those around it', async (store) => {
    const conv = randomUUID();
    const fence = await fenceOf(store, conv);
    const day = 24 * 3_600_000;
    const cmids = [0, day, -day, -29 * day, day].map((off, c) => ({ off, c, cmid: randomUUID() }));
    for (const { off, c, cmid } of cmids)
      await append(store.messages, batchOf({ conv, fence, c, cmid, ts: Date.now() + off }));
    for (const { c, cmid } of cmids) {
      const found = await store.messages.lookUp(conv, 'ann', 'phone', cmid);
      assert.equal(found.t === 'found' && found.hit.seq, c + 1);
    }
  });

  check('forgets an id after 30 days, and has none of the server own events', async (store) => {
    const conv = randomUUID();
    const fence = await fenceOf(store, conv);
    const [old, recent] = [randomUUID(), randomUUID()];
    const base = { conv, fence };
    await append(
      store.messages,
      batchOf({ ...base, c: 0, cmid: old, ts: Date.now() - LIMITS.dedupWindowMs - 60_000 }),
    );
    await append(
      store.messages,
      batchOf({ ...base, c: 1, cmid: recent, ts: Date.now() - LIMITS.dedupWindowMs + 60_000 }),
    );
    await append(store.messages, batchOf({ ...base, c: 2, kind: 'sys.members', user: 'ann' }));
    assert.deepEqual(await store.messages.lookUp(conv, 'ann', 'phone', old), { t: 'none' });
    assert.equal((await store.messages.lookUp(conv, 'ann', 'phone', recent)).t, 'found');
    assert.equal((await store.messages.read(conv, 1, 3, false, ALL)).length, 3);
  });
}

function reopenSuite(check: Check): void {
  check('a batch of unknown outcome, written again by the next term, is there once', async (store) => {
    const conv = randomUUID();
    const first = batchOf({ conv, fence: await fenceOf(store, conv), c: 0, count: 3 });
    assert.equal(await append(store.messages, first), 'committed'); // and nobody heard of it
    const again = await store.reopen();
    const fence = await fenceOf(again, conv);
    assert.equal(await append(again.messages, { ...first, fence }), 'committed');
    assert.equal(await append(again.messages, batchOf({ conv, fence, c: 3 })), 'committed');
    assert.equal(await again.messages.head(conv), 4);
    const rows = await again.messages.read(conv, 1, 3, false, ALL);
    assert.deepEqual(
      rows.map(env),
      first.rows.map((row) => Buffer.from(row.env)),
    );
    const { cmid, hash } = first.rows[1] as { cmid: string; hash: number };
    const found = await again.messages.lookUp(conv, 'ann', 'phone', cmid);
    assert.deepEqual(found.t === 'found' && [found.hit.seq, found.hit.hash], [2, hash]);
  });

  check('what a batch establishes is there once it is committed, without any row too', async (store) => {
    for (const count of [0, 1]) {
      const conv = randomUUID();
      const conversation = conversationRow(conv, count, 'a title');
      const members = [memberRow('ann', { role: 'owner' }), memberRow('bob')];
      const fence = await fenceOf(store, conv);
      const establish = { conversation, members };
      const batch = batchOf({ conv, fence, c: 0, count, kind: 'sys.created', establish });
      assert.equal(await append(store.messages, batch), 'committed');
      assert.deepEqual(await store.projections.conversation(conv), conversation);
      const rows = await store.projections.members(conv);
      assert.deepEqual(
        rows.sort((a, b) => (a.user < b.user ? -1 : 1)),
        members,
      );
      assert.equal(await store.messages.head(conv), count);
    }
  });

  check('a claim is of one fence per start, with nothing to recover', async (store) => {
    const conv = randomUUID();
    const claim = await store.ownership.claim(conv);
    assert.ok(claim.t === 'owned');
    assert.equal(claim.recovered, false); // its dirty marks say what to look after
    assert.deepEqual(await store.ownership.claim(randomUUID()), claim);
    assert.equal(await store.ownership.confirmed(), true);
    const next = await (await store.reopen()).ownership.claim(conv);
    assert.ok(next.t === 'owned');
    assert.deepEqual([next.fence > claim.fence, next.recovered], [true, false]);
  });

  check('a reopened store has all of it, and goes on', async (store) => {
    const convs = Array.from({ length: 30 }, () => randomUUID());
    const written = new Map<string, Buffer[]>();
    for (const [i, conv] of convs.entries()) {
      written.set(
        conv,
        (await fill(store, conv, 0, 1 + i, 1 + (i % 7))).map((row) => Buffer.from(row.env)),
      );
    }
    const conv = convs[7] as string;
    const fence = await fenceOf(store, conv);
    const cmid = randomUUID();
    const batch = batchOf({ conv, fence, c: 8, cmid, dirtySlot: 3 });
    assert.equal(await append(store.messages, batch), 'committed');
    written.get(conv)?.push(Buffer.from((batch.rows[0] as { env: Uint8Array }).env));
    await store.projections.write([projection(conv, fence, { inbox: [inboxRow('ann', conv, 9)] })]);

    const again = await store.reopen();
    for (const [id, envs] of written) {
      assert.equal(await again.messages.head(id), envs.length);
      assert.deepEqual((await again.messages.read(id, 1, envs.length, false, ALL)).map(env), envs);
    }
    assert.equal((await again.messages.lookUp(conv, 'ann', 'phone', cmid)).t, 'found');
    assert.deepEqual(await again.dirty.dirty(), [conv]);
    assert.deepEqual(await again.projections.inboxRow('ann', conv), inboxRow('ann', conv, 9));
    await fill(again, conv, 9, 5);
    assert.equal(await again.messages.head(conv), 14);
  });
}

function env(row: StoredRow | undefined): Buffer {
  assert.ok(row);
  return Buffer.from(row.env);
}
