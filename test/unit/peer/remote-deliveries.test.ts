import assert from 'node:assert/strict';
import test from 'node:test';
import type { Delivery } from '../../../src/core/requests.ts';
import { CONV, createGroup, delivered, members } from '../actors/requests.ts';
import { OwnerNode } from './owner-node.ts';
import { cutOff, isData, withGroup } from './peer-world.ts';

const messagesOf = (deliveries: readonly Delivery[]): number[] =>
  deliveries.flatMap((each) => (each.t === 'message' ? [each.seq] : []));

test('an event goes once to each edge with a recipient, its sender excepted', async () => {
  const { a, b, system, owner, ann } = await withGroup();
  a.deliveries.length = b.deliveries.length = 0;
  const frames = owner.metrics.counts.framesOut;
  a.say(ann, CONV);
  await system.settle();
  assert.equal(owner.metrics.counts.framesOut - frames, 3, 'the ack, and an event each');
  const [toA] = a.deliveries;
  assert.ok(toA?.t === 'message');
  assert.deepEqual([toA.exceptEdge, toA.exceptSession], [a.id, ann.number]);
  assert.deepEqual([...toA.audience.users].sort(), ['ann', 'bob']);
  const [toB] = b.deliveries;
  assert.ok(toB?.t === 'message');
  assert.deepEqual([toB.exceptEdge, toB.exceptSession], ['', 0]);
  assert.deepEqual(toB.audience.users, ['cid']);
  a.say(ann, CONV);
  await system.settle();
  const again = b.deliveries[1];
  assert.ok(again?.t === 'message' && again.audience === toB.audience, 'the set is sent once');
});

test('who connects is in the set of the next event, and is told of what came before', async () => {
  const { a, b, system, ann } = await withGroup();
  a.say(ann, CONV);
  await system.settle();
  const dan = b.connect('dan');
  await system.settle();
  assert.equal(dan.heads.get(CONV), 2, 'the inbox does not show it yet');
  a.say(ann, CONV);
  await system.settle();
  assert.equal(dan.lastSeq.get(CONV), 3);
  b.disconnect(dan);
  await system.settle();
  b.deliveries.length = 0;
  for (const session of [...b.sessions]) b.disconnect(session);
  await system.settle();
  a.say(ann, CONV);
  await system.settle();
  assert.deepEqual(b.deliveries, [], 'to an edge without a recipient nothing goes');
});

test('an announcement that comes after projection still brings what the inbox read missed', async () => {
  const { a, b, system, net, ann } = await withGroup({ silenceMsMax: 20_000 });
  a.say(ann, CONV);
  await system.settle();
  cutOff(net, b);
  const dan = b.connect('dan'); // reads the inbox now
  await system.advance(6_000); // the row is written meanwhile
  assert.equal(dan.heads.get(CONV), 1);
  net.cut = () => false;
  await system.advance(1_500);
  assert.equal(dan.heads.get(CONV), 2);
  assert.deepEqual(b.resynced, []);
});

test('who was removed while connecting has the inbox read again, however late the announcement', async () => {
  const { a, b, system, net, ann, cid } = await withGroup({ silenceMsMax: 20_000 });
  b.disconnect(cid);
  await system.settle();
  a.ask(members('ann', { op: 'remove', users: ['cid'] }, { session: ann.number }));
  await system.settle();
  cutOff(net, b);
  b.connect('cid');
  await system.advance(6_000);
  assert.deepEqual(b.resynced, []);
  net.cut = () => false;
  await system.advance(1_500);
  assert.deepEqual(b.resynced, ['cid'], 'the owner, once that is projected, knows nothing of the user');
});

test('an announcement lost for good is made up for by a snapshot, and the inbox is read again', async () => {
  const { a, b, system, net, ann } = await withGroup();
  net.cut = (subject, bytes) => subject.startsWith('n.') && isData(bytes);
  const dan = b.connect('dan');
  await system.advance(2_000);
  net.cut = () => false;
  await system.advance(1_500);
  assert.deepEqual(b.resynced, ['dan']);
  a.say(ann, CONV);
  await system.settle();
  assert.equal(dan.lastSeq.get(CONV), 2);
});

test('whose further session was announced in vain is told all the same of what no inbox shows yet', async () => {
  const { a, b, system, net } = await withGroup();
  const conv = '0190a000-0000-7000-8000-00000000000e';
  a.ask(createGroup(['ann', 'bob', 'cid'], { conv }));
  await system.settle();
  net.cut = (subject, bytes) => subject.startsWith('n.') && isData(bytes);
  b.connect('cid');
  b.deliveries.length = 0;
  await system.advance(2_000);
  net.cut = () => false;
  await system.advance(1_500);
  const told = b.deliveries.flatMap((each) => (each.t === 'conversation' ? [each.entry.conv] : []));
  assert.ok(told.includes(conv));
});

test('an announcement acknowledged over 20 s late has the inbox read again', async () => {
  const { b, system, net } = await withGroup();
  net.cut = (subject) => subject === `e.${b.id}`; // no acknowledgement arrives
  b.connect('dan');
  await system.advance(21_000);
  assert.deepEqual(b.resynced, []);
  net.cut = () => false;
  await system.advance(1_500);
  assert.deepEqual(b.resynced, ['dan']);
});

test('a removed member gets its removal and no event from there on; one added gets all from there on', async () => {
  const { a, b, system, ann } = await withGroup();
  await system.advance(1_000);
  a.say(ann, CONV);
  await system.settle();
  b.deliveries.length = 0;
  a.ask(members('ann', { op: 'remove', users: ['cid'] }, { session: ann.number }));
  a.say(ann, CONV);
  await system.settle();
  assert.deepEqual(messagesOf(b.deliveries), []);
  assert.ok(b.deliveries.some((each) => each.t === 'conversation' && each.entry.removed === 3));
  b.deliveries.length = 0;
  a.ask(members('ann', { op: 'add', users: ['cid'] }, { session: ann.number }));
  a.say(ann, CONV);
  await system.settle();
  assert.deepEqual(messagesOf(b.deliveries), [5, 6]);
});

test('a removed member leaves the sets of its edge although others there stay', async () => {
  const { a, system, ann, bob } = await withGroup();
  a.say(ann, CONV);
  await system.settle();
  a.ask(members('ann', { op: 'remove', users: ['bob'] }, { session: ann.number }));
  a.say(ann, CONV);
  await system.settle();
  const last = a.deliveries.filter((each) => each.t === 'message').at(-1);
  assert.ok(last?.t === 'message' && last.seq === 4);
  assert.deepEqual(last.audience.users, ['ann']);
  assert.equal(bob.lastSeq.get(CONV), 2);
});

test('the lost last event of a conversation is repaired within 1.5 s', async () => {
  const { a, b, system, net, ann, cid } = await withGroup();
  net.cut = (subject, bytes) => subject === `e.${b.id}` && isData(bytes);
  a.say(ann, CONV);
  await system.settle();
  net.cut = () => false;
  assert.equal(cid.heads.get(CONV), 1);
  await system.advance(1_500);
  assert.equal(cid.lastSeq.get(CONV), 2, 'as an event');
});

test('events lost beyond the ring are repaired by heads', async () => {
  const { a, b, system, net, ann, cid, owner } = await withGroup({ ringPacketsMax: 2 });
  const dan = b.connect('dan'); // the set with dan in it will be among the lost
  await system.settle();
  net.cut = (subject, bytes) => subject === `e.${b.id}` && isData(bytes);
  for (let i = 0; i < 10; i++) {
    a.say(ann, CONV);
    await system.settle();
  }
  net.cut = () => false;
  await system.advance(1_500);
  assert.equal(cid.heads.get(CONV), 11);
  assert.ok(b.metrics.counts.lost > 0 && owner.metrics.counts.headsRepaired > 0);
  a.say(ann, CONV);
  await system.settle();
  assert.equal(cid.lastSeq.get(CONV), 12);
  assert.equal(dan.lastSeq.get(CONV), 12, 'the set is sent anew');
});

test('with more lost than is remembered the inboxes are read again', async () => {
  const { a, b, system, net, ann } = await withGroup({ ringPacketsMax: 1, repairHeadsMax: 0 });
  net.cut = (subject, bytes) => subject === `e.${b.id}` && isData(bytes);
  a.say(ann, CONV);
  await system.settle();
  net.cut = () => false;
  a.say(ann, CONV);
  await system.advance(1_500);
  assert.deepEqual(b.resynced, ['cid']);
});

test('an edge that was cut off for long reads the inboxes again, and learns of all', async () => {
  const { a, b, system, ann, cid, owner } = await withGroup();
  b.bus.inner.disconnect();
  await system.advance(9_000);
  assert.equal(owner.edges.directory.edgesOf('cid').length, 0);
  a.say(ann, CONV);
  await system.advance(40_000);
  b.bus.inner.reconnect();
  await system.advance(1_500);
  assert.equal(cid.heads.get(CONV), 2);
  assert.deepEqual(b.resynced, ['cid']);
  a.say(ann, CONV);
  await system.settle();
  assert.equal(cid.lastSeq.get(CONV), 3);
});

test('an edge that dies takes its users with it; a new owner waits for the snapshots of live edges', async () => {
  const { a, b, system, net, store, owner } = await withGroup();
  owner.edges.useEdges([a.id, b.id]);
  assert.equal(owner.edges.directory.edgesOf('cid').length, 1);
  owner.edges.edgeGone(b.id);
  assert.equal(owner.edges.directory.edgesOf('cid').length, 0);
  const next = new OwnerNode(4, system, net, store);
  next.edges.useEdges([a.id, b.id]);
  let isKnown = false;
  void next.edges.whenKnown().then(() => (isKnown = true));
  await system.settle();
  assert.ok(isKnown, 'the edges answer the first beacon');
  assert.equal(next.edges.directory.edgesOf('ann').length, 1);
  const alone = new OwnerNode(5, system, net, store);
  alone.edges.useEdges(['00000009-0000-7000-8000-000000000000']);
  let isOver = false;
  void alone.edges.whenKnown().then(() => (isOver = true));
  await system.advance(499);
  assert.ok(!isOver);
  await system.advance(1);
  assert.ok(isOver);
});

test('a new owner tells an edge that it meets late of all that it ever committed', async () => {
  const { a, b, system, net, store, owner, ann, cid, ring } = await withGroup();
  b.bus.inner.disconnect();
  owner.die();
  const next = new OwnerNode(4, system, net, store);
  ring.owner = next.id;
  a.owners.useSequencers([next.id]);
  await system.settle();
  a.say(ann, CONV);
  await system.advance(40_000);
  b.bus.inner.reconnect();
  b.owners.useSequencers([next.id]);
  await system.advance(1_000);
  assert.equal(cid.heads.get(CONV), 2);
  assert.deepEqual(b.resynced, [], 'no inbox is read for that');
});

test('receipts go to each edge with a recipient, in the order of what was said', async () => {
  const { a, b, system, owner, ann } = await withGroup();
  a.say(ann, CONV);
  await system.settle();
  a.deliveries.length = b.deliveries.length = 0;
  owner.host.submit(delivered('cid', 2));
  await system.advance(1_200);
  for (const edge of [a, b]) {
    const told = edge.deliveries.filter((each) => each.t === 'receipt');
    assert.deepEqual(
      told.map(({ conv, items }) => [conv, items]),
      [[CONV, [['cid', 2, 1]]]],
    );
  }
});
