import assert from 'node:assert/strict';
import test from 'node:test';
import { cmid, createDirect, createGroup, history, members, send } from '../actors/requests.ts';
import { ConversationSequencer } from '../../../actors/conversation-sequencer.ts';
import { routed } from '../../support/routed.ts';
import { type ActorMaker, HostRig, SILENT } from './host-rig.ts';

function conv(index: number): string {
  return `0190a000-0000-7000-8000-1${index.toString(16).padStart(11, '0')}`;
}

/** `count` directs of ann's, one message each, of which no inbox row is written: the process ends before. */
async function crashed(count: number, makeActor?: ActorMaker): Promise<HostRig> {
  const rig = new HostRig(makeActor);
  for (let i = 0; i < count; i++) {
    rig.submit(createDirect(['ann', `peer${i}`], { conv: conv(i) }));
    rig.submit(send('ann', cmid(i), { conv: conv(i) }));
  }
  await rig.system.settle();
  assert.equal(rig.store.writes.length, 0);
  rig.crash();
  return rig;
}

test('S8.11, S11.2: what a crash left unwritten is written after the restart, some conversations at a time', async () => {
  const rig = await crashed(150);
  const dirty = await rig.store.dirty();
  assert.equal(dirty.length, 150);
  rig.host.dirtyWalk.start(dirty);
  await rig.system.settle();
  assert.equal(rig.metrics.counts.activations, 150 + 64);
  await rig.system.advance(3_000);
  assert.equal((await rig.store.inbox('ann')).rows.length, 150);
  assert.equal((await rig.store.inbox('peer149')).rows.length, 1);
  await rig.system.advance(25 * 60_000);
  assert.deepEqual(await rig.store.dirty(), [], 'and then the marks are cleared');
});

test('S8.11 who left before a crash, and connects before that is written up, is told so', async () => {
  const rig = new HostRig();
  await rig.ask(createGroup(['ann', 'bob']), send('ann', cmid(1)));
  await rig.system.advance(6_000);
  await rig.ask(members('bob', { op: 'leave' }));
  rig.crash();
  rig.host.dirtyWalk.start(await rig.store.dirty());
  await rig.system.advance(100);
  assert.equal(
    (await rig.store.inbox('bob')).rows[0]?.entry.removed,
    undefined,
    'the inbox does not show it yet',
  );
  assert.deepEqual(rig.announced('bob'), ['entry removed 3']);
  const from = rig.deliveries.length;
  await rig.system.advance(1_000);
  assert.deepEqual(rig.toldTo('bob', from), ['entry removed 3'], 'his badge is by what is written');
  assert.equal((await rig.store.inbox('bob')).rows[0]?.entry.removed, 3);
  assert.deepEqual(rig.announced('bob'), [], 'and is forgotten');
});

test('S8.6: who connected before the walk came to a conversation is told of its head by it', async () => {
  const rig = await crashed(100);
  rig.host.dirtyWalk.start(await rig.store.dirty());
  assert.deepEqual(rig.announced('peer99'), [], 'it is not open yet');
  await rig.system.advance(100);
  assert.deepEqual(rig.toldTo('peer99', 0).slice(-2), ['entry head 1', 'head 1']);
});

test('marks outlive their slot until the walk has shown what they stand for', async () => {
  const rig = await crashed(100);
  rig.store.hold('claim');
  rig.host.dirtyWalk.start(await rig.store.dirty());
  await rig.system.advance(25 * 60_000);
  assert.equal((await rig.store.dirty()).length, 100);
  rig.crash(); // before anything was opened
  rig.store.release('claim');
  rig.host.dirtyWalk.start(await rig.store.dirty());
  await rig.system.advance(5_000);
  assert.equal((await rig.store.inbox('ann')).rows.length, 100);
});

test('a conversation that cannot be read is walked to again until it can', async () => {
  const rig = await crashed(3);
  const dirty = await rig.store.dirty();
  rig.store.calls.length = 0;
  rig.store.available = false;
  rig.host.dirtyWalk.start(dirty);
  await rig.system.advance(5 * 60_000);
  const tries = rig.store.calls.filter((call) => call === 'claim').length / 3;
  assert.ok(tries >= 8 && tries <= 14, `${tries} tries in 5 minutes: less and less often`);
  rig.store.available = true;
  await rig.system.advance(62_000);
  assert.equal((await rig.store.inbox('ann')).rows.length, 3);
});

test('when there is no room the walk waits for it, and requests are overloaded', async () => {
  const rig = new HostRig(undefined, { cellsMax: 20, actorBytesMax: 1e9 });
  for (let i = 0; i < 20; i++) await rig.ask(createGroup(['ann', 'bob', 'cat'], { conv: conv(i) }));
  assert.deepEqual(await rig.ask(createGroup(['ann'], { conv: conv(20) })), ['overloaded']);
  assert.deepEqual(await rig.ask(history('ann', { conv: conv(19) })), ['page of 1'], 'what is open goes on');
  rig.crash();
  for (let i = 100; i < 110; i++) await rig.ask(createGroup(['ann'], { conv: conv(i) }));
  rig.host.dirtyWalk.start(await rig.store.dirty());
  await rig.system.advance(60_000);
  assert.equal((await rig.store.inbox('ann')).rows.length, 30);
});

test('when memory is short, idle conversations leave within seconds, and none is opened beyond the bound', async () => {
  const rig = new HostRig(undefined, { cellsMax: 1_000, actorBytesMax: 100_000 });
  const said = await rig.ask(
    ...Array.from({ length: 100 }, (_, i) => createGroup(['ann'], { conv: conv(i) })),
  );
  const made = said.filter((each) => each === 'created').length;
  await rig.system.advance(10_000);
  assert.ok(rig.metrics.gauges.actors < made, `${rig.metrics.gauges.actors} of ${made} are left`);
  const more = Array.from({ length: 200 }, (_, i) => createGroup(['ann'], { conv: conv(1_000 + i) }));
  const again: string[] = [];
  for (const create of more) again.push(...(await rig.ask(create)));
  assert.ok(again.includes('overloaded') && again.includes('created'));
  assert.ok(rig.metrics.gauges.actors < 50, `${rig.metrics.gauges.actors}`);
  await rig.system.advance(10_000);
  assert.deepEqual(await rig.ask(history('ann', { conv: conv(5) })), ['page of 1']);
});

test('a walk keeps no request waiting behind more than a step of it', async () => {
  const opened: string[] = [];
  const rig = await crashed(300, (activation) => {
    opened.push(activation.conv);
    return new ConversationSequencer(activation);
  });
  opened.length = 0;
  rig.store.hold('claim');
  rig.host.dirtyWalk.start(await rig.store.dirty());
  await rig.system.advance(5_000);
  await rig.ask(history('ann', { conv: conv(299) }));
  rig.store.release('claim');
  await rig.system.advance(5_000);
  assert.ok(opened.indexOf(conv(299)) <= 64, `it was the ${opened.indexOf(conv(299))}th`);
  assert.equal(opened.length, 300);
});

test('a drain ends the walk, whose marks stay', async () => {
  const rig = await crashed(200);
  const { router } = routed({
    host: rig.host,
    edge: rig,
    store: rig.store,
    system: rig.system,
    logger: SILENT,
  });
  rig.host.dirtyWalk.start(await rig.store.dirty());
  router.stopIntake();
  await rig.system.settle();
  const before = rig.metrics.counts.activations;
  assert.ok(rig.host.quiet);
  await rig.system.advance(25 * 60_000);
  assert.deepEqual([rig.metrics.counts.activations, (await rig.store.dirty()).length], [before, 200]);
  const late = history('ann', { conv: conv(0) });
  router.submit(late);
  assert.equal(rig.said(late), 'unavailable');
});

test('after stop nothing is begun any more', async () => {
  const rig = await crashed(200);
  rig.host.dirtyWalk.start(await rig.store.dirty());
  await rig.system.settle();
  const before = rig.metrics.counts.activations;
  rig.host.stop();
  await rig.system.advance(60_000);
  assert.deepEqual([rig.metrics.counts.activations, rig.store.writes.length], [before, 0]);
});

test('changes of members that were never written are replayed, whoever opens the conversation first', async () => {
  const rig = new HostRig();
  await rig.ask(createGroup(['ann', 'bob', 'cat']));
  await rig.system.advance(6_000);
  await rig.ask(
    members('ann', { op: 'remove', users: ['cat'] }),
    members('ann', { op: 'add', users: ['dan'] }),
  );
  rig.crash();
  const asked = [history('cat'), history('dan'), members('ann')];
  assert.deepEqual(await rig.ask(...asked), ['not_member', 'page of 3', 'ok 3']);
  await rig.system.advance(6_000);
  const conversation = await rig.store.conversation(asked[0]?.conv as string);
  assert.equal(conversation?.version, 3, 'and written, though nothing else happens');
  assert.equal((await rig.store.inbox('cat')).rows[0]?.entry.removed, 2);
});
