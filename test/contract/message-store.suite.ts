import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { LIMITS } from '../../src/protocol/limits.ts';
import type { AppendBatch, StoredRow } from '../../src/core/rows.ts';
import { messageBody } from '../../src/protocol/message-frame.ts';
import {
  checksOf,
  ALL,
  append,
  batchOf,
  begin,
  conversationRow,
  env,
  fenceOf,
  fill,
  inboxRow,
  memberRow,
  type LogUnderTest,
  type OpenLog,
  projection,
  rowOf,
} from './store-fixtures.ts';

/** What every MessageStore does, whatever it stands on, for an owner that appends as actors do. */
export function messageStoreSuite(name: string, open: OpenLog): void {
  const check = checksOf(name, open);

  check('a committed batch is read back whole, with its fence, c and m', async (store) => {
    const conv = randomUUID();
    const fence = await begin(store, conv);
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
    const fence = await begin(store, conv);
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

  check('a batch under an older fence is fenced', async (store) => {
    const conv = randomUUID();
    const fence = await begin(store, conv);
    assert.equal(await append(store.messages, batchOf({ conv, fence, c: 0 })), 'committed');
    const again = await store.reopen();
    assert.ok((await begin(again, conv)) > fence);
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
    'a batch ends at seq 4,096, the next begins at 4,097',
    overBucketEnd((last, first) => [last, first]),
  );

  check('empty and maximal bodies, and every byte in them', async (store) => {
    const conv = randomUUID();
    const fence = await begin(store, conv);
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
    for (const [i, body] of [...bodies, ...bodies, ...bodies].entries())
      assert.deepEqual(Buffer.from(messageBody((read[i] as StoredRow).env)), Buffer.from(body));
    assert.deepEqual(
      read.slice(3).map(env),
      rows.map((row) => Buffer.from(row.env)),
    );
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
        const fence = await begin(store, conv);
        for (let c = 0; c < 60; c += 1 + (i % 5)) {
          const batch = batchOf({ conv, fence, c, count: 1 + (i % 5) });
          assert.equal(await append(store.messages, batch), 'committed');
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

type Check = (title: string, run: (store: LogUnderTest) => Promise<void>) => void;

/** A test of the last batch of a bucket and the first of the next, appended in this order. */
export function overBucketEnd(order: (last: AppendBatch, first: AppendBatch) => readonly AppendBatch[]) {
  return async (store: LogUnderTest): Promise<void> => {
    const conv = randomUUID();
    await fill(store, conv, 0, 4_090);
    const fence = await begin(store, conv);
    const [last, first] = [
      batchOf({ conv, fence, c: 4_090, count: 6 }),
      batchOf({ conv, fence, c: 4_096, count: 2 }),
    ];
    for (const batch of order(last, first)) assert.equal(await append(store.messages, batch), 'committed');
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
  };
}

function dedupSuite(check: Check): void {
  check('looks up what was committed, by conversation, user, device and cmid', async (store) => {
    const [conv, other] = [randomUUID(), randomUUID()];
    const fence = await begin(store, conv);
    const cmid = randomUUID();
    const ts = Date.now() - 1_000;
    const batch = batchOf({ conv, fence, c: 0, cmid, ts });
    assert.equal(await append(store.messages, batch), 'committed');
    const elsewhere = batchOf({ conv: other, fence: await begin(store, other), c: 0, cmid, user: 'bob' });
    assert.equal(await append(store.messages, elsewhere), 'committed');
    for (const each of [conv, other]) await store.indexed(each);
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
    const fence = await begin(store, conv);
    const day = 24 * 3_600_000;
    const cmids = [0, day, -day, -29 * day, day].map((off, c) => ({ off, c, cmid: randomUUID() }));
    for (const { off, c, cmid } of cmids)
      await append(store.messages, batchOf({ conv, fence, c, cmid, ts: Date.now() + off }));
    await store.indexed(conv);
    for (const { c, cmid } of cmids) {
      const found = await store.messages.lookUp(conv, 'ann', 'phone', cmid);
      assert.equal(found.t === 'found' && found.hit.seq, c + 1);
    }
  });
}

function reopenSuite(check: Check): void {
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
    const fence = await begin(store, conv);
    const cmid = randomUUID();
    const batch = batchOf({ conv, fence, c: 8, cmid });
    assert.equal(await append(store.messages, batch), 'committed');
    written.get(conv)?.push(Buffer.from((batch.rows[0] as { env: Uint8Array }).env));
    await store.projections.write([projection(conv, fence, { inbox: [inboxRow('ann', conv, 9)] })]);

    const again = await store.reopen();
    for (const [id, envs] of written) {
      await begin(again, id);
      assert.equal(await again.messages.head(id), envs.length);
      assert.deepEqual((await again.messages.read(id, 1, envs.length, false, ALL)).map(env), envs);
    }
    await again.indexed(conv);
    assert.equal((await again.messages.lookUp(conv, 'ann', 'phone', cmid)).t, 'found');
    assert.deepEqual(await again.projections.inboxRow('ann', conv), inboxRow('ann', conv, 9));
    await fill(again, conv, 9, 5);
    assert.equal(await again.messages.head(conv), 14);
  });
}
