import assert from 'node:assert/strict';
import test from 'node:test';
import { directConversationId } from '../../../src/core/direct-id.ts';
import type { Visibility } from '../../../src/core/users.ts';
import type { ServerFrame } from '../../../src/protocol/frames.ts';
import { LIMITS } from '../../../src/protocol/limits.ts';
import { audience, type Client, convId, EDGE, entryOf, Rig } from './rig.ts';

let lastId = 1_000;

/** What the client received in answer to it, at once and by what is under way. */
async function ask(rig: Rig, client: Client, t: 'watch' | 'unwatch', ...users: string[]): Promise<string[]> {
  client.clear();
  client.send({ t, id: ++lastId, users });
  await rig.settle();
  return heard(client);
}

const watch = (rig: Rig, client: Client, ...users: string[]) => ask(rig, client, 'watch', ...users);
const unwatch = (rig: Rig, client: Client, ...users: string[]) => ask(rig, client, 'unwatch', ...users);

/** `ok`, `bob online`, `bob offline 5`, an error’s code, and other frames by their names; forgets them. */
function heard(client: Client): string[] {
  return client.received.splice(0).map((frame: ServerFrame) => {
    if (frame.t === 'error') return frame.code;
    if (frame.t !== 'presence') return frame.t;
    const { user, online, lastSeen } = frame;
    return `${user} ${online ? 'online' : 'offline'}${lastSeen === undefined ? '' : ` ${lastSeen}`}`;
  });
}

/** The node that knows tells how a user is. */
async function state(
  rig: Rig,
  user: string,
  online: boolean,
  seen = 0,
  visibleTo: Visibility = 'everyone',
): Promise<void> {
  rig.edge.deliver({ t: 'state', edge: EDGE, state: { user, online, seen, visibleTo } });
  await rig.settle();
}

/** The first of them has the direct conversation of both in the inbox. */
async function contact(rig: Rig, user: string, other: string): Promise<void> {
  const conv = directConversationId(user, other);
  await rig.inbox(user, [entryOf(conv, { kind: 'direct', peer: other })]);
}

async function watching(...users: string[]): Promise<{ rig: Rig; ann: Client }> {
  const rig = new Rig();
  const ann = await rig.join('ann');
  assert.deepEqual(await watch(rig, ann, ...users), ['ok']);
  return { rig, ann };
}

const numbered = (count: number) => Array.from({ length: count }, (_, i) => `u${i}`);

test('S17.1 `ok` comes first, then each user once its state is known', async () => {
  const { rig, ann } = await watching('bob', 'cat');
  assert.deepEqual(rig.owners.watched, ['watch bob', 'watch cat']);
  await state(rig, 'cat', false, 77);
  assert.deepEqual(heard(ann), ['cat offline 77']);
  await state(rig, 'bob', true, 5);
  assert.deepEqual(heard(ann), ['bob online'], 'when that was before is of no interest');
  const dan = await rig.join('dan', 'd1', 'json');
  assert.deepEqual(await watch(rig, dan, 'bob', 'cat', 'eve'), ['ok', 'bob online', 'cat offline 77']);
  assert.deepEqual(rig.owners.watched.slice(2), ['watch eve'], 'nobody is watched twice by one edge');
});

test('a presence has the shape that clients know, in both subprotocols', async () => {
  const { rig, ann } = await watching('bob');
  const json = await rig.join('ann', 'd2', 'json');
  await watch(rig, json, 'bob');
  await state(rig, 'bob', true);
  await state(rig, 'bob', false, 77);
  for (const client of [ann, json])
    assert.deepEqual(client.received, [
      { t: 'presence', user: 'bob', online: true },
      { t: 'presence', user: 'bob', online: false, lastSeen: 77 },
    ]);
});

test('after that only what has changed is told', async () => {
  const { rig, ann } = await watching('bob');
  const steps: [online: boolean, seen: number, told: string[]][] = [
    [false, 0, ['bob offline']],
    [false, 0, []],
    [false, 9, ['bob offline 9']],
    [true, 9, ['bob online']],
    [true, 9, []],
    [true, 12, []],
    [false, 15, ['bob offline 15']],
  ];
  for (const [online, seen, told] of steps) {
    await state(rig, 'bob', online, seen);
    assert.deepEqual(heard(ann), told, `${online} ${seen}`);
  }
  assert.deepEqual(await watch(rig, ann, 'bob'), ['ok', 'bob offline 15'], 'but each watch is answered');
  await state(rig, 'bob', false, 15);
  assert.deepEqual(heard(ann), []);
});

test('S17.4 of what one may not see, nothing is told but that the user is offline', async () => {
  const { rig, ann } = await watching('bob');
  await contact(rig, 'bob', 'ann');
  await state(rig, 'bob', true, 5, 'nobody');
  assert.deepEqual(heard(ann), ['bob offline']);
  await state(rig, 'bob', false, 8, 'nobody');
  await state(rig, 'bob', true, 8, 'nobody');
  assert.deepEqual(heard(ann), [], 'not that something changed either');
  await state(rig, 'bob', true, 8, 'everyone');
  assert.deepEqual(heard(ann), ['bob online']);
  await state(rig, 'bob', true, 8, 'nobody');
  assert.deepEqual(heard(ann), ['bob offline']);
});

test('a contact has a direct conversation in the inbox of the one who is watched', async () => {
  const { rig, ann } = await watching('bob', 'cat', 'dan');
  await contact(rig, 'bob', 'ann');
  await contact(rig, 'ann', 'cat');
  await rig.inbox('dan', [
    entryOf(convId(3)),
    entryOf(directConversationId('dan', 'bob'), { kind: 'direct' }),
  ]);
  for (const user of ['bob', 'cat', 'dan']) await state(rig, user, true, 5, 'contacts');
  assert.deepEqual(heard(ann), ['bob online', 'cat offline', 'dan offline']);
  for (const user of ['bob', 'cat', 'dan']) await state(rig, user, false, 9, 'contacts');
  assert.deepEqual(heard(ann), ['bob offline 9']);
});

test('oneself is always visible', async () => {
  const { rig, ann } = await watching('ann');
  await state(rig, 'ann', true, 0, 'nobody');
  assert.deepEqual(heard(ann), ['ann online']);
  await state(rig, 'ann', false, 6, 'contacts');
  assert.deepEqual(heard(ann), ['ann offline 6']);
});

test('who has become a contact is shown at the next change, or when watching again', async () => {
  const { rig, ann } = await watching('bob', 'cat');
  for (const user of ['bob', 'cat']) await state(rig, user, true, 0, 'contacts');
  assert.deepEqual(heard(ann), ['bob offline', 'cat offline']);
  for (const user of ['bob', 'cat']) await contact(rig, user, 'ann');
  await rig.settle();
  assert.deepEqual(heard(ann), []);
  assert.deepEqual(await watch(rig, ann, 'bob'), ['ok', 'bob online']);
  await state(rig, 'cat', true, 0, 'contacts');
  assert.deepEqual(heard(ann), ['cat online']);
});

test('a contact that cannot be looked up is none until the next change', async () => {
  const { rig, ann } = await watching('bob');
  await contact(rig, 'bob', 'ann');
  rig.store.available = false;
  await state(rig, 'bob', true, 0, 'contacts');
  assert.deepEqual([heard(ann), rig.logged], [['bob offline'], []]);
  rig.store.available = true;
  await state(rig, 'bob', false, 7, 'contacts');
  assert.deepEqual(heard(ann), ['bob offline 7']);
});

test('what changes during the look-up counts, and who leaves during it hears nothing', async () => {
  const { rig, ann } = await watching('bob');
  const cat = await rig.join('cat');
  await watch(rig, cat, 'bob');
  await contact(rig, 'bob', 'ann');
  const inboxRow = rig.store.inboxRow.bind(rig.store);
  let go = (): void => undefined;
  const held = new Promise<void>((resolve) => (go = resolve));
  rig.store.inboxRow = async (...args) => {
    await held;
    return inboxRow(...args);
  };
  await state(rig, 'bob', true, 0, 'contacts');
  assert.deepEqual(await unwatch(rig, cat, 'bob'), ['ok']);
  await state(rig, 'bob', true, 0, 'nobody');
  assert.deepEqual(heard(ann), ['bob offline']);
  go();
  await rig.settle();
  assert.deepEqual([heard(ann), heard(cat)], [[], []]);
  await state(rig, 'bob', true, 0, 'contacts');
  assert.deepEqual(heard(ann), ['bob online']);
});

test('S17.5 a connection watches 200 users at most; a frame with more is refused as a whole', async () => {
  const rig = new Rig();
  const ann = await rig.join('ann');
  const users = numbered(LIMITS.watchedUsersMax);
  assert.equal(LIMITS.watchedUsersMax, 200);
  await watch(rig, ann, ...users.slice(0, 199));
  rig.owners.watched.length = 0;
  assert.deepEqual(await watch(rig, ann, 'u199', 'more'), ['too_large']);
  assert.deepEqual(rig.owners.watched, []);
  assert.deepEqual(await watch(rig, ann, 'u199', 'u0', 'u1'), ['ok'], 'those watched already count once');
  assert.deepEqual(await watch(rig, ann, ...users), ['ok']);
  assert.deepEqual(await watch(rig, ann, 'other'), ['too_large']);
  await unwatch(rig, ann, 'u7');
  assert.deepEqual(await watch(rig, ann, 'other'), ['ok']);
  const tablet = await rig.join('ann', 'tablet');
  assert.deepEqual(await watch(rig, tablet, 'another'), ['ok'], 'each connection has its own');
});

test('with too many watched at the edge, others are refused for now', async () => {
  const rig = new Rig({ bounds: { watchedUsersMax: 3 } });
  const [ann, bob] = [await rig.join('ann'), await rig.join('bob')];
  await watch(rig, ann, 'u0', 'u1');
  rig.owners.watched.length = 0;
  assert.deepEqual(await watch(rig, bob, 'u2', 'u3'), ['overloaded']);
  bob.clear();
  bob.send({ t: 'watch', id: 5, users: ['u2', 'u3'] });
  await rig.settle();
  const [error] = bob.all('error');
  assert.deepEqual([error?.id, error?.retryable, error?.retryAfterMs], [5, true, 200]);
  assert.deepEqual(rig.owners.watched, []);
  assert.deepEqual(await watch(rig, bob, 'u2'), ['ok']);
  await unwatch(rig, ann, 'u0');
  assert.deepEqual(await watch(rig, bob, 'u3'), ['ok']);
});

test('a full edge lets those be watched whom it watches already', async () => {
  const rig = new Rig({ bounds: { watchedUsersMax: 3 } });
  const [ann, bob] = [await rig.join('ann'), await rig.join('bob')];
  await watch(rig, ann, 'u0', 'u1', 'u2');
  assert.deepEqual(await watch(rig, bob, 'u0', 'u1'), ['ok']);
  assert.deepEqual(await watch(rig, ann, 'u0'), ['ok']);
});

test('one named twice in a frame is watched, and told, once', async () => {
  const { rig, ann } = await watching('bob', 'bob');
  assert.deepEqual(rig.owners.watched, ['watch bob']);
  await state(rig, 'bob', true);
  assert.deepEqual(heard(ann), ['bob online']);
  assert.deepEqual(await watch(rig, ann, 'bob', 'bob'), ['ok', 'bob online']);
  assert.deepEqual(await unwatch(rig, ann, 'bob', 'bob'), ['ok']);
  assert.deepEqual(rig.owners.watched, ['watch bob', 'unwatch bob']);
});

test('S17.6 who is too slow is told the latest once, when there is room for it', async () => {
  const { rig, ann } = await watching('bob', 'cat', 'dan');
  const conv = convId(1);
  await rig.inbox('ann', [entryOf(conv)]);
  for (const user of ['bob', 'cat', 'dan']) await state(rig, user, true);
  ann.clear();
  ann.socket.isStuck = true;
  for (let seq = 2; seq < 200; seq++) {
    rig.event(audience(conv, ['ann']), seq, undefined, 10_000);
    if (seq % 5 === 0) await rig.settle();
  }
  assert.equal(rig.metrics.gauges.pullSockets, 1);
  await state(rig, 'bob', false, 5);
  await state(rig, 'bob', true, 5);
  await state(rig, 'cat', false, 6);
  await state(rig, 'cat', true, 6);
  await state(rig, 'cat', false, 8);
  ann.send({ t: 'watch', id: 9, users: ['dan'] });
  await rig.settle();
  ann.socket.unstick();
  await rig.settle();
  const all = heard(ann).filter((each) => each !== 'message');
  assert.deepEqual(all, ['ok', 'head', 'cat offline 8', 'dan online']);
  await state(rig, 'bob', false, 9);
  assert.deepEqual(heard(ann), ['bob offline 9']);
});

test('owners hear of an end with the last session that watches', async () => {
  const rig = new Rig();
  const [phone, tablet, dan] = [await rig.join('ann'), await rig.join('ann', 'd2'), await rig.join('dan')];
  for (const client of [phone, tablet, dan]) await watch(rig, client, 'bob', 'cat');
  rig.owners.watched.length = 0;
  assert.deepEqual(await unwatch(rig, phone, 'bob', 'nobody'), ['ok']);
  tablet.socket.hangUp(1_001);
  assert.deepEqual(rig.owners.watched, []);
  assert.deepEqual(await unwatch(rig, dan, 'bob'), ['ok']);
  assert.deepEqual(rig.owners.watched, ['unwatch bob']);
  dan.socket.hangUp(1_001);
  phone.socket.hangUp(1_001);
  assert.deepEqual(rig.owners.watched, ['unwatch bob', 'unwatch cat']);
  const eve = await rig.join('eve');
  assert.deepEqual(await watch(rig, eve, 'bob'), ['ok'], 'what was known of bob is forgotten');
  assert.deepEqual(rig.owners.watched.at(-1), 'watch bob');
});

test('a state of one whom nobody watches is told to nobody', async () => {
  const { rig, ann } = await watching('bob');
  await state(rig, 'zoe', true);
  assert.deepEqual(rig.owners.watched, ['watch bob']);
  assert.deepEqual(heard(ann), []);
  await unwatch(rig, ann, 'bob');
  await state(rig, 'bob', true);
  assert.deepEqual(rig.owners.watched, ['watch bob', 'unwatch bob']);
  assert.deepEqual(heard(ann), []);
});
