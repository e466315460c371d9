import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import test from 'node:test';
import { beatOf, leaseRow, type OpenTables } from './cluster-tables.fixtures.ts';

/** What every LeaseTable does, whatever it stands on. */
export function leaseTableSuite(name: string, open: OpenTables): void {
  const check = (title: string, run: (table: Tables) => Promise<void>): void => {
    void test(`${name}: ${title}`, async () => run((await open()).leases));
  };

  check('a node is inserted once, and comes back with all its fields', async (table) => {
    const row = leaseRow(randomUUID(), { dirtyFrom: 2 ** 40 });
    assert.equal(await table.node(row.node), undefined);
    assert.equal(await table.barrier(row.node), undefined);
    assert.deepEqual(await table.insertNode(row), { t: 'applied' });
    assert.deepEqual(await table.insertNode({ ...row, addr: 'elsewhere', hb: 9 }), { t: 'notApplied', row });
    assert.deepEqual(await table.node(row.node), row);
    assert.deepEqual(await table.barrier(row.node), row);
    assert.deepEqual(await table.insertDead(row.node), { t: 'notApplied', row });
    const nodes = await table.nodes();
    assert.deepEqual(
      nodes.filter(({ node }) => node === row.node),
      [row],
    );
  });

  check('heartbeats carry all that a node says, and need a live row', async (table) => {
    const row = leaseRow(randomUUID());
    assert.deepEqual(await table.heartbeat(row.node, 1, beatOf({ bus: true, dirtyFrom: 8 })), {
      t: 'notApplied',
      row: undefined,
    });
    await table.insertNode(row);
    assert.deepEqual(await table.heartbeat(row.node, 1, beatOf({ bus: false, dirtyFrom: 8 })), {
      t: 'applied',
    });
    assert.deepEqual(await table.barrier(row.node), { ...row, hb: 1, bus: false, dirtyFrom: 8 });
    const full = { bus: true, dirtyFrom: 9, draining: true, owned: 250_000, moving: 17, lag: 3 };
    assert.deepEqual(await table.heartbeat(row.node, 2, full), { t: 'applied' });
    assert.deepEqual(await table.node(row.node), { ...row, ...full, hb: 2 });
  });

  check('death depends on the heartbeat seen; it is confirmed; there is no way back', async (table) => {
    const row = leaseRow(randomUUID());
    assert.deepEqual(await table.markDead(row.node, 0), { t: 'notApplied', row: undefined });
    assert.deepEqual(await table.markDead(row.node, 'dead'), { t: 'notApplied', row: undefined });
    await table.insertNode(row);
    await table.heartbeat(row.node, 5, beatOf({ bus: true, dirtyFrom: 7 }));
    const beaten = { ...row, hb: 5 };
    assert.deepEqual(await table.markDead(row.node, 4), { t: 'notApplied', row: beaten });
    assert.deepEqual(await table.markDead(row.node, 'dead'), { t: 'notApplied', row: beaten });
    assert.deepEqual(await table.markWalked(row.node), { t: 'notApplied', row: beaten });
    assert.deepEqual(await table.markDead(row.node, 5), { t: 'applied' });
    const dead = { ...beaten, state: 'dead' as const };
    assert.deepEqual(await table.barrier(row.node), dead);
    assert.deepEqual(await table.markDead(row.node, 'dead'), { t: 'applied' });
    assert.deepEqual(await table.heartbeat(row.node, 6, beatOf({ bus: true, dirtyFrom: 7 })), {
      t: 'notApplied',
      row: dead,
    });
    assert.deepEqual(await table.insertNode(row), { t: 'notApplied', row: dead });
    assert.deepEqual(await table.markWalked(row.node), { t: 'applied' });
    assert.deepEqual(await table.node(row.node), { ...dead, walked: true });
  });

  check('a missing row is killed by inserting it dead', async (table) => {
    const node = randomUUID();
    assert.deepEqual(await table.insertDead(node), { t: 'applied' });
    const row = await table.barrier(node);
    assert.equal(row?.state, 'dead');
    assert.deepEqual(await table.insertNode(leaseRow(node)), { t: 'notApplied', row });
    assert.deepEqual(await table.heartbeat(node, 1, beatOf({ bus: true, dirtyFrom: 0 })), {
      t: 'notApplied',
      row,
    });
    assert.deepEqual(await table.markDead(node, 'dead'), { t: 'applied' });
  });

  check('of a kill and a heartbeat at the same time, one decides', async (table) => {
    for (let i = 0; i < 5; i++) {
      const row = leaseRow(randomUUID());
      await table.insertNode(row);
      const [killed, beaten] = await Promise.all([
        settled(() => table.markDead(row.node, 0)),
        settled(() => table.heartbeat(row.node, 1, beatOf({ bus: true, dirtyFrom: 7 }))),
      ]);
      const now = await table.node(row.node);
      // Applied both: the kill after the heartbeat would not hold, so the heartbeat came first nowhere.
      assert.notDeepEqual([killed, beaten], ['applied', 'applied']);
      assert.equal(now?.state, killed === 'applied' ? 'dead' : 'live');
      assert.equal(now?.hb, beaten === 'applied' ? 1 : 0);
    }
  });

  check('an owner is inserted once; each claim raises the fence by one', async (table) => {
    const [conv, ann, bob] = [randomUUID(), randomUUID(), randomUUID()];
    assert.deepEqual([await table.owner(conv), await table.ownerOnce(conv)], [undefined, undefined]);
    assert.deepEqual(await table.claim(conv, ann, 1, bob), { t: 'notApplied', row: undefined });
    assert.deepEqual(await table.insertOwner(conv, ann), { t: 'applied' });
    const first = { owner: ann, fence: 1, head: 0 };
    assert.deepEqual(await table.ownerOnce(conv), first);
    assert.deepEqual(await table.insertOwner(conv, bob), { t: 'notApplied', row: first });
    assert.deepEqual(await table.claim(conv, ann, 2, bob), { t: 'notApplied', row: first });
    assert.deepEqual(await table.claim(conv, bob, 1, bob), { t: 'notApplied', row: first });
    assert.deepEqual(await table.claim(conv, ann, 1, ann), { t: 'applied' });
    assert.deepEqual(await table.owner(conv), { owner: ann, fence: 2, head: 0 });
    assert.deepEqual(await table.claim(conv, ann, 2, bob), { t: 'applied' });
    assert.deepEqual(await table.owner(conv), { owner: bob, fence: 3, head: 0 });
    assert.deepEqual(await table.ownerOnce(conv), { owner: bob, fence: 3, head: 0 });
  });

  check('a release names its successor and the head, and a late one is void', async (table) => {
    const [conv, ann, bob] = [randomUUID(), randomUUID(), randomUUID()];
    await table.insertOwner(conv, ann);
    assert.deepEqual(await table.release(conv, ann, 1, bob, 5_000), { t: 'applied' });
    const released = { owner: bob, fence: 2, head: 5_000 };
    assert.deepEqual(await table.owner(conv), released);
    assert.deepEqual(await table.ownerOnce(conv), released);
    assert.deepEqual(await table.release(conv, ann, 1, ann, 6_000), { t: 'notApplied', row: released });
    assert.deepEqual(await table.claim(conv, ann, 1, ann), { t: 'notApplied', row: released });
    assert.deepEqual(await table.claim(conv, bob, 2, bob), { t: 'applied' });
    assert.deepEqual(await table.release(conv, bob, 2, ann, 6_000), {
      t: 'notApplied',
      row: { owner: bob, fence: 3, head: 5_000 },
    });
  });

  check('of many claims at the same time exactly one is applied', async (table) => {
    for (let round = 0; round < 3; round++) {
      const [conv, dead] = [randomUUID(), randomUUID()];
      await table.insertOwner(conv, dead);
      const claimers = Array.from({ length: 6 }, () => randomUUID());
      const outcomes = await Promise.all(
        claimers.map((claimer) => settled(() => table.claim(conv, dead, 1, claimer))),
      );
      assert.equal(outcomes.filter((outcome) => outcome === 'applied').length, 1, outcomes.join());
      const owner = claimers[outcomes.indexOf('applied')];
      assert.deepEqual(await table.owner(conv), { owner, fence: 2, head: 0 });
    }
  });

  check('of many inserts of one row at the same time exactly one is applied', async (table) => {
    for (let round = 0; round < 3; round++) {
      const [node, conv] = [randomUUID(), randomUUID()];
      const rows = Array.from({ length: 4 }, (_, i) => leaseRow(node, { addr: `127.0.0.1:${i}` }));
      const inserts = rows.map((row) => () => table.insertNode(row));
      const nodes = await Promise.all([...inserts, () => table.insertDead(node)].map(settled));
      assert.equal(nodes.filter((outcome) => outcome === 'applied').length, 1, nodes.join());
      const won = rows[nodes.indexOf('applied')];
      assert.deepEqual((await table.node(node))?.addr, won?.addr ?? '');
      assert.equal((await table.node(node))?.state, won === undefined ? 'dead' : 'live');

      const owners = Array.from({ length: 5 }, () => randomUUID());
      const owned = await Promise.all(owners.map((owner) => settled(() => table.insertOwner(conv, owner))));
      assert.equal(owned.filter((outcome) => outcome === 'applied').length, 1, owned.join());
      const owner = owners[owned.indexOf('applied')];
      assert.deepEqual(await table.owner(conv), { owner, fence: 1, head: 0 });
    }
  });

  check('of a release and claims at the same time exactly one is applied', async (table) => {
    for (let round = 0; round < 3; round++) {
      const [conv, me, next] = [randomUUID(), randomUUID(), randomUUID()];
      const claimers = Array.from({ length: 3 }, () => randomUUID());
      await table.insertOwner(conv, me);
      const [released, ...claimed] = await Promise.all([
        settled(() => table.release(conv, me, 1, next, 77)),
        ...claimers.map((claimer) => settled(() => table.claim(conv, me, 1, claimer))),
      ]);
      const applied = [released, ...claimed].filter((outcome) => outcome === 'applied');
      assert.equal(applied.length, 1, [released, ...claimed].join());
      const row =
        released === 'applied'
          ? { owner: next, fence: 2, head: 77 }
          : { owner: claimers[claimed.indexOf('applied')], fence: 2, head: 0 };
      assert.deepEqual(await table.owner(conv), row);
    }
  });

  check('deaths confirmed by many at the same time are all applied', async (table) => {
    const row = leaseRow(randomUUID());
    await table.insertNode(row);
    await table.markDead(row.node, 0);
    const outcomes = await Promise.all(
      Array.from({ length: 4 }, () => settled(() => table.markDead(row.node, 'dead'))),
    );
    assert.deepEqual(outcomes, ['applied', 'applied', 'applied', 'applied']);
    assert.deepEqual(await table.barrier(row.node), { ...row, state: 'dead' });
  });

  check('reads during heartbeats see each that was answered, and never an older one', async (table) => {
    const row = leaseRow(randomUUID());
    await table.insertNode(row);
    let answered = 0;
    let beating = true;
    const read = async (): Promise<void> => {
      while (beating) {
        const before = answered;
        const seen = await Promise.all([table.barrier(row.node), table.node(row.node)]);
        for (const each of seen) assert.ok((each?.hb ?? -1) >= before, `${each?.hb} after ${before}`);
        await new Promise((resolve) => setImmediate(resolve));
      }
    };
    const reader = read();
    for (let hb = 1; hb <= 20; hb++) {
      assert.equal(
        await settled(() => table.heartbeat(row.node, hb, beatOf({ bus: true, dirtyFrom: 7 }))),
        'applied',
      );
      answered = hb;
    }
    beating = false;
    await reader;
  });

  check('fields empty and at their longest', async (table) => {
    const empty = leaseRow(randomUUID(), { addr: '', roles: '', dirtyFrom: 0, bus: false });
    const full = leaseRow(randomUUID(), {
      addr: 'h'.repeat(255),
      roles: 'edge,sequencer,push',
      hb: Number.MAX_SAFE_INTEGER,
      dirtyFrom: Number.MAX_SAFE_INTEGER,
      walked: true,
    });
    for (const row of [empty, full]) {
      assert.deepEqual(await table.insertNode(row), { t: 'applied' });
      assert.deepEqual(await table.node(row.node), row);
    }
  });

  check('dirty marks are kept by node and slot, each conversation once', async (table) => {
    const [node, other] = [randomUUID(), randomUUID()];
    const convs = Array.from({ length: 300 }, () => randomUUID());
    const marks = convs.map((conv) => ({ conv, fence: 3 }));
    assert.deepEqual(await table.dirty(node, 1), []);
    assert.equal(await table.markDirty(node, 1, marks), 'written');
    assert.equal(await table.markDirty(node, 1, marks.slice(0, 2)), 'written');
    assert.equal(await table.markDirty(node, 2, marks.slice(0, 1)), 'written');
    assert.equal(await table.markDirty(node, 3, []), 'written');
    assert.deepEqual((await table.dirty(node, 1)).sort(), convs.toSorted());
    assert.deepEqual(await table.dirty(node, 2), convs.slice(0, 1));
    assert.deepEqual(await table.dirty(node, 3), []);
    assert.deepEqual(await table.dirty(other, 1), []);
  });
}

type Tables = Awaited<ReturnType<OpenTables>>['leases'];

/** Contention can end a conditional write as unknown: then whoever asked asks again, as the cluster does. */
async function settled(change: () => Promise<{ readonly t: string }>): Promise<string> {
  for (;;) {
    const { t } = await change();
    if (t !== 'unknown' && t !== 'unavailable') return t;
  }
}
