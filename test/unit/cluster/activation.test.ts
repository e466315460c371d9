import assert from 'node:assert/strict';
import test from 'node:test';
import { ConversationSequencer } from '../../../actors/conversation-sequencer.ts';
import { activate } from '../../../cluster/activation.ts';
import type { Activation } from '../../../src/core/actor.ts';
import type { StoredRow } from '../../../src/core/rows.ts';
import { CONV, cmid, createDirect, createGroup, members, send } from '../actors/requests.ts';
import { HostRig } from './host-rig.ts';

async function activation(rig: HostRig, conv = CONV): Promise<Activation> {
  const { store } = rig;
  const activated = await activate(conv, { ownership: store, messages: store, projections: store });
  assert.ok(activated.t === 'activation');
  return activated.activation;
}

/** `count` sends of bob's, in mailboxes' worth at a time. */
async function fill(rig: HostRig, count: number, from: number, text = 'x'): Promise<void> {
  for (let i = 0; i < count; i++) {
    rig.submit(send('bob', cmid(from + i), { session: i, text }));
    if (i % 500 === 499) await rig.system.settle();
  }
  await rig.system.settle();
}

test('of no conversation there is a fence and nothing else', async () => {
  const rig = new HostRig();
  assert.deepEqual(await activation(rig), {
    conv: CONV,
    fence: 1,
    conversation: undefined,
    members: [],
    head: 0,
    tail: [],
    unprojected: [],
  });
});

test('a direct without a message has members and no rows', async () => {
  const rig = new HostRig();
  await rig.ask(createDirect(['ann', 'bob']));
  const { conversation, members: rows, head, tail } = await activation(rig);
  assert.deepEqual([conversation?.kind, rows.length, head, tail], ['direct', 2, 0, []]);
});

test('the tail is the log’s last 1,024 rows, all of them whatever their bytes', async () => {
  const rig = new HostRig();
  await rig.ask(createGroup(['ann', 'bob']));
  await fill(rig, 1_200, 0);
  const { head, tail } = await activation(rig);
  assert.deepEqual([head, tail[0]?.seq, tail.at(-1)?.seq, tail.length], [1_201, 178, 1_201, 1_024]);
  const large = new HostRig();
  await large.ask(createGroup(['ann', 'bob']));
  await fill(large, 600, 0, 'x'.repeat(16 * 1024));
  const whole = await activation(large);
  assert.deepEqual(
    whole.tail.map((row) => row.seq),
    Array.from({ length: 601 }, (_, i) => i + 1),
  );
  assert.ok(large.store.calls.filter((call) => call === 'read').length > 1, 'in several reads');
});

test('changes of members above the projected version are replayed, from the tail and from far below it', async () => {
  const rig = new HostRig();
  await rig.ask(createGroup(['ann', 'bob', 'cat']));
  await rig.system.advance(6_000);
  rig.store.hold('write'); // from here on the small tables stay as they are
  await rig.ask(members('ann', { op: 'remove', users: ['cat'] }));
  await fill(rig, 1_300, 0);
  await rig.ask(members('ann', { op: 'add', users: ['dan'] }));
  await fill(rig, 20, 5_000);
  const { conversation, unprojected, tail, head } = await activation(rig);
  assert.deepEqual([conversation?.version, head, tail[0]?.seq], [1, 1_323, 300]);
  assert.deepEqual(
    unprojected.map((row) => [row.seq, (row as StoredRow).m]),
    [
      [2, 2],
      [1_303, 1_303],
    ],
  );
});

test('nothing is replayed that the small tables reflect', async () => {
  const rig = new HostRig();
  await rig.ask(createGroup(['ann', 'bob', 'cat']), members('ann', { op: 'remove', users: ['cat'] }));
  await fill(rig, 5, 0);
  await rig.system.advance(6_000);
  const { conversation, unprojected, members: rows } = await activation(rig);
  assert.deepEqual([conversation?.version, unprojected], [2, []]);
  assert.deepEqual(
    rows.map(({ user, left }) => [user, left]),
    [
      ['ann', 0],
      ['bob', 0],
      ['cat', 2],
    ],
  );
});

test('a store that is away makes it unavailable, by its word or by its failure', async () => {
  const rig = new HostRig();
  await rig.ask(createGroup(['ann']));
  const { store } = rig;
  const ports = { ownership: store, messages: store, projections: store };
  store.available = false;
  assert.deepEqual(await activate(CONV, ports), {
    t: 'unavailable',
    retryAfterMs: 1_000,
    again: false,
  });
  const ownership = Object.assign(Object.create(store) as typeof store, {
    claim: () => Promise.resolve({ t: 'owned', fence: 1 }),
  });
  await assert.rejects(activate(CONV, { ...ports, ownership }), { name: 'StoreUnavailable' });
});

test('S5.2: an actor that a take-over gave a few rows has the others recalled, and then asks the store no more', async () => {
  const rig = new HostRig(
    (activation) => new ConversationSequencer({ ...activation, tail: activation.tail.slice(-128) }),
  );
  await rig.ask(createGroup(['ann', 'bob']));
  await fill(rig, 600, 0);
  rig.crash();
  rig.store.calls.length = 0;
  const [repeat, fresh] = [send('bob', cmid(300), { text: 'x' }), send('bob', cmid(9_000), { text: 'y' })];
  assert.deepEqual(await rig.ask(repeat, fresh), ['ack 302 again', 'ack 602']);
  assert.equal(rig.store.calls.filter((call) => call === 'lookUp').length, 2);
  await rig.system.advance(1_000);
  rig.store.calls.length = 0;
  const again = send('bob', cmid(200), { text: 'x' });
  assert.deepEqual(await rig.ask(again), ['ack 202 again']);
  assert.deepEqual(rig.store.calls, []);
});
