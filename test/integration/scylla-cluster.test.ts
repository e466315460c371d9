import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import test from 'node:test';
import { StoreUnavailable } from '../../src/core/ports.ts';
import type { StoredRow } from '../../src/core/rows.ts';
import { beatOf, leaseRow, logRows, rowsOf, stored } from '../contract/cluster-tables.fixtures.ts';
import { startCassandra } from '../services/cassandra.ts';
import { CuttableProxy } from '../support/cuttable-proxy.ts';
import { cassandraMissing, migrate, openScylla } from '../support/scylla.ts';

const skip =
  cassandraMissing() ?? (process.env.CARILLON_TEST_CASSANDRA ? 'kills nodes: needs its own' : false);

test('scylla: three nodes behind proxies: one lost is not missed, two are, and all comes back', {
  skip,
}, async (t) => {
  const started = performance.now();
  const cluster = await startCassandra({ nodes: 3 });
  t.diagnostic(`up after ${Math.round(performance.now() - started)} ms`);
  t.after(() => cluster.stop());
  const proxies = await Promise.all(cluster.nodes.map((node) => CuttableProxy.start(node)));
  t.after(() => Promise.all(proxies.map((proxy) => proxy.stop())));
  const addressMap = new Map(
    cluster.nodes.map(({ host, port }, i) => [`${host}:${port}`, (proxies[i] as CuttableProxy).address]),
  );
  const contactPoints = [...addressMap.values()];
  const options = { contactPoints, addressMap, keyspace: 'three', localDc: cluster.localDc };
  await migrate(options, 3);
  const store = await openScylla(options);
  t.after(() => store.close());
  // All three are known, none by its own address.
  assert.deepEqual([...store.client.driver.hosts.keys()].sort(), contactPoints.toSorted());

  const [conv, node] = [randomUUID(), randomUUID()];
  const { leases, log } = store;
  assert.equal((await leases.insertNode(leaseRow(node))).t, 'applied');
  let seq = 0;
  let hb = 0;
  const written: StoredRow[] = [];
  /** One batch and one heartbeat, each repeated while its outcome is unknown, as the cluster does. */
  const step = async (): Promise<void> => {
    const rows = logRows(conv, seq + 1, seq + 20, 1, seq);
    for (let outcome = ''; outcome !== 'written'; ) {
      outcome = await log.write(conv, rows);
      assert.notEqual(outcome, 'unavailable');
    }
    written.push(...rows.map(stored));
    seq += rows.length;
    hb++;
    for (let beat = ''; beat !== 'applied'; ) {
      beat = (await leases.heartbeat(node, hb, beatOf({ bus: true, dirtyFrom: 0 }))).t;
      assert.notEqual(beat, 'notApplied');
    }
  };
  for (let i = 0; i < 10; i++) await step();
  t.diagnostic(`one lost after ${Math.round(performance.now() - started)} ms`);
  await cluster.nodes[2]?.kill();
  for (let i = 0; i < 20; i++) await step();
  assert.deepEqual(await answered(() => rowsOf(log, conv, 1, seq)), written);
  assert.equal((await answered(() => leases.barrier(node)))?.hb, hb);

  t.diagnostic(`two lost after ${Math.round(performance.now() - started)} ms`);
  await cluster.nodes[1]?.kill();
  const lost = logRows(conv, seq + 1, seq + 1, 1, seq);
  const deadline = performance.now() + 60_000;
  for (let outcome = ''; outcome !== 'unavailable'; ) {
    assert.ok(performance.now() < deadline, 'the lost quorum is not noticed');
    outcome = await log.write(conv, lost);
    assert.notEqual(outcome, 'written');
  }
  assert.equal((await leases.heartbeat(node, hb + 1, beatOf({ bus: true, dirtyFrom: 0 }))).t, 'unknown');
  await assert.rejects(leases.barrier(node), StoreUnavailable);

  t.diagnostic(`noticed after ${Math.round(performance.now() - started)} ms`);
  await Promise.all(cluster.nodes.slice(1).map((each) => each.restart()));
  for (let outcome = ''; outcome !== 'written'; ) {
    assert.ok(performance.now() < deadline + 60_000, 'the quorum that is back is not noticed');
    outcome = await log.write(conv, lost);
  }
  t.diagnostic(`back after ${Math.round(performance.now() - started)} ms`);
  const all = await answered(() => rowsOf(log, conv, 1, seq + 1));
  assert.deepEqual(all, [...written, ...lost.map(stored)]);
});

/** What a read answers in the end: while nodes come and go it may find the store away. */
async function answered<T>(read: () => Promise<T>): Promise<T> {
  for (const deadline = performance.now() + 30_000; ; ) {
    try {
      return await read();
    } catch (error) {
      if (!(error instanceof StoreUnavailable) || performance.now() > deadline) throw error;
    }
  }
}
