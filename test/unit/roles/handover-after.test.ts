/** What must be so once conversations have changed hands: who has them, who was answered, and who knows. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { edgeSubject } from '../../../cluster/peer/subjects.ts';
import { Ring } from '../../../cluster/ring.ts';
import { cmid, createGroup, members } from '../actors/requests.ts';
import { inShort } from '../actors/stage.ts';
import { pair, say, sentBy } from './pair.ts';
import { isMail, LEASE_MS, World } from './term-world.ts';

// --- answers ---

test('a membership change that was on its way twice is answered by whom it comes to in the end', async () => {
  const all = await pair();
  const { world, conv, from, to, a, ann } = all;
  await say(all, 3);
  world.faults.set('writeDedup', 'unavailable');
  a.say(ann, conv);
  from.term.setDraining(true);
  await world.live(1_400); // it is paused, and can't settle
  const change = a.ask(members('ann', { op: 'add', users: ['dan'] }, { conv, session: ann.number }));
  await world.live(50);
  world.net.cut = (subject, bytes) => {
    if (!isMail(subject, bytes, 'released')) return false;
    to.kill();
    return true;
  };
  world.faults.clear();
  await world.live(100);
  a.say(ann, conv);
  await world.live(LEASE_MS + 2_500);
  assert.ok(a.idle, 'it is served');
  assert.match(inShort(a.answered.get(change)), /^ok/);
});

// --- who should have it ---

test('a node whose bus was away when it joined is given its share once that is back', async () => {
  const world = new World();
  await world.sequencer();
  const { a } = world;
  const ann = a.connect('ann');
  for (let i = 0; i < 16; i++)
    assert.equal(
      await world.ask(a, createGroup(['ann'], { session: ann.number, conv: cmid(800 + i) })),
      'created',
    );
  const second = await world.sequencer(0);
  const { inner } = second.bus;
  inner.disconnect();
  await world.live(1_500);
  inner.reconnect();
  await world.live(5_000);
  const owners: (string | undefined)[] = [];
  for (let i = 0; i < 16; i++) owners.push(await world.ownerOf(cmid(800 + i)));
  assert.ok(
    owners.includes(second.node),
    'by the owner rows: what was released while its bus was away is not open',
  );
});

test('a conversation created on a draining node while the store is slow is handed over too', async () => {
  const all = await pair();
  const { world, from, to, a, ann } = all;
  const ring = new Ring([from.node, to.node]);
  const conv = Array.from({ length: 50 }, (_, i) => cmid(900 + i)).find(
    (id) => ring.ownerOf(id) === from.node,
  ) as string;
  world.faults.set('barrier', 'unavailable');
  from.term.setDraining(true);
  const create = a.ask(createGroup(['ann', 'bob'], { session: ann.number, conv }));
  await world.live(1_200);
  world.faults.clear();
  await world.live(300);
  assert.equal(inShort(a.answered.get(create)), 'created');
  await world.live(5_000);
  assert.equal(await world.ownerOf(conv), to.node);
});

// --- who must learn of it ---

test('what a drained node said last and was lost on the bus is learnt all the same', async () => {
  const all = await pair();
  const { world, conv, from, to, a, b, ann, bob } = all;
  await world.live(1_000);
  world.net.cut = (subject, bytes) => subject === edgeSubject(b.id) && sentBy(from.node, bytes);
  a.say(ann, conv);
  await world.until('it is acknowledged', () => a.idle);
  const leaving = from.term.drain(5_000).then(() => from.term.stop());
  await world.live(2_500);
  world.net.cut = () => false;
  await world.live(1_500);
  await leaving;
  assert.equal(await world.ownerOf(conv), to.node);
  await world.live(5_000);
  assert.equal(bob.heads.get(conv), 2);
});

test('what a dead node said last before it handed over is told by its successor, whomever the ring names by then', async () => {
  const world = new World();
  const [one, other] = [await world.sequencer(), await world.sequencer()];
  const { a, b } = world;
  const [ann, bob] = [a.connect('ann'), b.connect('bob')];
  await world.pass(1_500);
  const convs = Array.from({ length: 24 }, (_, i) => cmid(1_000 + i));
  for (const conv of convs)
    assert.equal(await world.ask(a, createGroup(['ann', 'bob'], { session: ann.number, conv })), 'created');
  await world.live(6_000);
  // The bus loses what goes to bob's edge, and that conversations were released.
  world.net.cut = (subject, bytes) =>
    (subject === edgeSubject(b.id) && sentBy(one.node, bytes)) || isMail(subject, bytes, 'released');
  for (const conv of convs) a.say(ann, conv);
  await world.until('all is acknowledged', () => a.idle);
  one.term.setDraining(true);
  await world.live(1_300);
  const third = await world.sequencer();
  one.kill();
  await world.live(500);
  world.net.cut = () => false;
  await world.live(LEASE_MS + 15_000);
  assert.deepEqual([other.term.state, third.term.state], ['live', 'live']);
  assert.deepEqual(
    convs.filter((conv) => bob.heads.get(conv) !== 2),
    [],
    'bob learns of all',
  );
});
