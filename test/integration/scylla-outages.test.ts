import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import test from 'node:test';
import { StoreUnavailable } from '../../src/core/ports.ts';
import { logRows, rowsOf } from '../contract/cluster-tables.fixtures.ts';
import { CuttableProxy } from '../support/cuttable-proxy.ts';
import { cassandraMissing, hostAndPort, migrate, openScylla, testCassandra } from '../support/scylla.ts';

const ROUNDS = 6;

/**
 * What the driver does by itself while its server comes and goes happens beside any call: a rejection of its own
 * would fail this test, as it would end a process.
 */
test('scylla: outages one upon another end no process, and each is over when the server is back', {
  skip: cassandraMissing() ?? false,
}, async (t) => {
  const cassandra = await testCassandra();
  t.after(() => cassandra.stop());
  await migrate(cassandra.options);
  const proxy = await CuttableProxy.start(hostAndPort(cassandra.options));
  const store = await openScylla({ ...cassandra.options, contactPoints: [proxy.address] });
  t.after(async () => {
    await store.close();
    await proxy.stop();
  });
  const conv = randomUUID();
  let working = true;
  /** Asks all the time, of statements prepared and not yet prepared. */
  const ask = async (): Promise<void> => {
    while (working) {
      const reads = [store.log.floor(conv), store.projections.inbox('ann'), store.leases.nodes()];
      for (const read of await Promise.allSettled(reads))
        if (read.status === 'rejected') assert.ok(read.reason instanceof StoreUnavailable, `${read.reason}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };
  const asking = ask();
  for (let round = 0; round < ROUNDS; round++) {
    const rows = logRows(conv, 4 * round + 1, 4 * round + 4);
    await until(async () => (await store.log.write(conv, rows)) === 'written');
    proxy.cut();
    await new Promise((resolve) => setTimeout(resolve, 150 * round));
    proxy.heal();
    // Once more, while it is at finding its way back.
    if (round % 2 === 1) setTimeout(() => proxy.heal(), 60);
  }
  await until(() =>
    rowsOf(store.log, conv, 1, 4_096).then(
      (rows) => rows.length === 4 * ROUNDS,
      () => false,
    ),
  );
  working = false;
  await asking;
  assert.equal(store.client.nodesUp, 1);
});

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (const deadline = performance.now() + 15_000; !(await holds()); ) {
    assert.ok(performance.now() < deadline, 'the store is not back');
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}
