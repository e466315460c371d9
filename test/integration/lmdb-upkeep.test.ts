import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { join } from 'node:path';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { open } from 'lmdb';
import { crc32, tableCrc32 } from '../../src/adapters/lmdb/checksum.ts';
import { checkStore } from '../../src/adapters/lmdb/check.ts';
import { DedupRows } from '../../src/adapters/lmdb/dedup-rows.ts';
import { dedupKey } from '../../src/adapters/lmdb/keys.ts';
import { openLmdbStore } from '../../src/adapters/lmdb/store.ts';
import { realSystem } from '../../src/adapters/system.ts';
import type { System } from '../../src/core/ports.ts';
import { LIMITS } from '../../src/protocol/limits.ts';
import { append, batchOf, conversationRow, memberRow, rowOf, silent } from '../contract/store-fixtures.ts';
import { temporaryDirectory } from './lmdb-process.ts';

test('the checksum is the same with and without the help of zlib', () => {
  for (const length of [0, 1, 3, 255, 16_360]) {
    const bytes = randomBytes(length);
    assert.equal(tableCrc32(bytes), crc32(bytes));
  }
  assert.equal(tableCrc32(new TextEncoder().encode('123456789')), 0xcbf43926);
});

test('deduplication rows in memory: all are found while they grow, and nothing else is', () => {
  const rows = new DedupRows(0x1234567, 0);
  const convs = Array.from({ length: 50 }, () => randomUUID());
  const added = Array.from({ length: 3_000 }, (_, i) => {
    const conv = convs[i % 50] as string;
    return { conv, row: rowOf({ conv, seq: i + 1, user: `user-${i % 7}`, device: `d${i % 3}`, ts: i }) };
  });
  for (const { row } of added) rows.add(row.env, 0, row.seq, row.hash);
  for (const { conv, row } of added) {
    const { user, device, cmid, seq, hash } = row;
    assert.deepEqual(rows.find(dedupKey(conv, user, device, cmid)), { seq, ts: seq - 1, hash });
    assert.equal(rows.find(dedupKey(conv, user, `${device}x`, cmid)), undefined);
    assert.equal(rows.find(dedupKey(randomUUID(), user, device, cmid)), undefined);
  }
  const again = (added[7] as { row: { env: Uint8Array } }).row;
  rows.add(again.env, 0, 9_999, 1);
  const { conv, row } = added[7] as (typeof added)[number];
  assert.equal(rows.find(dedupKey(conv, row.user, row.device, row.cmid))?.seq, 9_999);
});

test('deduplication rows leave the table once they are over 30 days old', async (t) => {
  const dir = temporaryDirectory(t);
  const real = realSystem();
  let ahead = 0;
  const system: System = { ...real, now: () => real.now() + ahead };
  const store = await openLmdbStore(dir, system, silent, { sweepEveryMs: 5, sweepRows: 16, bulkRows: 8 });
  t.after(() => store.close());
  const conv = randomUUID();
  for (let c = 0; c < 100; c += 10)
    await append(store.messages, batchOf({ conv, fence: store.fence, c, count: 10 }));
  ahead = LIMITS.dedupWindowMs + 60_000;
  const ts = system.now();
  await append(store.messages, batchOf({ conv, fence: store.fence, c: 100, count: 5, ts }));
  for (let i = 0; i < 100 && store.stats().overlayRows > 7; i++) await sleep(5);
  await sleep(300);
  await store.close();
  const root = open({ path: join(dir, 'store.mdb'), encoding: 'binary', keyEncoding: 'binary', maxDbs: 16 });
  const table = root.openDB({ name: 'dedup', encoding: 'binary', keyEncoding: 'binary' });
  // Rows of the bulk that closing wrote may be among those not swept yet.
  assert.ok(table.getKeysCount() < 5 + 20, `${table.getKeysCount()} rows are left`);
  await root.close();
});

test('what the overlays and the queue can not hold is refused, and goes through later', async (t) => {
  const dir = temporaryDirectory(t);
  const bounds = { waitingBytesMax: 4_000, freshRowsMax: 60, bulkRows: 40, sliceRows: 8, sliceRowsMax: 8 };
  const store = await openLmdbStore(dir, realSystem(), silent, bounds);
  t.after(() => store.close());
  const heads = new Map<string, number>(Array.from({ length: 60 }, () => [randomUUID(), 0]));
  const write = async (conv: string): Promise<string> => {
    const c = heads.get(conv) as number;
    const establish = { conversation: conversationRow(conv, 0), members: [memberRow('ann')] };
    const outcome = await append(store.messages, batchOf({ conv, fence: store.fence, c, establish }));
    if (outcome === 'committed') heads.set(conv, c + 1);
    return outcome;
  };
  const outcomes = await Promise.all([...heads.keys()].map(write));
  assert.ok(outcomes.includes('unavailable') && outcomes.includes('committed'));
  assert.equal(outcomes.filter((outcome) => outcome === 'committed' || outcome === 'unavailable').length, 60);
  for (const conv of heads.keys()) while ((await write(conv)) !== 'committed') await sleep(2);
  await store.close();
  assert.deepEqual((await checkStore(dir, () => undefined)).damages, []);
});

test('a write that does not end is of unknown outcome and takes the store out of service', async (t) => {
  const dir = temporaryDirectory(t);
  const real = realSystem();
  const ticks: (() => void)[] = [];
  let ahead = 0;
  const system: System = {
    ...real,
    monotonic: () => real.monotonic() + ahead,
    every(_ms, task) {
      ticks.push(task);
      return { cancel: () => undefined };
    },
  };
  let told: Error | undefined;
  const store = await openLmdbStore(dir, system, silent, { onFailure: (error) => (told = error) });
  t.after(() => store.close());
  const [conv, other] = [randomUUID(), randomUUID()];
  const first = append(store.messages, batchOf({ conv, fence: store.fence, c: 0 }));
  await new Promise((resolve) => setImmediate(resolve)); // it is with LMDB now
  const waiting = append(store.messages, batchOf({ conv: other, fence: store.fence, c: 0 }));
  ahead = 60_000;
  ticks[0]?.();
  assert.equal(await first, 'timedOutUnknown');
  assert.equal(await waiting, 'unavailable');
  assert.match(told?.message ?? '', /30000 ms/);
  assert.equal(store.stats().inService, false);
  assert.equal(
    await append(store.messages, batchOf({ conv: other, fence: store.fence, c: 0 })),
    'unavailable',
  );
  assert.equal((await store.ownership.claim(conv)).t, 'unavailable');
  await store.close();
  const again = await openLmdbStore(dir, real, silent);
  assert.ok((await again.messages.head(conv)) <= 1);
  assert.equal(await again.messages.head(other), 0);
  await again.close();
});
