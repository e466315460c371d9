/** `carillon check` over a cluster's store: each kind of damage, in a conversation of its own, and none where there is none. */
import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import test, { after } from 'node:test';
import { checkCluster } from '../../src/adapters/scylla/check.ts';
import type { ScyllaStore } from '../../src/adapters/scylla/store.ts';
import { bucketOf } from '../../src/core/buckets.ts';
import type { LogRow } from '../../src/core/cluster-ports.ts';
import { uuidV7 } from '../../src/core/ids.ts';
import { logRow } from '../contract/cluster-tables.fixtures.ts';
import {
  cassandraMissing,
  migrate,
  openScylla,
  type TestCassandra,
  testCassandra,
} from '../support/scylla.ts';

const skip = cassandraMissing() ?? false;
const NOW = Date.now();
const DAY_MS = 24 * 3_600_000;

let cassandra: TestCassandra | undefined;
let store: ScyllaStore | undefined;

async function open(): Promise<ScyllaStore> {
  if (store !== undefined) return store;
  cassandra = await testCassandra();
  await migrate(cassandra.options);
  return (store = await openScylla(cassandra.options));
}

after(async () => {
  await store?.close();
  await cassandra?.stop();
});

interface Rows {
  readonly ts?: number;
  /** Of rows from the second on: what the log says of the index. */
  readonly x?: number;
  readonly fence?: number;
}

/** Rows of a sound log, in batches as an owner writes them. */
async function write(conv: string, from: number, to: number, options: Rows = {}): Promise<LogRow[]> {
  const { log } = await open();
  const { ts = NOW, x = 0, fence = 1 } = options;
  const rows = Array.from({ length: to - from + 1 }, (_, i) => {
    const seq = from + i;
    const cmid = uuidV7(ts + seq, randomBytes(10));
    return logRow({ conv, seq, fence, c: seq - 1, x: Math.min(x, seq - 1), ts: ts + seq, cmid });
  });
  for (let at = 0; at < rows.length; ) {
    const [first] = rows.slice(at) as [LogRow];
    const batch = rows.slice(at, at + 256).filter(({ seq }) => bucketOf(seq) === bucketOf(first.seq));
    assert.equal(await log.write(conv, batch), 'written');
    at += batch.length;
  }
  return rows;
}

async function owned(): Promise<string> {
  const conv = randomUUID();
  assert.deepEqual(await (await open()).leases.insertOwner(conv, randomUUID()), { t: 'applied' });
  return conv;
}

async function damagesOf(conv: string): Promise<string[]> {
  const { client } = await open();
  const { damages } = await checkCluster(client, NOW, () => undefined);
  return damages.filter((each) => each.conv === conv).map(({ seq, what }) => `${seq ?? '-'}: ${what}`);
}

test('check: a sound log over two buckets, indexed as far as it says', { skip }, async () => {
  const { log, client } = await open();
  const conv = await owned();
  const rows = await write(conv, 1, 4_200, { x: 4_150 });
  for (let at = 0; at < 4_150; at += 512)
    assert.equal(await log.writeDedup(conv, rows.slice(at, Math.min(at + 512, 4_150))), 'written');
  const found = await checkCluster(client, NOW, () => undefined);
  assert.deepEqual(found, { conversations: 1, rows: 4_200, damages: [], damageCount: 0 });
});

test('check: rows that a floor makes void, and those of lower fences, count for nothing', {
  skip,
}, async () => {
  const { log, leases } = await open();
  const conv = randomUUID();
  const [one, other] = [randomUUID(), randomUUID()];
  await leases.insertOwner(conv, one);
  await write(conv, 1, 5);
  assert.deepEqual(await leases.claim(conv, one, 1, other), { t: 'applied' });
  await write(conv, 3, 3, { fence: 2 });
  await log.writeFloor(conv, { fence: 2, start: 4 });
  assert.deepEqual(await damagesOf(conv), []);
});

test('check: a hole', { skip }, async () => {
  const { client } = await open();
  const conv = await owned();
  await write(conv, 1, 5);
  const erase = `DELETE FROM ${client.keyspace}.messages USING TIMESTAMP 2 WHERE conv = ? AND bucket = 0 AND seq = 3`;
  await client.driver.execute(erase, [conv], { prepare: true });
  assert.deepEqual(await damagesOf(conv), ['3: missing: the log goes on at 4']);
});

test('check: events of nobody, and a floor ahead of its owner', { skip }, async () => {
  const { log } = await open();
  const nobodys = randomUUID();
  await write(nobodys, 1, 2);
  assert.deepEqual(await damagesOf(nobodys), ['-: has events, but no owner row']);
  const conv = await owned();
  await write(conv, 1, 2);
  await log.writeFloor(conv, { fence: 9, start: 3 });
  assert.deepEqual(await damagesOf(conv), ['-: its floor is of fence 9, its owner of 1']);
});

test('check: ids that the log says are indexed, and are not, or for another message', { skip }, async () => {
  const { log } = await open();
  const conv = await owned();
  const rows = await write(conv, 1, 6, { x: 4 });
  await log.writeDedup(conv, rows.slice(1, 3));
  const [first, , , fourth] = rows as [LogRow, LogRow, LogRow, LogRow];
  await log.writeDedup(conv, [{ ...fourth, seq: 9 }]);
  const missing = 'its id is not in the index, and the log says that it is';
  assert.deepEqual(await damagesOf(conv), [`1: ${missing}`, '4: under its id the index has seq 9']);
  for (const row of [first, fourth]) await log.writeDedup(conv, [row]); // each takes the place of what is wrong
  assert.deepEqual(await damagesOf(conv), []);
});

test('check: ids that have expired are not looked for', { skip }, async () => {
  const conv = await owned();
  await write(conv, 1, 2, { ts: NOW - 31 * DAY_MS });
  await write(conv, 3, 3, { ts: NOW, x: 2 });
  assert.deepEqual(await damagesOf(conv), []);
});
