import assert from 'node:assert/strict';
import test from 'node:test';
import { LEASE_MS, type Node, Stage } from './takeover-rig.ts';

function countOf(stage: Stage, operation: string): number {
  return stage.operations.filter((each) => each === operation).length;
}

/** Lets it beat once more, and kills it when `isSeen`. Resolves with the ms from then until `by` suspects it. */
async function msToSuspicion(
  stage: Stage,
  a: Node,
  by: Node,
  isSeen: (hb: number) => boolean,
): Promise<number> {
  const hb = await nextHeartbeat(stage, a);
  while (!isSeen(hb)) await stage.system.advance(1);
  a.system.kill();
  let ms = 0;
  for (; !by.watcher.isSuspect('a') && ms < 2 * LEASE_MS; ms++) await stage.system.advance(1);
  return ms;
}

/** Until one is applied. */
async function nextHeartbeat(stage: Stage, a: Node): Promise<number> {
  let applied = 0;
  a.term.onHeartbeat((hb) => (applied = hb));
  while (applied === 0) await stage.system.advance(1);
  return applied;
}

test('a death is seen when the silence has lasted for the whole timeout, not at the look that is due next', async () => {
  const stage = new Stage();
  const [a, b] = [await stage.node('a'), await stage.node('b')];
  const before = countOf(stage, 'nodes');
  await stage.system.advance(LEASE_MS);
  const looks = countOf(stage, 'nodes') - before;
  assert.ok(looks >= 31 && looks <= 33, `${looks} looks of two nodes in a timeout`);
  const ms = await msToSuspicion(stage, a, b, (hb) => b.watcher.get('a')?.hb === hb);
  assert.ok(ms > LEASE_MS - 20 && ms < LEASE_MS + 20, `${ms} ms`);
});

test('a silence counts from the news of a heartbeat on, if a read confirms it', async () => {
  const stage = new Stage();
  const [a, b] = [await stage.node('a'), await stage.node('b')];
  a.term.onHeartbeat((hb) => b.watcher.heard('a', hb));
  const ms = await msToSuspicion(stage, a, b, () => true);
  assert.ok(ms >= LEASE_MS && ms < LEASE_MS + 20, `${ms} ms`);
});

test('news of a heartbeat that nobody reads is none, and it is not taken for older than the read before it', async () => {
  const stage = new Stage();
  const [a, b] = [await stage.node('a'), await stage.node('b')];
  b.watcher.heard('nobody', 4);
  b.watcher.heard('a', 1_000);
  const hb = await nextHeartbeat(stage, a);
  a.system.kill();
  b.watcher.heard('a', hb);
  const { leases } = stage;
  const read = leases.nodes.bind(leases);
  const older = await stage.wait(read());
  leases.nodes = async () => older.map((row) => (row.node === 'a' ? { ...row, hb: hb - 1 } : row));
  await stage.system.advance(2_000);
  leases.nodes = read;
  await stage.system.advance(250);
  assert.equal(b.watcher.get('a')?.hb, hb);
  await stage.system.advance(LEASE_MS - 600);
  assert.equal(b.watcher.isSuspect('a'), false, 'reads showed another heartbeat until then');
  await stage.system.advance(700);
  assert.equal(b.watcher.isSuspect('a'), true);
});

test('while reads of the leases fail they are not tried more often, and no silence counts', async () => {
  const stage = new Stage();
  const [a, b] = [await stage.node('a'), await stage.node('b')];
  a.system.kill();
  await stage.system.advance(LEASE_MS - 200);
  stage.away = true;
  const before = countOf(stage, 'nodes');
  await stage.system.advance(LEASE_MS);
  const looks = countOf(stage, 'nodes') - before;
  assert.ok(looks <= 17, `${looks} looks in a timeout`);
  assert.equal(b.watcher.isSuspect('a'), false);
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
