import assert from 'node:assert/strict';
import { randomBytes, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import test, { after } from 'node:test';
import { createServer as createTlsServer } from 'node:tls';
import { types } from 'cassandra-driver';
import type { ScyllaClient } from '../../src/adapters/scylla/client.ts';
import { applySchema, schemaStatus } from '../../src/adapters/scylla/migrate.ts';
import type { ScyllaOptions } from '../../src/adapters/scylla/options.ts';
import { MIGRATIONS } from '../../src/adapters/scylla/schema.ts';
import type { ScyllaStore } from '../../src/adapters/scylla/store.ts';
import { realSystem } from '../../src/adapters/system.ts';
import { uuidV7 } from '../../src/core/ids.ts';
import { StoreUnavailable } from '../../src/core/ports.ts';
import type { AppendRow } from '../../src/core/rows.ts';
import {
  beatOf,
  leaseRow,
  logRow,
  logRows,
  rowsBackwardOf,
  rowsOf,
  stored,
} from '../contract/cluster-tables.fixtures.ts';
import { conversationRow, inboxRow, memberRow, projection, rowOf } from '../contract/store-fixtures.ts';
import { CuttableProxy } from '../support/cuttable-proxy.ts';
import {
  cassandraMissing,
  connectScylla,
  migrate,
  openScylla,
  requestsOf,
  type TestCassandra,
  testCassandra,
} from '../support/scylla.ts';

const skip = cassandraMissing() ?? false;
const system = realSystem();

let cassandra: Promise<TestCassandra> | undefined;
const opened: ScyllaStore[] = [];
const proxies: CuttableProxy[] = [];

/** The keyspace with its schema. */
async function own(): Promise<ScyllaOptions> {
  cassandra ??= testCassandra().then(async (started) => {
    await migrate(started.options);
    return started;
  });
  return (await cassandra).options;
}

async function open(changes: Partial<ScyllaOptions> = {}): Promise<ScyllaStore> {
  const store = await openScylla({ ...(await own()), ...changes });
  opened.push(store);
  return store;
}

async function proxied(
  changes: Partial<ScyllaOptions> = {},
): Promise<{ store: ScyllaStore; proxy: CuttableProxy }> {
  const proxy = await CuttableProxy.start(await server());
  proxies.push(proxy);
  const timeouts = { readTimeoutMs: 600, leaseTimeoutMs: 300 };
  return { store: await open({ contactPoints: [proxy.address], ...timeouts, ...changes }), proxy };
}

async function server(): Promise<{ host: string; port: number }> {
  const [host = '', port = '9042'] = ((await own()).contactPoints[0] as string).split(':');
  return { host, port: Number(port) };
}

after(async () => {
  await Promise.all(opened.map((store) => store.close()));
  await Promise.all(proxies.map((proxy) => proxy.stop()));
  await (await cassandra)?.stop();
});

test('scylla: the schema is applied once, however many apply it', { skip }, async (t) => {
  const options = { ...(await own()), keyspace: `${(await own()).keyspace}_s` };
  const clients = await Promise.all(Array.from({ length: 4 }, () => connectScylla(options)));
  const [first] = clients as [ScyllaClient];
  t.after(async () => {
    await first.driver.execute(`DROP KEYSPACE IF EXISTS ${options.keyspace}`, [], { readTimeout: 30_000 });
    await Promise.all(clients.map((client) => client.close()));
  });
  const latest = MIGRATIONS.length;
  assert.deepEqual(await schemaStatus(first), {
    state: 'missing',
    version: 0,
    latest,
    pending: MIGRATIONS.map(({ title }) => title),
  });
  const small = [
    { version: 1, title: 'one', statements: ['CREATE TABLE IF NOT EXISTS {ks}.one (a int PRIMARY KEY)'] },
    { version: 2, title: 'two', statements: ['CREATE TABLE IF NOT EXISTS {ks}.two (a int PRIMARY KEY)'] },
  ];
  const apply = (client: ScyllaClient, migrations = small) =>
    applySchema(client, { replicationFactor: 1, system, migrations });
  const current = { state: 'current', version: 2, latest: 2, pending: [] };
  assert.deepEqual(
    await Promise.all(clients.map((client) => apply(client))),
    clients.map(() => current),
  );
  assert.deepEqual(await apply(first), current);
  const third = { version: 3, title: 'three', statements: ['ALTER TABLE {ks}.one ADD IF NOT EXISTS b int'] };
  assert.deepEqual(await schemaStatus(first, [...small, third]), {
    state: 'behind',
    version: 2,
    latest: 3,
    pending: ['three'],
  });
  assert.equal((await apply(first, [...small, third])).version, 3);
  assert.equal((await schemaStatus(first, small)).state, 'ahead');
  const other = [small[0], { ...small[1], statements: ['SELECT 1'] }] as typeof small;
  assert.equal((await schemaStatus(first, other)).state, 'different');
  await assert.rejects(apply(first, other), /other migrations/);
  await assert.rejects(applySchema(first, { replicationFactor: 0, system }), /replication factor/);
});

/** As clients make them. */
function timelyId(): string {
  return uuidV7(Date.now(), randomBytes(10));
}

/** What is indexed as one run, unless the clock falls. */
function timelyRows(conv: string, from: number, to: number): AppendRow[] {
  const cmids = Array.from({ length: to - from + 1 }, timelyId).sort();
  return cmids.map((cmid, i) => rowOf({ conv, seq: from + i, cmid }));
}

test('scylla: every request says its consistency, and whether it may be repeated', { skip }, async () => {
  const { client, leases, log, projections } = await open();
  const requests = requestsOf(client);
  const [node, conv] = [randomUUID(), randomUUID()];
  await leases.insertNode(leaseRow(node));
  await leases.heartbeat(node, 1, beatOf({ bus: true, dirtyFrom: 0 }));
  await leases.markDead(node, 1);
  await leases.markDead(node, 'dead');
  await leases.markWalked(node);
  await leases.insertDead(randomUUID());
  await leases.insertOwner(conv, node);
  await leases.claim(conv, node, 1, node);
  await leases.release(conv, node, 2, node, 0);
  const conditional = requests.splice(0);
  assert.equal(conditional.length, 9);
  const { localQuorum, localSerial } = types.consistencies;
  for (const { query, consistency, serial, idempotent, logged } of conditional)
    assert.deepEqual(
      { consistency, serial, idempotent, logged },
      { consistency: localQuorum, serial: localSerial, idempotent: false, logged: false },
      query,
    );
  await leases.node(node);
  await leases.owner(conv);
  assert.deepEqual(
    requests.splice(0).map((each) => each.consistency),
    [localSerial, localSerial],
  );

  await leases.markDirty(node, 1, [{ conv, fence: 1 }]);
  await log.write(conv, logRows(conv, 1, 1));
  await log.write(conv, logRows(conv, 2, 9));
  await log.writeDedup(conv, [rowOf({ conv, seq: 1 }), rowOf({ conv, seq: 2 })]);
  await log.writeDedup(conv, timelyRows(conv, 3, 9));
  await log.writeFloor(conv, { fence: 1, start: 1 });
  await log.writeHead(conv, { head: 1, n: 1, ts: 1 });
  await log.establish({ conversation: conversationRow(conv), members: [memberRow('ann')] });
  await projections.write([projection(conv, 1, { inbox: [inboxRow('ann', conv, 1)] })]);
  await leases.barrier(node);
  await leases.nodes();
  await leases.dirty(node, 1);
  await rowsOf(log, conv, 1, 9);
  await rowsBackwardOf(log, conv, 1, 9);
  await log.lookUp(conv, 'ann', 'phone', randomUUID());
  await log.lookUp(conv, 'ann', 'phone', timelyId());
  await log.floor(conv);
  await log.head(conv);
  await projections.conversation(conv);
  await projections.members(conv);
  await projections.inboxRow('ann', conv);
  await projections.inbox('ann');
  assert.equal(requests.length, 23);
  for (const { query, consistency, idempotent, logged } of requests)
    assert.deepEqual(
      { consistency, idempotent, logged },
      { consistency: localQuorum, idempotent: true, logged: false },
      query,
    );
});

test('scylla: an inbox of 2,000 conversations is one read of one partition', { skip }, async () => {
  const { client, projections } = await open();
  const user = `ann-${randomUUID()}`;
  const rows = Array.from({ length: 2_000 }, () => inboxRow(user, randomUUID(), 7, 3, 'x'.repeat(120)));
  await projections.write([projection(randomUUID(), 1, { inbox: rows })]);
  const requests = requestsOf(client);
  const { rows: read } = await projections.inbox(user);
  assert.equal(requests.length, 1);
  assert.match(requests[0]?.query ?? '', /FROM test_\w+\.inbox WHERE user = \?$/);
  const order = (a: { entry: { conv: string } }, b: { entry: { conv: string } }) =>
    a.entry.conv < b.entry.conv ? -1 : 1;
  assert.deepEqual(read.toSorted(order), rows.sort(order));
});

test('scylla: timestamps and times to live are as DESIGN has them', { skip }, async () => {
  const { client, leases, log, projections } = await open();
  const { keyspace, driver } = client;
  const [node, conv] = [randomUUID(), randomUUID()];
  const cells = async (columns: string, table: string, where: string): Promise<unknown[]> => {
    const query = `SELECT ${columns} FROM ${keyspace}.${table} WHERE ${where}`;
    return (await driver.execute(query, [])).rows.flatMap((row) => row.values().map(Number));
  };
  await log.write(conv, logRows(conv, 1, 2));
  assert.deepEqual(
    await cells('writetime(env), writetime(c)', 'messages', `conv = ${conv} AND bucket = 0`),
    [1, 1, 1, 1],
  );
  await log.writeFloor(conv, { fence: 7, start: 3 });
  assert.deepEqual(await cells('writetime(start)', 'conv_floor', `conv = ${conv}`), [7]);
  await log.writeHead(conv, { head: 9, n: 9, ts: 1 });
  assert.deepEqual(await cells('writetime(n)', 'conv_head', `conv = ${conv}`), [9]);
  const write = {
    conversation: conversationRow(conv, 5),
    members: [memberRow('ann', { read: 8 })],
    inbox: [inboxRow('ann', conv, 9, 8)],
  };
  await projections.write([projection(conv, 1, write)]);
  assert.deepEqual(await cells('writetime(kind)', 'conversations', `conv = ${conv}`), [5]);
  assert.deepEqual(
    await cells('writetime(role), writetime(read_seq)', 'members', `conv = ${conv} AND shard = 0`),
    [5, 8],
  );
  assert.deepEqual(
    await cells('writetime(preview), writetime(read_n)', 'inbox', `user = 'ann' AND conv = ${conv}`),
    [9, 8],
  );

  // One in a slot of its own, which comes first, and 30 in one of time, or in two.
  await log.writeDedup(conv, [rowOf({ conv, seq: 1 })]);
  await log.writeDedup(conv, timelyRows(conv, 2, 31));
  const ofAnn = `conv = ${conv} AND user = 'ann' AND device = 'phone'`;
  const counts = await cells('n', 'dedup_runs', ofAnn);
  assert.ok(counts.length <= 3, counts.join());
  assert.deepEqual([counts[0], counts.reduce((sum, n) => (sum as number) + (n as number))], [1, 31]);
  for (const ttl of await cells('ttl(hits)', 'dedup_runs', ofAnn))
    assert.ok(Math.abs((ttl as number) - 30 * 86_400) < 60, `${ttl}`);
  await leases.markDirty(node, 1, [{ conv, fence: 1 }]);
  const [dirty] = await cells('ttl(fence)', 'node_dirty', `node = ${node} AND slot = 1`);
  assert.ok(Math.abs((dirty as number) - 7 * 86_400) < 60, `${dirty}`);
});

test('scylla: an erased row stays erased when its batch is written again', { skip }, async () => {
  const { client, log } = await open();
  const conv = randomUUID();
  const rows = logRows(conv, 1, 2);
  await log.write(conv, rows);
  const erase = `UPDATE ${client.keyspace}.messages USING TIMESTAMP 2 SET env = 0x WHERE conv = ? AND bucket = 0 AND seq = 1 AND fence = 1`;
  await client.driver.execute(erase, [conv], { prepare: true });
  await log.write(conv, rows);
  const [first, second] = await rowsOf(log, conv, 1, 2);
  assert.equal(first?.env.length, 0);
  assert.deepEqual(second, rows.slice(1).map(stored)[0]);
});

test('scylla: a role changes only with the version that says so', { skip }, async () => {
  const { projections } = await open();
  const conv = randomUUID();
  const write = (version: number | undefined, role: 'owner' | 'admin' | 'member', read: number) =>
    projections.write([
      projection(conv, 1, {
        conversation: version === undefined ? undefined : conversationRow(conv, version),
        members: [memberRow('ann', { role, join: 2, read })],
      }),
    ]);
  await write(2, 'owner', 2);
  await write(8, 'admin', 2); // 'admin' is less than 'owner': at one timestamp, the greater would stay
  await write(undefined, 'admin', 9);
  await write(5, 'member', 4); // late
  assert.deepEqual(await projections.members(conv), [memberRow('ann', { role: 'admin', join: 2, read: 9 })]);
});

test('scylla: a conditional write without an answer is unknown, and may be applied', { skip }, async () => {
  const direct = await open();
  const { store, proxy } = await proxied();
  const [node, next, conv] = [randomUUID(), randomUUID(), randomUUID()];
  await store.leases.insertOwner(conv, node);
  await store.leases.claim(conv, node, 1, node); // prepared
  await store.leases.insertNode(leaseRow(node));
  await store.leases.heartbeat(node, 1, beatOf({ bus: true, dirtyFrom: 0 }));
  await store.leases.release(randomUUID(), node, 1, next, 0);
  proxy.swallowReplies();
  const started = performance.now();
  const outcomes = await Promise.all([
    store.leases.release(conv, node, 2, next, 40),
    store.leases.heartbeat(node, 2, beatOf({ bus: true, dirtyFrom: 0 })),
  ]);
  const waitedMs = performance.now() - started;
  assert.deepEqual(outcomes, [{ t: 'unknown' }, { t: 'unknown' }]);
  assert.ok(waitedMs >= 550 && waitedMs < 2_000, `${waitedMs}`);
  assert.ok(proxy.swallowed > 0);
  assert.deepEqual(await direct.leases.owner(conv), { owner: next, fence: 3, head: 40 });
  assert.equal((await direct.leases.node(node))?.hb, 2);
  proxy.heal();
});

test('scylla: a write without an answer is unknown; one that found no way out is unavailable', {
  skip,
}, async () => {
  const direct = await open();
  const { store, proxy } = await proxied();
  const conv = randomUUID();
  assert.equal(await store.log.write(conv, logRows(conv, 1, 2)), 'written');
  await store.leases.insertOwner(conv, conv);
  await store.log.floor(conv);
  const rows = logRows(conv, 3, 4);
  proxy.swallowReplies();
  assert.equal(await store.log.write(conv, rows), 'unknown');
  assert.deepEqual(await rowsOf(direct.log, conv, 3, 4), rows.map(stored));
  const cutWhileOpen = store.log.write(conv, logRows(conv, 5, 6));
  await new Promise((resolve) => setTimeout(resolve, 100));
  proxy.cut();
  assert.equal(await cutWhileOpen, 'unknown');

  await until(() => store.client.nodesUp === 0);
  assert.equal(await store.log.write(conv, logRows(conv, 7, 8)), 'unavailable');
  assert.equal(await store.log.write(conv, logRows(conv, 7, 7)), 'unavailable');
  assert.equal(await store.log.writeDedup(conv, [rowOf({ conv, seq: 7 })]), 'unavailable');
  assert.deepEqual(await store.leases.claim(conv, conv, 1, conv), { t: 'unavailable' });
  await assert.rejects(rowsOf(store.log, conv, 1, 9), StoreUnavailable);
  await assert.rejects(store.projections.inbox('ann'), StoreUnavailable);
  await assert.rejects(store.leases.nodes(), StoreUnavailable);
  assert.deepEqual(await store.log.lookUp(conv, 'ann', 'phone', randomUUID()), { t: 'unavailable' });
  await assert.rejects(
    store.projections.write([projection(conv, 1, { conversation: conversationRow(conv) })]),
    StoreUnavailable,
  );
  assert.deepEqual(await rowsOf(direct.log, conv, 7, 8), []);

  proxy.heal();
  await until(() => store.client.nodesUp === 1);
  assert.equal(await store.log.write(conv, logRows(conv, 7, 8)), 'written');
  assert.equal((await rowsOf(store.log, conv, 7, 8)).length, 2);
});

test('scylla: TLS checks the server against the authority given', { skip }, async () => {
  const pem = (name: string) =>
    readFileSync(new URL(`../contract/fixtures/localhost-${name}.pem`, import.meta.url), 'utf8');
  const serve = (onClient: Parameters<typeof createTlsServer>[1]) =>
    createTlsServer({ key: pem('key'), cert: pem('cert') }, onClient);
  const proxy = await CuttableProxy.start(await server(), serve as typeof import('node:net').createServer);
  proxies.push(proxy);
  const store = await open({ contactPoints: [proxy.address], tlsCa: pem('cert') });
  const conv = randomUUID();
  assert.equal(await store.log.write(conv, [logRow({ conv, seq: 1 })]), 'written');
  const stranger = pem('cert').replace(/[A-Za-z](?=[^\n]*\n-----END)/, 'A');
  assert.notEqual(stranger, pem('cert'));
  await assert.rejects(open({ contactPoints: [proxy.address], tlsCa: stranger }), StoreUnavailable);
});

test('scylla: closing lets what is under way end, and takes nothing more', { skip }, async () => {
  const store = await openScylla(await own());
  const conv = randomUUID();
  const open = store.log.write(conv, logRows(conv, 1, 2));
  await store.close();
  assert.equal(await open, 'written');
  assert.equal(await store.log.write(conv, logRows(conv, 3, 4)), 'unavailable');
  await assert.rejects(rowsOf(store.log, conv, 1, 2), StoreUnavailable);
});

test('scylla: a batch beyond the bound, or a keyspace that is none, is refused here', { skip }, async () => {
  const { log } = await open();
  const conv = randomUUID();
  const body = new Uint8Array(16 * 1024);
  const rows = [1, 2, 3, 4].map((seq) => logRow({ conv, seq, body }));
  await assert.rejects(log.write(conv, rows), /65\d\d\d bytes/);
  await assert.rejects(openScylla({ ...(await own()), keyspace: 'a; DROP' }), /keyspace/);
});

async function until(holds: () => boolean): Promise<void> {
  for (const deadline = performance.now() + 20_000; !holds(); ) {
    assert.ok(performance.now() < deadline, 'waited for too long');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
