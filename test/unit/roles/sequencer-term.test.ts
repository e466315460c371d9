/** A sequencer's term, from its start until it is drained or taken over. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { edgeSubject } from '../../../cluster/peer/subjects.ts';
import { cmid, createDirect, createGroup, history, send } from '../actors/requests.ts';
import { handOver, pair, say } from './pair.ts';
import { LEASE_MS, refusals, World } from './term-world.ts';

test('what users send and read goes over the bus to the owner and back', async () => {
  const world = new World();
  await world.sequencer();
  const { a, b } = world;
  const [ann, bob] = [a.connect('ann'), b.connect('bob')];
  await world.pass(100);
  const create = createDirect(['ann', 'bob'], { session: ann.number });
  assert.equal(await world.ask(a, create), 'created');
  a.say(ann, create.conv);
  await world.pass(200);
  b.say(bob, create.conv);
  await world.pass(200);
  assert.ok(a.idle && b.idle);
  assert.deepEqual([ann.lastSeq.get(create.conv), bob.lastSeq.get(create.conv)], [2, 1]);
  assert.match(await world.ask(b, history('bob', { session: bob.number, conv: create.conv })), /^page/);
  assert.equal(await world.ask(a, send('ann', cmid(9), { conv: cmid(77) })), 'not_found');
});

test('what a dead owner committed and told nobody is told by its successor, unasked, and written for those offline', async () => {
  const world = new World();
  const first = await world.sequencer();
  const { a, b } = world;
  const [ann, bob] = [a.connect('ann'), b.connect('bob')];
  await world.pass(100);
  const create = createGroup(['ann', 'bob', 'cat'], { session: ann.number });
  assert.equal(await world.ask(a, create), 'created');
  const { conv } = create;
  a.say(ann, conv);
  // The ack goes out, what bob's edge is told is lost, and the owner is killed: nobody will ask again.
  world.net.cut = (subject) => subject === edgeSubject(b.id);
  for (let i = 0; i < 20; i++) await world.pass(5);
  assert.ok(a.idle);
  assert.equal(bob.lastSeq.get(conv) ?? 0, 1, 'sys.created alone');
  first.kill();
  world.net.cut = () => false;
  const second = await world.sequencer();
  await world.pass(LEASE_MS + 2_000);
  assert.equal(bob.heads.get(conv), 2, 'bob learns of the message');
  assert.equal(second.cluster.counts.takeovers, 1);
  await world.pass(6_000);
  assert.equal((await world.store.inboxRow('cat', conv))?.entry.head, 2);
  const row = (await world.nodes()).find(({ node }) => node === first.term.node);
  assert.deepEqual([row?.state, row?.walked], ['dead', true]);
});

for (const quietMs of [100, 60_000])
  test(`the newest page is answered from memory by whoever comes to own a conversation, ${quietMs} ms after its last event`, async () => {
    const all = await pair();
    const { world, conv, from, to, b, bob } = all;
    const asked = history('bob', { conv, session: bob.number, limit: 50 });
    await say(all, 130);
    await world.live(quietMs);
    await handOver(all);
    assert.equal(await world.ask(b, asked), 'page of 50', 'who was handed it');
    from.term.setDraining(false);
    await say(all, 1);
    await world.live(quietMs);
    const owner = (await world.ownerOf(conv)) === to.node ? to : from;
    owner.kill();
    await world.live(LEASE_MS + 2_000);
    assert.notEqual(await world.ownerOf(conv), owner.node);
    assert.equal(await world.ask(b, asked), 'page of 50', 'who took it over');
  });

test('a drained owner ends its term at once, walked, and its successor needs no lease timeout', async () => {
  const world = new World();
  const first = await world.sequencer();
  const { a } = world;
  const ann = a.connect('ann');
  const create = createDirect(['ann', 'bob'], { session: ann.number });
  assert.equal(await world.ask(a, create), 'created');
  const second = await world.sequencer();
  const draining = first.term.drain(5_000);
  await world.pass(100);
  a.say(ann, create.conv);
  await world.pass(2_000);
  await draining;
  const row = (await world.nodes()).find(({ node }) => node === first.term.node);
  assert.deepEqual([row?.state, row?.walked], ['dead', true]);
  await world.pass(1_500);
  assert.ok(a.idle, 'the send that came meanwhile was acknowledged without an error');
  assert.equal(second.term.state, 'live');
});

test('while the store is away the owner steps down and refuses; it goes on by itself when the store is back', async () => {
  const world = new World();
  const owner = await world.sequencer();
  const { a, b } = world;
  const [ann, bob] = [a.connect('ann'), b.connect('bob')];
  await world.pass(100);
  const create = createDirect(['ann', 'bob'], { session: ann.number });
  assert.equal(await world.ask(a, create), 'created');
  world.away = true;
  await world.pass(LEASE_MS);
  assert.equal(owner.term.state, 'steppedDown');
  assert.equal(owner.cluster.counts.stepDowns, 1);
  assert.equal(await world.ask(a, send('ann', cmid(5), { conv: create.conv, session: 99 })), 'unavailable');
  world.away = false;
  await world.pass(3_000);
  assert.equal(owner.term.state, 'live');
  b.say(bob, create.conv);
  await world.pass(3_000);
  assert.ok(b.idle);
  assert.equal(ann.lastSeq.get(create.conv), 1);
});

test('cut from the bus alone, an owner leaves what it owns to one that is not', async () => {
  const world = new World();
  const first = await world.sequencer();
  const { a } = world;
  const ann = a.connect('ann');
  const create = createDirect(['ann', 'bob'], { session: ann.number });
  assert.equal(await world.ask(a, create), 'created');
  first.bus.inner.disconnect();
  await world.pass(3_500);
  assert.equal(first.term.state, 'steppedDown', 'alone it stays: nobody else is better off');
  assert.equal(first.isOver, false);
  await world.sequencer();
  await world.pass(1_500);
  assert.ok(first.isOver);
  a.say(ann, create.conv);
  await world.pass(1_000);
  assert.ok(a.idle);
});

test('when the bus comes back for all, nobody leaves because another was back half a second sooner', async () => {
  const world = new World();
  const [first, second] = [await world.sequencer(), await world.sequencer()];
  for (const { bus } of [first, second]) bus.inner.disconnect();
  await world.pass(6_000);
  first.bus.inner.reconnect();
  await world.pass(600);
  assert.equal(first.term.state, 'live');
  assert.equal(second.term.state, 'steppedDown');
  second.bus.inner.reconnect();
  await world.pass(1_500);
  assert.deepEqual([first.isOver, second.isOver, second.term.state], [false, false, 'live']);
});

test('S12.8 a node that joins is handed its share: nobody sees an error, order is kept, and nothing is recovered', async () => {
  const world = new World();
  const first = await world.sequencer();
  const { a, b } = world;
  const [ann, bob] = [a.connect('ann'), b.connect('bob')];
  await world.pass(100);
  const convs: string[] = [];
  for (let i = 0; i < 40; i++) {
    const create = createGroup(['ann', 'bob', 'cat'], { session: ann.number, conv: cmid(500 + i) });
    assert.equal(await world.ask(a, create), 'created');
    convs.push(create.conv);
  }
  const second = await world.sequencer();
  await world.pass(5_600); // it owns nothing before its sixth heartbeat
  assert.equal(first.cluster.counts.handoffs, 0);
  for (let round = 0; round < 60; round++) {
    for (const conv of convs) a.say(ann, conv);
    for (const conv of convs) if (round % 3 === 0) b.say(bob, conv);
    await world.pass(20);
  }
  await world.pass(3_000);
  assert.ok(a.idle && b.idle);
  const moved = second.term.ringControl.status().nodes.map((node) => [node.owned, node.moving]);
  assert.equal(
    moved.reduce((sum, [owned = 0]) => sum + owned, 0),
    40,
  );
  const share = second.term.ringControl.status().nodes.find(({ node }) => node === second.term.node);
  assert.equal(share?.owned, first.cluster.counts.handoffs);
  assert.ok(first.cluster.counts.handoffs > 8, `${first.cluster.counts.handoffs} of 40`);
  assert.equal(second.cluster.counts.takeovers, 0, 'a release is no recovery');
  for (const conv of convs) assert.equal(bob.heads.get(conv), 1 + 60 + 20);
  assert.deepEqual([...refusals(a), ...refusals(b)], []);
});

test('S12.8 a draining node ends up with nothing, stays reachable, and comes back when told to', async () => {
  const world = new World();
  const first = await world.sequencer();
  await world.sequencer();
  const { a } = world;
  const ann = a.connect('ann');
  const convs = Array.from({ length: 20 }, (_, i) => cmid(700 + i));
  for (const conv of convs)
    assert.equal(await world.ask(a, createGroup(['ann', 'bob'], { session: ann.number, conv })), 'created');
  const owned = () => first.term.ringControl.status().nodes.find(({ node }) => node === first.term.node);
  await world.pass(1_500);
  assert.ok((owned()?.owned ?? 0) > 3);
  assert.deepEqual(first.term.ringControl.drain(first.term.node), { t: 'done' });
  for (let round = 0; round < 50; round++) {
    for (const conv of convs) a.say(ann, conv);
    await world.pass(30);
  }
  await world.pass(1_500);
  assert.deepEqual([owned()?.state, owned()?.owned, owned()?.moving], ['draining', 0, 0]);
  assert.ok(a.idle);
  assert.deepEqual(refusals(a), []);
  assert.equal(first.term.state, 'live');
  first.term.ringControl.undrain(first.term.node);
  await world.pass(3_000);
  assert.ok((owned()?.owned ?? 0) > 3, 'its share is handed back');
});
