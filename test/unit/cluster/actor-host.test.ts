import assert from 'node:assert/strict';
import test from 'node:test';
import { ConversationSequencer } from '../../../actors/conversation-sequencer.ts';
import { cmid, createGroup, history, members, read, send } from '../actors/requests.ts';
import { HostRig } from './host-rig.ts';

/** The id of another conversation. */
function conv(index: number): string {
  return `0190a000-0000-7000-8000-1${index.toString(16).padStart(11, '0')}`;
}

const MINUTE_MS = 60_000;

async function withGroup(...users: string[]): Promise<HostRig> {
  const rig = new HostRig();
  assert.deepEqual(await rig.ask(createGroup(users)), ['created']);
  return rig;
}

test('S2.17: what arrives while a conversation is opened waits, and is handled in order', async () => {
  const rig = new HostRig();
  rig.store.hold('claim');
  const asked = [createGroup(['ann', 'bob']), send('ann', cmid(1)), history('ann'), send('bob', cmid(2))];
  assert.deepEqual(await rig.ask(...asked), ['nothing', 'nothing', 'nothing', 'nothing']);
  rig.store.release('claim');
  await rig.system.settle();
  assert.deepEqual(
    asked.map((each) => rig.said(each)),
    ['created', 'ack 2', 'page of 2', 'ack 3'],
  );
  assert.equal(rig.metrics.counts.activations, 1);
});

test('S9.3, S9.4: a mailbox takes 1,024 requests; each one more is overloaded, with retryAfterMs, and changes nothing', async () => {
  const rig = await withGroup('ann', 'bob');
  rig.store.hold('append');
  await rig.ask(send('ann', cmid(0)));
  const sends = Array.from({ length: 1_500 }, (_, i) => send('bob', cmid(i + 1), { session: 10_000 + i }));
  await rig.ask(...sends);
  const refused = sends.filter((each) => rig.said(each) === 'overloaded');
  assert.deepEqual(refused, sends.slice(1_024));
  assert.ok(refused.every((each) => (rig.answers.get(each) as { retryAfterMs: number }).retryAfterMs > 0));
  assert.equal(rig.metrics.counts.overloaded, 476);
  rig.store.release('append');
  await rig.system.settle();
  assert.deepEqual(
    sends.slice(0, 1_024).map((each) => rig.said(each)),
    sends.slice(0, 1_024).map((_, i) => `ack ${i + 3}`),
  );
  assert.deepEqual([await rig.store.head(sends[0]?.conv as string), rig.host.mailboxBytes], [1_026, 0]);
});

test('S9.4: a mailbox takes 1 MiB', async () => {
  const rig = await withGroup('ann', 'bob');
  rig.store.hold('append');
  await rig.ask(send('ann', cmid(0)));
  const sends = Array.from({ length: 70 }, (_, i) =>
    send('bob', cmid(i + 1), { session: i, bytes: 16 * 1024 }),
  );
  const said = await rig.ask(...sends);
  assert.equal(said.filter((each) => each === 'overloaded').length, 6);
  assert.equal(rig.host.mailboxBytes, 1024 * 1024);
});

test('S9.4: all mailboxes together take 256 MiB', async () => {
  const rig = new HostRig();
  rig.store.hold('claim');
  const bytes = 1024 * 1024;
  const said = await rig.ask(
    ...Array.from({ length: 257 }, (_, i) => history('ann', { conv: conv(i), bytes })),
  );
  assert.deepEqual([said.filter((each) => each === 'overloaded').length, said[256]], [1, 'overloaded']);
  assert.equal(rig.host.mailboxBytes, 256 * bytes);
  rig.store.release('claim');
  await rig.system.settle();
  assert.equal(rig.host.mailboxBytes, 0);
});

test('only so many conversations are opened at a time; the others wait their turn, and all are', async () => {
  const rig = new HostRig();
  rig.store.hold('claim');
  const asked = Array.from({ length: 100 }, (_, i) => createGroup(['ann'], { conv: conv(i) }));
  await rig.ask(...asked);
  assert.equal(rig.store.waiting('claim'), 8);
  assert.ok(!rig.host.quiet);
  rig.store.release('claim');
  await rig.system.settle();
  assert.ok(asked.every((each) => rig.said(each) === 'created'));
  assert.deepEqual(
    [rig.metrics.counts.activations, rig.metrics.gauges.actors, rig.host.quiet],
    [100, 100, true],
  );
});

test('a conversation that cannot be read refuses what waits, and is opened anew by the next request', async () => {
  const rig = await withGroup('ann', 'bob');
  rig.crash();
  rig.store.available = false;
  const early = [send('ann', cmid(1)), history('ann')];
  assert.deepEqual(await rig.ask(...early), ['unavailable', 'unavailable']);
  assert.ok(early.every((each) => (rig.answers.get(each) as { retryAfterMs: number }).retryAfterMs > 0));
  assert.deepEqual([rig.host.mailboxBytes, rig.host.quiet], [0, true]);
  rig.store.available = true;
  assert.deepEqual(await rig.ask(send('ann', cmid(1)), history('ann')), ['ack 2', 'page of 2']);
});

test('S3.17: an actor of no conversation does not stay', async () => {
  const rig = new HostRig();
  for (let i = 0; i < 50; i++)
    assert.deepEqual(await rig.ask(history('ann', { conv: conv(i) })), ['not_found']);
  assert.deepEqual([rig.metrics.counts.activations, rig.metrics.gauges.actors], [50, 0]);
});

test('turns are fair: a busy conversation does not keep others waiting', async () => {
  const turns: string[] = [];
  const rig = new HostRig((activation) => {
    const actor = new ConversationSequencer(activation);
    const receive = actor.receive.bind(actor);
    actor.receive = (message, now, out) => {
      if (message.t === 'history') turns.push(actor.conv);
      receive(message, now, out);
    };
    return actor;
  });
  const [busy, calm] = [conv(1), conv(2)];
  await rig.ask(createGroup(['ann'], { conv: busy }), createGroup(['ann'], { conv: calm }));
  for (let i = 0; i < 1_000; i++) rig.submit(history('ann', { conv: busy }));
  rig.submit(history('ann', { conv: calm }));
  await rig.system.settle();
  assert.deepEqual([turns.indexOf(calm), turns.length], [256, 1_001]);
});

test('an idle conversation leaves memory once it is written, and comes back as it was', async () => {
  const rig = await withGroup('ann', 'bob', 'cat');
  await rig.ask(send('ann', cmid(1)), send('bob', cmid(2)), members('ann', { op: 'remove', users: ['cat'] }));
  rig.submit(read('ann', 3));
  await rig.system.advance(4 * MINUTE_MS);
  assert.equal(rig.metrics.gauges.actors, 1);
  await rig.system.advance(2 * MINUTE_MS);
  assert.deepEqual([rig.metrics.gauges.actors, rig.host.projector.pending], [0, 0]);
  const asked = [send('bob', cmid(2), { retry: true }), send('ann', cmid(3)), history('cat'), members('bob')];
  assert.deepEqual(await rig.ask(...asked), ['ack 3 again', 'ack 5', 'not_member', 'ok 4']);
  assert.deepEqual([rig.metrics.counts.activations, rig.metrics.gauges.actors], [2, 1]);
  await rig.system.advance(10_000);
  const { entry } = (await rig.store.inboxRow('bob', asked[0]?.conv as string)) ?? assert.fail();
  assert.deepEqual([entry.head, entry.n, entry.read, entry.unread], [5, 3, 3, 1]);
});

test('what is not written yet does not leave memory', async () => {
  const rig = await withGroup('ann', 'bob');
  rig.store.hold('write');
  await rig.ask(send('ann', cmid(1)));
  await rig.system.advance(20 * MINUTE_MS);
  assert.equal(rig.metrics.gauges.actors, 1);
  rig.store.release('write');
  await rig.system.advance(2_000);
  assert.equal(rig.metrics.gauges.actors, 0);
});

test('what a store says of an actor that is gone reaches no other one', async () => {
  const rig = await withGroup('ann', 'bob');
  for (let i = 0; i < 1_100; i++) await rig.ask(send('bob', cmid(100 + i)));
  rig.store.hold('lookUp');
  const retry = send('ann', cmid(1), { retry: true });
  const [writer] = [send('bob', cmid(2))];
  rig.store.faults.push('unknownWritten');
  await rig.ask(retry, writer);
  assert.deepEqual([rig.said(retry), rig.said(writer)], ['unavailable', 'timed_out_unknown']);
  assert.equal(rig.metrics.counts.activations, 2, 'a new term began');
  const next = send('ann', cmid(1), { retry: true });
  await rig.ask(next);
  assert.equal(rig.store.waiting('lookUp'), 2);
  rig.store.release('lookUp');
  await rig.system.settle();
  assert.equal(rig.said(next), 'ack 1103', 'and what was written of the old one counts');
  const page = history('ann', { after: 1_101 });
  assert.deepEqual(await rig.ask(page), ['page of 2']);
});

test('S5.1: a send of unknown outcome that was written is found by its retry; one that was not is sent anew', async () => {
  for (const fault of ['unknownWritten', 'unknownLost'] as const) {
    const rig = await withGroup('ann', 'bob');
    rig.store.faults.push(fault);
    const first = send('ann', cmid(1));
    assert.deepEqual(await rig.ask(first), ['timed_out_unknown']);
    const expected = fault === 'unknownWritten' ? 'ack 2 again' : 'ack 2';
    assert.deepEqual(await rig.ask(send('ann', cmid(1), { retry: true })), [expected]);
    assert.equal(await rig.store.head(first.conv), 2);
  }
});

test('P2: members hear of what a write of unknown outcome did: newcomers, those removed, and the head', async () => {
  const rig = await withGroup('ann', 'bob', 'cat');
  const from = rig.deliveries.length;
  rig.store.faults.push('unknownWritten');
  await rig.ask(
    members('ann', { op: 'remove', users: ['cat'] }),
    members('ann', { op: 'add', users: ['dan'] }),
    send('ann', cmid(1)),
  );
  await rig.system.advance(1_000);
  for (const user of ['ann', 'bob', 'dan']) {
    const told = rig.toldTo(user, from);
    assert.ok(told.includes('head 4'), `${user}: ${told.join()}`);
    assert.equal(told[0], 'entry head 4', 'the conversation comes before its head');
  }
  assert.ok(rig.toldTo('cat', from).includes('entry removed 2'));
  assert.ok(rig.toldTo('cat', from).every((each) => each === 'entry removed 2'));
});

test('a cursor whose row cannot be read is refused; so is one whose term ends meanwhile', async () => {
  const rig = await withGroup('ann', 'bob');
  for (let i = 0; i < 200; i++) await rig.ask(send('ann', cmid(i)));
  const [broken, late] = [read('bob', 50), read('bob', 60)];
  rig.store.hold('read');
  await rig.ask(broken);
  rig.store.available = false;
  rig.store.release('read');
  await rig.system.settle();
  assert.equal(rig.said(broken), 'unavailable');
  rig.store.available = true;
  rig.store.hold('read');
  rig.store.faults.push('unknownLost');
  await rig.ask(late, send('ann', cmid(500)));
  rig.store.release('read');
  await rig.system.settle();
  assert.equal(rig.said(late), 'unavailable', 'nothing is dropped in silence');
});

test('the outbox speaks for the actor whose turn it is, and for no one outside a turn', async () => {
  const rig = await withGroup('ann');
  assert.throws(() => rig.host.passivate(), /outside a turn/);
});
