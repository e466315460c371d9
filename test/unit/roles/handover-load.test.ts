/** Conversations that change hands while a crowd talks in them: all is answered once, in order, and nothing is lost. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { Dice } from '../peer/rough-bus.ts';
import { Crowd } from './crowd.ts';
import { type Sequencer, World } from './term-world.ts';

test('S12.8 drained with SIGTERM under load, a node loses nothing and nobody sees an error', async () => {
  const world = new World();
  const first = await world.sequencer();
  const crowd = new Crowd(world);
  await crowd.start(30);
  const second = await world.sequencer();
  const dice = new Dice(5);
  let isGone = false;
  for (let i = 0; i < 160; i++) {
    if (i === 60)
      void first.term
        .drain(10_000)
        .then(() => first.term.stop())
        .then(() => (isGone = true));
    if (i % 5 === 0) crowd.sayAll();
    crowd.act(dice);
    await world.live(20);
  }
  await crowd.settle();
  assert.ok(isGone);
  await crowd.check(true);
  assert.equal(second.cluster.counts.takeovers, 0, 'all was handed over');
  assert.equal(first.host.gauges.actors, 0);
  assert.deepEqual([first.pauses.length > 10, first.pauses.some((s) => s > 0.1)], [true, false]);
});

for (const [seed, isFair] of [
  [1, true],
  [2, true],
  [3, false],
  [4, false],
] as const)
  test(`nodes join and drain at once while everyone talks (seed ${seed}, ${isFair ? 'fair' : 'rough'} bus)`, async () => {
    const world = new World(seed);
    if (!isFair) world.net.weather = { loss: 0.02, twice: 0.03, late: 0.1, lateMsMax: 60 };
    const nodes = [await world.sequencer(), await world.sequencer()];
    const dice = new Dice(seed);
    const crowd = new Crowd(world);
    await crowd.start(12);
    for (let i = 0; i < 360; i++) {
      for (let acts = dice.below(6); acts > 0; acts--) crowd.act(dice);
      if (i % 60 === 30) await change(world, nodes, dice);
      await world.live(60); // who joins is given its share while others talk
    }
    world.net.weather = { loss: 0, twice: 0, late: 0, lateMsMax: 0 };
    await crowd.settle();
    await crowd.check(isFair);
    assert.ok(nodes.reduce((sum, { cluster }) => sum + cluster.counts.handoffs, 0) > 20);
    for (const node of nodes.filter(({ term }) => term.state === 'live')) {
      const { nodes: rows, from } = node.term.ringControl.status();
      const row = rows.find((each) => each.node === from);
      assert.deepEqual([row?.moving, node.host.gauges.actors], [0, row?.owned], 'what it counts is so');
    }
  });

/** One joins, and another goes; or one is to drain, and another is not any more. */
async function change(world: World, nodes: Sequencer[], dice: Dice): Promise<void> {
  const live = nodes.filter(({ term }) => term.state === 'live');
  const [one, other] = [dice.below(live.length), dice.below(live.length)];
  if (dice.happens(0.5)) {
    for (const [i, node] of live.entries()) node.term.setDraining(i === one && live.length > 1);
    return;
  }
  nodes.push(await world.sequencer(60));
  const leaving = live[other] as Sequencer;
  if (live.length > 1) void leaving.term.drain(6_000).then(() => leaving.term.stop());
}
