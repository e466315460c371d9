import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { LIMITS } from '../../src/protocol/limits.ts';
import { overBucketEnd } from './message-store.suite.ts';
import { ALL, append, batchOf, checksOf, env, fenceOf, fill, type OpenStore } from './store-fixtures.ts';

/**
 * What the message store of one process does beyond the others: it decides by the log itself what may be appended,
 * since all is claimed at once, under one fence per start. In a cluster the owner's own head decides.
 */
export function embeddedLogSuite(name: string, open: OpenStore): void {
  const check = checksOf(name, open);

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

  check(
    'both batches at the end of a bucket can be written again',
    overBucketEnd((last, first) => [last, last, first, first, last]),
  );

  check('a reopened store has the dirty marks of its batches', async (store) => {
    const conv = randomUUID();
    const fence = await fenceOf(store, conv);
    assert.equal(await append(store.messages, batchOf({ conv, fence, c: 0, dirtySlot: 3 })), 'committed');
    assert.deepEqual(await (await store.reopen()).dirty.dirty(), [conv]);
  });
}
