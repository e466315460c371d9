import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import test, { after } from 'node:test';
import type { ScyllaStore } from '../../src/adapters/scylla/store.ts';
import { LIMITS } from '../../src/protocol/limits.ts';
import { logRow, logRows, rowsOf, stored } from '../contract/cluster-tables.fixtures.ts';
import { ALL, conversationRow, inboxRow, memberRow, projection } from '../contract/store-fixtures.ts';
import {
  cassandraMissing,
  migrate,
  openScylla,
  requestsOf,
  type TestCassandra,
  testCassandra,
} from '../support/scylla.ts';

const skip = cassandraMissing() ?? false;
let cassandra: Promise<TestCassandra> | undefined;
let opened: Promise<ScyllaStore> | undefined;

async function own(): Promise<TestCassandra> {
  const started = await testCassandra();
  await migrate(started.options);
  return started;
}
async function open(): Promise<ScyllaStore> {
  const { options } = await (cassandra ??= own());
  return await (opened ??= openScylla(options));
}
after(async () => {
  await (await opened)?.close();
  await (await cassandra)?.stop();
});

test('scylla: a batch is whole also where a server has forgotten its statements', { skip }, async () => {
  const { client, log, projections } = await open();
  const conv = randomUUID();
  const user = `ann-${conv}`;
  assert.equal(await log.write(conv, logRows(conv, 1, 256)), 'written');
  const inbox = (head: number) => Array.from({ length: 40 }, () => inboxRow(user, randomUUID(), head));
  const first = inbox(1);
  await projections.write([projection(conv, 1, { inbox: first })]);
  // A changed table: the server drops its prepared statements, and says so to the next who uses them.
  for (const table of ['messages', 'inbox'])
    await client.driver.execute(`ALTER TABLE ${client.keyspace}.${table} ADD later text`);
  const before = requestsOf(client);
  const rows = logRows(conv, 257, 512);
  assert.equal(await log.write(conv, rows), 'written');
  const second = inbox(2);
  await projections.write([projection(conv, 1, { inbox: second })]);
  assert.ok(before.some((request) => request.unprepared));
  assert.deepEqual(await rowsOf(log, conv, 257, 512), rows.map(stored));
  const heads = (await projections.inbox(user)).rows.map((row) => row.entry.head).sort((a, b) => a - b);
  assert.deepEqual(heads, [...first.map(() => 1), ...second.map(() => 2)]);
});

test('scylla: no inbox shows what the member rows do not have yet, no version what the inboxes do not', {
  skip,
}, async () => {
  const { client, projections } = await open();
  const requests = requestsOf(client);
  const writes = Array.from({ length: 50 }, () => {
    const conv = randomUUID();
    const users = [1, 2, 3].map((n) => `u${n}-${conv}`);
    return projection(conv, 1, {
      conversation: conversationRow(conv, 2),
      members: users.map((user) => memberRow(user)),
      inbox: users.map((user) => inboxRow(user, conv, 1)),
    });
  });
  await projections.write(writes);
  const tables = requests.map(({ query }) => /(?:INSERT INTO|UPDATE) \w+\.(\w+)/.exec(query)?.[1]);
  const phases = tables.filter((table, i) => table !== tables[i - 1]);
  assert.deepEqual(phases, ['members', 'inbox', 'conversations']);
  assert.equal(tables.length, 50 + 150 + 50);
});

test('scylla: a bucket of the largest rows comes in answers of a bounded size', { skip }, async () => {
  const { client, log } = await open();
  const conv = randomUUID();
  const count = 1_200;
  const body = new Uint8Array(LIMITS.bodyBytesMax);
  const pairs = Array.from({ length: count / 2 }, (_, i) => 2 * i + 1);
  const lane = async (): Promise<void> => {
    for (let seq = pairs.shift(); seq !== undefined; seq = pairs.shift()) {
      const rows = [seq, seq + 1].map((each) => logRow({ conv, seq: each, body }));
      assert.equal(await log.write(conv, rows), 'written');
    }
  };
  await Promise.all(Array.from({ length: 16 }, lane));
  const requests = requestsOf(client);
  const bytesMax = LIMITS.pageBytesMax;
  for (const way of ['rows', 'rowsBackward'] as const) {
    const page = await log[way](conv, 1, 4_096, { rowsMax: LIMITS.historyLimitMax, bytesMax });
    assert.equal(page.rows.length, Math.floor(bytesMax / (page.rows[0]?.env.length ?? 0)));
    assert.equal(page.more, true);
    const answers = requests.splice(0).map((request) => request.answerBytes);
    assert.ok(Math.max(...answers) < 4.2 * bytesMax, answers.join());
  }
  const all = await log.rows(conv, 1, 4_096, ALL);
  assert.deepEqual([all.rows.length, all.more], [count, false]);
  const answers = requests.splice(0).map((request) => request.answerBytes);
  assert.ok(Math.max(...answers) < 4.5 * 1024 * 1024, answers.join());
});

test('scylla: pages as clients ask for them are one request each', { skip }, async () => {
  const { client, log } = await open();
  const conv = randomUUID();
  assert.equal(await log.write(conv, logRows(conv, 1, 256)), 'written');
  const requests = requestsOf(client);
  const limits = { rowsMax: LIMITS.historyLimitDefault, bytesMax: LIMITS.pageBytesMax };
  await log.rows(conv, 100, 4_096, limits);
  await log.rowsBackward(conv, 1, 200, limits);
  assert.equal(requests.length, 2);
});
