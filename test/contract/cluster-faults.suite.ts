import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import test from 'node:test';
import type { Conditional } from '../../src/core/cluster-ports.ts';
import { StoreUnavailable } from '../../src/core/ports.ts';
import {
  beatOf,
  DAY_MS,
  leaseRow,
  logRows,
  type OpenTables,
  rowsOf,
  stored,
  type Tables,
  type TablesUnderTest,
} from './cluster-tables.fixtures.ts';
import { ALL, conversationRow, inboxRow, memberRow, projection } from './store-fixtures.ts';

/** What the tables of a cluster do when answers are lost, nothing gets there, or clocks differ. */
export function clusterFaultsSuite(name: string, open: OpenTables): void {
  const check = (title: string, run: (tables: TablesUnderTest) => Promise<void>): void => {
    void test(`${name}: ${title}`, async () => run(await open()));
  };

  check('a conditional write whose answer is lost is unknown, and may have taken effect', async (tables) => {
    const faulty = await tables.faulty();
    for (const warm of Object.values(await prepareChanges(tables))) await warm(faulty);
    const ids = freshIds();
    const changes = await prepareChanges(tables, ids);
    faulty.mute();
    const outcomes = await Promise.all(Object.values(changes).map((change) => change(faulty)));
    await faulty.heal();
    for (const outcome of outcomes) assert.deepEqual(outcome, { t: 'unknown' });
    await assertChanged(tables, ids);

    // The same once more: what was applied either is applied again to the same effect, or tells the row.
    const again = await Promise.all(
      Object.entries(changes).map(async ([what, change]) => [what, (await change(tables)).t]),
    );
    assert.deepEqual(Object.fromEntries(again), {
      insertNode: 'notApplied',
      insertDead: 'notApplied',
      heartbeat: 'applied',
      markDead: 'applied',
      markWalked: 'applied',
      insertOwner: 'notApplied',
      claim: 'notApplied',
      release: 'notApplied',
    });
    await assertChanged(tables, ids);
  });

  check('a conditional write that gets nowhere is unavailable, and never takes effect', async (tables) => {
    const faulty = await tables.faulty();
    for (const warm of Object.values(await prepareChanges(tables))) await warm(faulty);
    const ids = freshIds();
    const changes = await prepareChanges(tables, ids);
    const before = await rowsNow(tables, ids);
    await faulty.cut();
    const outcomes = await Promise.all(Object.values(changes).map((change) => change(faulty)));
    const reads = [
      () => faulty.leases.node(ids.beating),
      () => faulty.leases.barrier(ids.beating),
      () => faulty.leases.nodes(),
      () => faulty.leases.owner(ids.claimed),
      () => faulty.leases.dirty(ids.beating, 1),
    ];
    for (const read of reads) await assert.rejects(read, StoreUnavailable);
    const marked = await faulty.leases.markDirty(ids.beating, 1, [{ conv: ids.claimed, fence: 1 }]);
    await faulty.heal();
    for (const outcome of outcomes) assert.deepEqual(outcome, { t: 'unavailable' });
    assert.equal(marked, 'unavailable');
    assert.deepEqual(await rowsNow(tables, ids), before);
    assert.deepEqual(await tables.leases.dirty(ids.beating, 1), []);
    for (const change of Object.values(changes)) assert.deepEqual(await change(faulty), { t: 'applied' });
    await assertChanged(tables, ids);
  });

  check('a write whose answer is lost is unknown; written again it is the same', async (tables) => {
    const faulty = await tables.faulty();
    for (const warm of plainWrites(randomUUID())) assert.equal(await warm(faulty), 'written');
    const conv = randomUUID();
    const writes = plainWrites(conv);
    faulty.mute();
    const outcomes = await Promise.all(writes.map((write) => write(faulty)));
    await faulty.heal();
    assert.deepEqual(
      outcomes,
      writes.map(() => 'unknown'),
    );
    // Of `establish`, two writes, it may be the first alone that was tried.
    const { log, leases } = tables;
    assert.equal((await rowsOf(log, conv, 1, 4)).length, 4);
    assert.deepEqual(await log.floor(conv), { fence: 3, start: 5 });
    assert.deepEqual(await log.head(conv), { head: 4, n: 4, ts: 9 });
    assert.equal((await log.lookUp(conv, 'ann', 'phone', DEDUP_CMID)).t, 'found');
    assert.deepEqual(await leases.dirty(conv, 1), [conv]);
    const before = await rowsOf(log, conv, 1, 4);
    for (const write of writes) assert.equal(await write(tables), 'written');
    assert.deepEqual(await rowsOf(log, conv, 1, 4), before);
    assert.deepEqual(await tables.projections.conversation(conv), conversationRow(conv));
    assert.deepEqual(await tables.projections.members(conv), [memberRow('ann')]);
    assert.deepEqual(await leases.dirty(conv, 1), [conv]);
  });

  check('a write that gets nowhere is unavailable, and never takes effect', async (tables) => {
    const faulty = await tables.faulty();
    const conv = randomUUID();
    const writes = plainWrites(conv);
    await faulty.cut();
    for (const write of writes) assert.equal(await write(faulty), 'unavailable');
    const reads = [
      () => faulty.log.rows(conv, 1, 4, ALL),
      () => faulty.log.rowsBackward(conv, 1, 4, ALL),
      () => faulty.log.floor(conv),
      () => faulty.log.head(conv),
    ];
    for (const read of reads) await assert.rejects(read, StoreUnavailable);
    assert.deepEqual(await faulty.log.lookUp(conv, 'ann', 'phone', DEDUP_CMID), { t: 'unavailable' });
    await faulty.heal();
    const { log, leases, projections } = tables;
    assert.deepEqual(await rowsOf(log, conv, 1, 4), []);
    assert.deepEqual([await log.floor(conv), await log.head(conv)], [undefined, undefined]);
    assert.deepEqual(await log.lookUp(conv, 'ann', 'phone', DEDUP_CMID), { t: 'none' });
    assert.deepEqual(await projections.members(conv), []);
    assert.deepEqual(await leases.dirty(conv, 1), []);
    for (const write of writes) assert.equal(await write(faulty), 'written');
  });

  skewSuite(check);
}

type Change = (tables: Tables) => Promise<Conditional<unknown>>;

function freshIds() {
  return {
    inserted: randomUUID(),
    killed: randomUUID(),
    beating: randomUUID(),
    dying: randomUUID(),
    walked: randomUUID(),
    owned: randomUUID(),
    claimed: randomUUID(),
    released: randomUUID(),
    me: randomUUID(),
    other: randomUUID(),
  };
}
type Ids = ReturnType<typeof freshIds>;

/** One change of each kind, each with what it needs to be applied. */
async function prepareChanges({ leases }: Tables, ids = freshIds()): Promise<Record<string, Change>> {
  const { inserted, killed, beating, dying, walked, owned, claimed, released, me, other } = ids;
  for (const node of [beating, dying, walked]) await leases.insertNode(leaseRow(node));
  await leases.markDead(walked, 0);
  for (const conv of [claimed, released]) await leases.insertOwner(conv, me);
  return {
    insertNode: (on) => on.leases.insertNode(leaseRow(inserted)),
    insertDead: (on) => on.leases.insertDead(killed),
    heartbeat: (on) => on.leases.heartbeat(beating, 1, beatOf({ bus: true, dirtyFrom: 7 })),
    markDead: (on) => on.leases.markDead(dying, 0),
    markWalked: (on) => on.leases.markWalked(walked),
    insertOwner: (on) => on.leases.insertOwner(owned, me),
    claim: (on) => on.leases.claim(claimed, me, 1, other),
    release: (on) => on.leases.release(released, me, 1, other, 40),
  };
}

async function rowsNow({ leases }: Tables, ids: Ids) {
  const { inserted, killed, beating, dying, walked, owned, claimed, released } = ids;
  return {
    nodes: await Promise.all([inserted, killed, beating, dying, walked].map((node) => leases.node(node))),
    owners: await Promise.all([owned, claimed, released].map((conv) => leases.owner(conv))),
  };
}

async function assertChanged(tables: Tables, ids: Ids): Promise<void> {
  const { nodes, owners } = await rowsNow(tables, ids);
  assert.deepEqual(
    nodes.map((row) => [row?.state, row?.hb, row?.walked]),
    [
      ['live', 0, false],
      ['dead', 0, true],
      ['live', 1, false],
      ['dead', 0, false],
      ['dead', 0, true],
    ],
  );
  assert.deepEqual(owners, [
    { owner: ids.me, fence: 1, head: 0 },
    { owner: ids.other, fence: 2, head: 0 },
    { owner: ids.other, fence: 2, head: 40 },
  ]);
}

const DEDUP_CMID = randomUUID();

/** One write of each kind to one conversation, the log's by a batch and by a single row. */
function plainWrites(conv: string): ((tables: Tables) => Promise<string>)[] {
  const rows = logRows(conv, 1, 4);
  const dedup = rows.slice(0, 1).map((row) => ({ ...row, cmid: DEDUP_CMID }));
  const establishment = { conversation: conversationRow(conv), members: [memberRow('ann')] };
  return [
    ({ log }) => log.write(conv, rows.slice(0, 3)),
    ({ log }) => log.write(conv, rows.slice(3)),
    ({ log }) => log.writeDedup(conv, dedup),
    ({ log }) => log.writeFloor(conv, { fence: 3, start: 5 }),
    ({ log }) => log.writeHead(conv, { head: 4, n: 4, ts: 9 }),
    ({ log }) => log.establish(establishment),
    ({ leases }) => leases.markDirty(conv, 1, [{ conv, fence: 1 }]),
  ];
}

function skewSuite(check: (title: string, run: (tables: TablesUnderTest) => Promise<void>) => void): void {
  check('what is newer does not depend on the clocks of who writes it', async (tables) => {
    const [ahead, behind] = await Promise.all([tables.skewed(DAY_MS), tables.skewed(-DAY_MS)]);
    const [conv, user] = [randomUUID(), `ann-${randomUUID()}`];
    const { log, projections } = tables;
    const rows = logRows(conv, 4_094, 4_096);
    assert.equal(await ahead.log.write(conv, rows), 'written');
    const rewritten = logRows(conv, 4_096, 4_096, 2, 4_093);
    assert.equal(await behind.log.write(conv, rewritten), 'written');
    for (const late of [ahead, behind]) assert.equal(await late.log.write(conv, rows), 'written');
    const [first, second, third] = rows.map(stored);
    const expected = [first, second, ...rewritten.map(stored), third];
    assert.deepEqual(await rowsOf(log, conv, 4_094, 4_096), expected);

    await ahead.log.writeFloor(conv, { fence: 5, start: 10 });
    await behind.log.writeFloor(conv, { fence: 6, start: 20 });
    await ahead.log.writeFloor(conv, { fence: 4, start: 30 });
    assert.deepEqual(await log.floor(conv), { fence: 6, start: 20 });
    await ahead.log.writeHead(conv, { head: 5, n: 5, ts: 10 });
    await behind.log.writeHead(conv, { head: 6, n: 6, ts: 20 });
    await ahead.log.writeHead(conv, { head: 4, n: 4, ts: 30 });
    assert.deepEqual(await log.head(conv), { head: 6, n: 6, ts: 20 });

    const write = (by: Tables, version: number) =>
      by.projections.write([
        projection(conv, 1, {
          conversation: conversationRow(conv, version, `version ${version}`),
          members: [memberRow('ann', { join: 1, read: version })],
          inbox: [inboxRow(user, conv, 10 * version, version)],
        }),
      ]);
    await write(ahead, 2);
    await write(behind, 3);
    await write(ahead, 1);
    assert.deepEqual(await projections.conversation(conv), conversationRow(conv, 3, 'version 3'));
    assert.deepEqual(await projections.members(conv), [memberRow('ann', { join: 1, read: 3 })]);
    assert.deepEqual((await projections.inbox(user)).rows, [inboxRow(user, conv, 30, 3)]);
  });

  check('conditional writes follow one another whatever the clocks of who writes', async (tables) => {
    const [ahead, behind] = await Promise.all([tables.skewed(DAY_MS), tables.skewed(-DAY_MS)]);
    const { leases } = tables;
    const [node, conv, next] = [randomUUID(), randomUUID(), randomUUID()];
    const row = leaseRow(node);
    assert.deepEqual(await ahead.leases.insertNode(row), { t: 'applied' });
    for (const [hb, by] of [ahead, behind, ahead, behind].entries()) {
      assert.deepEqual(await by.leases.heartbeat(node, hb + 1, beatOf({ bus: true, dirtyFrom: 7 })), {
        t: 'applied',
      });
      assert.deepEqual(await leases.barrier(node), { ...row, hb: hb + 1 });
    }
    assert.deepEqual(await ahead.leases.heartbeat(node, 5, beatOf({ bus: true, dirtyFrom: 7 })), {
      t: 'applied',
    });
    assert.deepEqual(await behind.leases.markDead(node, 5), { t: 'applied' });
    const dead = { ...row, hb: 5, state: 'dead' };
    assert.deepEqual(await leases.barrier(node), dead);
    assert.deepEqual(await ahead.leases.heartbeat(node, 6, beatOf({ bus: true, dirtyFrom: 7 })), {
      t: 'notApplied',
      row: dead,
    });

    assert.deepEqual(await ahead.leases.insertOwner(conv, node), { t: 'applied' });
    assert.deepEqual(await behind.leases.claim(conv, node, 1, next), { t: 'applied' });
    assert.deepEqual(await leases.owner(conv), { owner: next, fence: 2, head: 0 });
    assert.deepEqual(await ahead.leases.release(conv, next, 2, node, 9), { t: 'applied' });
    assert.deepEqual(await behind.leases.claim(conv, node, 3, next), { t: 'applied' });
    assert.deepEqual(await leases.owner(conv), { owner: next, fence: 4, head: 9 });
  });

  check('what expires is there for all, written by a clock ahead or behind', async (tables) => {
    const [ahead, behind] = await Promise.all([tables.skewed(DAY_MS), tables.skewed(-DAY_MS)]);
    const conv = randomUUID();
    const rows = logRows(conv, 1, 4);
    for (const [i, by] of [ahead, behind, ahead, behind].entries()) {
      assert.equal(await by.log.writeDedup(conv, rows.slice(0, 1 + i)), 'written');
      assert.equal(await by.leases.markDirty(conv, 1, [{ conv, fence: 1 + (i % 2) }]), 'written');
    }
    for (const { user, device, cmid, seq } of rows) {
      const found = await tables.log.lookUp(conv, user, device, cmid);
      assert.equal(found.t === 'found' && found.hit.seq, seq);
    }
    assert.deepEqual(await tables.leases.dirty(conv, 1), [conv]);
  });
}
