import assert from 'node:assert/strict';
import test from 'node:test';
import { LEASE_MS, Stage } from './takeover-rig.ts';

function countOf(stage: Stage, operation: string): number {
  return stage.operations.filter((each) => each === operation).length;
}

test('the leases are looked at more often while a node is silent: its death is seen within 100 ms', async () => {
  const stage = new Stage();
  const a = await stage.node('a');
  const b = await stage.node('b');
  const looksIn = async (ms: number): Promise<number> => {
    const before = countOf(stage, 'nodes');
    await stage.system.advance(ms);
    return countOf(stage, 'nodes') - before;
  };
  const usual = await looksIn(LEASE_MS);
  a.system.kill();
  const aliveAt = b.watcher.get('a')?.hb;
  await stage.system.advance(3_000);
  const silent = await looksIn(800);
  assert.ok(
    silent / 800 > (1.5 * usual) / (2 * LEASE_MS),
    `${silent} looks in 800 ms, ${usual} by two before`,
  );
  assert.equal(b.watcher.isSuspect('a'), false);
  await stage.system.advance(LEASE_MS - 3_800 + 100);
  assert.equal(b.watcher.get('a')?.hb, aliveAt);
  assert.equal(b.watcher.isSuspect('a'), true);
});

test('of those who see a death at once one marks it, and the others follow', async () => {
  const stage = new Stage();
  const a = await stage.node('a');
  const [b, c] = [await stage.node('b'), await stage.node('c')];
  c.buriesFirst = false;
  a.system.kill();
  await stage.system.advance(LEASE_MS + 1_000);
  assert.ok(b.watcher.isSuspect('a') && c.watcher.isSuspect('a'));
  const startedAt = stage.system.monotonic();
  const times: number[] = [];
  const buried = async (node: typeof b): Promise<boolean> => {
    const done = await node.acquirer.bury('a');
    times.push(stage.system.monotonic() - startedAt);
    return done;
  };
  const both = Promise.all([buried(c), buried(b)]);
  assert.deepEqual(await stage.wait(both), [true, true]);
  assert.equal(countOf(stage, 'markDead'), 2, 'each rests on a write of its own');
  const [first, second] = times as [number, number];
  assert.ok(second - first >= 50 && second < 400, `${first} and ${second} ms`);
});

test('who is to follow marks a death alone when nobody goes first', async () => {
  const stage = new Stage();
  const a = await stage.node('a');
  const c = await stage.node('c');
  c.buriesFirst = false;
  a.system.kill();
  await stage.system.advance(LEASE_MS + 1_000);
  assert.equal(await stage.wait(c.acquirer.bury('a')), true);
  assert.equal((await stage.wait(stage.leases.node('a')))?.state, 'dead');
});

test('who becomes suspect while it is read is not marked dead for the heartbeat that was read', async () => {
  const stage = new Stage();
  const a = await stage.node('a');
  const c = await stage.node('c');
  a.system.kill();
  await stage.system.advance(LEASE_MS - 500);
  assert.equal(c.watcher.isSuspect('a'), false);
  const { leases } = stage;
  const read = leases.node.bind(leases);
  leases.node = async (node) => {
    const row = await read(node);
    while (!c.watcher.isSuspect('a')) await c.watcher.nextLook();
    return row && { ...row, hb: row.hb + 1 }; // it beat meanwhile
  };
  assert.equal(await stage.wait(c.acquirer.bury('a')), false);
  assert.equal(countOf(stage, 'markDead'), 0);
});

test('who hears of a death confirms it at once, by a write of its own; false news is no death', async () => {
  const stage = new Stage();
  const a = await stage.node('a');
  const [b, c] = [await stage.node('b'), await stage.node('c')];
  for (const each of [b, c]) each.buriesFirst = each === b;
  c.acquirer.heardOfDeath('a');
  assert.equal(await stage.wait(c.acquirer.bury('a')), false, 'it lives');
  assert.equal((await stage.wait(stage.leases.node('a')))?.state, 'live');
  assert.equal(await stage.wait(c.acquirer.bury('a')), false, 'and that news is forgotten');
  a.system.kill();
  await stage.system.advance(LEASE_MS + 1_000);
  const follower = c.acquirer.bury('a');
  assert.equal(await stage.wait(b.acquirer.bury('a')), true);
  assert.deepEqual(b.buried, [['a', true]]);
  const toldAt = stage.system.monotonic();
  c.acquirer.heardOfDeath('a');
  assert.equal(await stage.wait(follower), true);
  assert.ok(stage.system.monotonic() - toldAt < 50, 'without a look of its own');
  assert.deepEqual([c.buried, countOf(stage, 'markDead')], [[['a', false]], 3]);
});
