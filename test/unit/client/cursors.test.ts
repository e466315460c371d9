import assert from 'node:assert/strict';
import test from 'node:test';
import type { Client } from '../../../src/client/client.ts';
import type { ClientOptions } from '../../../src/client/options.ts';
import type { ClientFrame, Receipt } from '../../../src/protocol/frames.ts';
import { NO_FAULTS } from './model-faults.ts';
import { clientOf, World } from './virtual-world.ts';

/** A group of ann and bob, both online; seq 1 is its creation. */
async function group(options: Partial<ClientOptions> = {}): Promise<{
  world: World;
  ann: Client;
  bob: Client;
  conv: string;
}> {
  const world = new World();
  const [ann, bob] = [clientOf(world, 'ann'), clientOf(world, 'bob', options)];
  await world.time.advance(10);
  let conv = '';
  void ann.create('group', ['bob'], 'g').then((created) => (conv = created));
  await world.time.advance(1_100);
  return { world, ann, bob, conv };
}

/** `delivered 3`, `read 3`: what bob's device has said, over all connections that are open. */
function said(world: World): string[] {
  const frames: ClientFrame[] = [...world.server.sessions].flatMap(({ user, frames: all }) =>
    user === 'bob' ? all : [],
  );
  return frames.flatMap((frame) =>
    frame.t === 'delivered' || frame.t === 'read' ? [`${frame.t} ${frame.seq}`] : [],
  );
}

test('what comes is reported as delivered, once a second, and own messages are not', async () => {
  const { world, ann, bob, conv } = await group();
  assert.deepEqual(said(world), ['delivered 1'], 'the creation');
  for (let i = 2; i <= 5; i++) world.server.post(conv, 'ann', `m${i}`);
  await world.time.advance(100);
  world.server.post(conv, 'ann', 'm6');
  await world.time.advance(2_000);
  assert.deepEqual(said(world), ['delivered 1', 'delivered 2', 'delivered 6']);
  void bob.send(conv, 'mine');
  await world.time.advance(2_000);
  assert.equal(said(world).length, 3);
  const heard: Receipt[] = [];
  ann.on('receipt', (receipt) => heard.push(receipt));
  world.server.post(conv, 'ann', 'm8');
  await world.time.advance(20_000);
  assert.deepEqual(heard, [{ t: 'receipt', conv, items: [['bob', 8, 7]] }]);
  assert.deepEqual(said(world).slice(3), ['delivered 8'], 'confirmed: never again');
});

test('a jump is not reported as delivered; a timeline reports what it has fetched', async () => {
  const { world, bob, conv } = await group();
  world.server.faults = { ...NO_FAULTS, event: () => 'lose' };
  for (let i = 2; i <= 5; i++) world.server.post(conv, 'ann', `m${i}`);
  world.server.faults = NO_FAULTS;
  world.server.post(conv, 'ann', 'm6');
  await world.time.advance(2_000);
  assert.deepEqual(said(world), ['delivered 1']);
  bob.timeline(conv);
  await world.time.advance(2_000);
  assert.deepEqual(said(world), ['delivered 1', 'delivered 6']);
});

test('a cursor that was lost is sent again until it is confirmed', async () => {
  const { world, bob, conv } = await group();
  let lost = 0;
  world.server.faults = { ...NO_FAULTS, loseCursor: () => ++lost <= 4 };
  world.server.post(conv, 'ann', 'm2');
  await world.time.advance(10);
  bob.read(conv, 2);
  await world.time.advance(40_000);
  assert.deepEqual(world.server.conversations.get(conv)?.read.get('bob'), 2);
  assert.ok(said(world).includes('delivered 2'));
  const count = said(world).length;
  await world.time.advance(600_000);
  assert.equal(said(world).length, count, 'and then never again');
});

test('what another device of the user said, and the server has, is not said again', async () => {
  const { world, bob, conv } = await group();
  world.server.post(conv, 'ann', 'm2');
  await world.time.advance(2_000);
  const tablet = clientOf(world, 'bob', { device: 'tablet' });
  await world.time.advance(100);
  world.server.post(conv, 'ann', 'm3');
  await world.time.advance(30_000);
  const count = said(world).filter((each) => each === 'delivered 3').length;
  assert.ok(count === 1 || count === 2, `${count} times`);
  bob.delivered(conv, 3);
  tablet.delivered(conv, 3);
  await world.time.advance(30_000);
  assert.equal(said(world).filter((each) => each === 'delivered 3').length, count);
});

test('a cursor that the server refuses, or never confirms, is given up', async () => {
  const { world, bob, conv } = await group();
  world.server.faults = { ...NO_FAULTS, loseCursor: () => true };
  bob.delivered(conv, 1_000);
  await world.time.advance(3_600_000);
  assert.equal(said(world).filter((each) => each === 'delivered 1000').length, 10);
  world.server.faults = NO_FAULTS;
  world.server.conversations.get(conv)?.members.delete('bob');
  const errors: string[] = [];
  bob.on('error', ({ code }) => errors.push(code));
  bob.delivered(conv, 2_000);
  await world.time.advance(3_600_000);
  assert.deepEqual(errors, ['not_member']);
  assert.equal(said(world).filter((each) => each === 'delivered 2000').length, 1);
});

test('nothing is reported when that is switched off, and receipts are listed all the same', async () => {
  const { world, ann, bob, conv } = await group({ reportDelivered: false });
  world.server.post(conv, 'ann', 'm2');
  await world.time.advance(2_000);
  assert.deepEqual(said(world), []);
  bob.read(conv, 2);
  await world.time.advance(100);
  let items: unknown;
  void ann.receipts(conv).then((page) => (items = page.items));
  await world.time.advance(100);
  assert.deepEqual(items, [['bob', 2, 2]]);
});

test('typing is told every 3 s while it goes on, and ends by itself, by a message, and with the connection', async () => {
  const { world, ann, bob, conv } = await group();
  const heard: string[] = [];
  ann.on('typing', ({ user, on }) => heard.push(`${world.time.now() - start} ${user} ${on}`));
  const start = world.time.now();
  for (let at = 0; at < 8_000; at += 500) {
    bob.typing(conv);
    await world.time.advance(500);
  }
  const frames = [...world.server.sessions].flatMap((each) => each.frames.filter(({ t }) => t === 'typing'));
  assert.equal(frames.length, 3, 'at 0, 3 and 6 s');
  assert.deepEqual(heard.splice(0), ['2 bob true']);
  await world.time.advance(10_000);
  assert.deepEqual(heard.splice(0), ['12002 bob false'], '6 s after the last');
  bob.typing(conv);
  await world.time.advance(10);
  bob.typing(conv, false);
  await world.time.advance(10);
  bob.typing(conv);
  void bob.send(conv, 'said');
  await world.time.advance(10);
  bob.typing(conv);
  await world.time.advance(10);
  for (const session of [...world.server.sessions]) session.cut();
  await world.time.advance(10);
  assert.deepEqual(
    heard.map((each) => each.slice(each.indexOf(' ') + 1)),
    ['bob true', 'bob false', 'bob true', 'bob false', 'bob true', 'bob false'],
  );
});

test('S16.1: what a user sets is on all devices, what is muted counts for no badge', async () => {
  const { world, ann, bob, conv } = await group();
  const tablet = clientOf(world, 'bob', { device: 'tablet' });
  await world.time.advance(100);
  world.server.post(conv, 'ann', 'one');
  await world.time.advance(100);
  assert.deepEqual([bob.unread, bob.badge], [1, 1]);
  let done = false;
  const until = world.time.now() + 60_000;
  void bob.prefs(conv, { mute: until, pin: true }).then(() => (done = true));
  await world.time.advance(100);
  assert.ok(done);
  for (const client of [bob, tablet]) {
    const { mute, pin, archive } = client.conversation(conv) ?? {};
    assert.deepEqual([mute, pin, archive], [until, true, undefined]);
    assert.deepEqual([client.unread, client.badge], [1, 0]);
  }
  assert.equal(ann.conversation(conv)?.pin, undefined);
  await world.time.advance(60_000);
  assert.equal(bob.badge, 1, 'the mute is over');
});
