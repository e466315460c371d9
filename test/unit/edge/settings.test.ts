import assert from 'node:assert/strict';
import test from 'node:test';
import type { Inbox } from '../../../src/core/rows.ts';
import { homeOf, type UserSettings, type Visibility } from '../../../src/core/users.ts';
import { audience, type Client, convId, entryOf, Rig } from './rig.ts';

const conv = convId(1);

function settings(at: number, receipts: boolean, presence: Visibility = 'everyone'): UserSettings {
  return { receipts, presence, at };
}

async function store(rig: Rig, user: string, set: UserSettings): Promise<void> {
  await rig.store.changeSettings(user, await rig.store.settings(user), set);
}

async function tell(rig: Rig, user: string, set: UserSettings): Promise<void> {
  rig.edge.deliver({ t: 'settings', user, settings: set });
  await rig.settle();
}

async function welcomeOf(rig: Rig, user: string, device = 'd9'): Promise<[Client, unknown]> {
  const client = rig.connect();
  client.send({ t: 'hello', token: `dev:${user}`, device });
  await rig.settle();
  const [welcome] = client.all('welcome');
  return [client, welcome?.prefs];
}

/** Of the last `read`: whether it is to be hidden. */
function hides(rig: Rig, client: Client): boolean | undefined {
  client.send({ t: 'read', conv, seq: 1 });
  const request = rig.owners.requests.at(-1);
  return request?.t === 'read' ? request.isHidden : undefined;
}

test('S17.9 `welcome` tells what the user has set', async () => {
  const rig = new Rig();
  const [, unset] = await welcomeOf(rig, 'ann');
  assert.deepEqual(unset, { receipts: true, presence: 'everyone' });
  await store(rig, 'bob', settings(5, false, 'contacts'));
  const [client, set] = await welcomeOf(rig, 'bob');
  assert.deepEqual(set, { receipts: false, presence: 'contacts' });
  assert.deepEqual(client.all('prefs'), [], 'and nothing more');
});

test('a change goes to all the user’s sessions, in their subprotocols, and to nobody else', async () => {
  const rig = new Rig();
  const mine = [await rig.join('ann'), await rig.join('ann', 'd2', 'json')];
  const bob = await rig.join('bob');
  await tell(rig, 'ann', settings(5, false, 'nobody'));
  for (const client of mine)
    assert.deepEqual(client.received, [{ t: 'prefs', receipts: false, presence: 'nobody' }]);
  assert.deepEqual(bob.received, []);
  await tell(rig, 'zoe', settings(5, false));
});

test('what was set earlier does not undo what was set later', async () => {
  const rig = new Rig();
  const ann = await rig.join('ann');
  await tell(rig, 'ann', settings(7, false));
  ann.clear();
  await tell(rig, 'ann', settings(6, true));
  await tell(rig, 'ann', settings(7, true));
  assert.deepEqual([ann.received, hides(rig, ann)], [[], true]);
  await tell(rig, 'ann', settings(8, true));
  assert.deepEqual(
    [ann.received, hides(rig, ann)],
    [[{ t: 'prefs', receipts: true, presence: 'everyone' }], false],
  );
});

test('what a newcomer’s inbox shows is told to the user’s other sessions too', async () => {
  const rig = new Rig();
  const ann = await rig.join('ann');
  await store(rig, 'ann', settings(5, false));
  const [, prefs] = await welcomeOf(rig, 'ann');
  assert.deepEqual(prefs, { receipts: false, presence: 'everyone' });
  assert.deepEqual(ann.received, [{ t: 'prefs', receipts: false, presence: 'everyone' }]);
});

test('what is told while the inbox is read is in the `welcome`', async () => {
  const rig = new Rig();
  const inbox = rig.store.inbox.bind(rig.store);
  let go = (): void => undefined;
  const held = new Promise<void>((resolve) => (go = resolve));
  rig.store.inbox = async (user): Promise<Inbox> => {
    const read = await inbox(user);
    await held;
    return read;
  };
  const client = rig.connect();
  client.send({ t: 'hello', token: 'dev:ann', device: 'd1' });
  await tell(rig, 'ann', settings(5, false, 'nobody'));
  assert.equal(client.received.length, 0);
  go();
  await rig.settle();
  assert.deepEqual(
    client.received.map((frame) => (frame.t === 'welcome' ? frame.prefs : frame.t)),
    [{ receipts: false, presence: 'nobody' }],
  );
});

test('a session that is too slow is told the latest once', async () => {
  const rig = new Rig();
  await rig.inbox('ann', [entryOf(conv)]);
  const [slow, other] = [await rig.join('ann'), await rig.join('ann', 'd2')];
  slow.socket.isStuck = true;
  for (let seq = 2; seq < 200; seq++) {
    rig.event(audience(conv, ['ann']), seq, undefined, 10_000);
    if (seq % 5 === 0) await rig.settle();
  }
  await tell(rig, 'ann', settings(5, false));
  await tell(rig, 'ann', settings(6, false, 'nobody'));
  assert.equal(other.all('prefs').length, 2);
  slow.socket.unstick();
  await rig.settle();
  assert.deepEqual(slow.all('prefs'), [{ t: 'prefs', receipts: false, presence: 'nobody' }]);
});

test('a `read` is hidden if the user hides receipts at that time', async () => {
  const rig = new Rig();
  await store(rig, 'ann', settings(5, false));
  const [ann, bob] = [await rig.join('ann'), await rig.join('bob')];
  assert.deepEqual([hides(rig, ann), hides(rig, bob)], [true, false]);
  await tell(rig, 'ann', settings(6, true, 'nobody'));
  await tell(rig, 'bob', settings(6, false));
  assert.deepEqual([hides(rig, ann), hides(rig, bob)], [false, true]);
  await tell(rig, 'ann', settings(7, false));
  assert.equal(hides(rig, ann), true);
});

test('a resync brings what was missed, and tells it', async () => {
  const rig = new Rig();
  const ann = await rig.join('ann');
  await store(rig, 'ann', settings(5, false, 'contacts'));
  assert.equal(hides(rig, ann), false);
  rig.edge.resync('ann');
  await rig.settle();
  assert.deepEqual(ann.received, [{ t: 'prefs', receipts: false, presence: 'contacts' }]);
  assert.equal(hides(rig, ann), true);
  rig.edge.resync('ann');
  await rig.settle();
  assert.equal(ann.received.length, 1, 'once');
});

test('the settings of all conversations are asked of the user’s home, those of one of its owner', async () => {
  const rig = new Rig();
  const ann = await rig.join('ann');
  ann.send({ t: 'prefs', id: 5, receipts: false, presence: 'nobody' });
  ann.send({ t: 'prefs', id: 6, presence: 'contacts' });
  ann.send({ t: 'prefs', id: 7, conv, pin: true });
  const [all, part, one] = rig.owners.requests;
  assert.ok(all?.t === 'settings' && part?.t === 'settings' && one?.t === 'prefs');
  assert.deepEqual([all.conv, all.user, all.receipts, all.presence], [homeOf('ann'), 'ann', false, 'nobody']);
  assert.deepEqual([part.receipts, part.presence], [undefined, 'contacts']);
  assert.deepEqual([one.conv, one.pin], [conv, true]);
  assert.deepEqual(ann.received, []);
  rig.answer(all, { t: 'ok', seq: undefined, members: undefined });
  rig.answer(part, { t: 'error', code: 'unavailable', message: 'away', retryAfterMs: 1_000 });
  await rig.settle();
  assert.deepEqual(ann.answerTo(5), [{ t: 'ok', id: 5 }]);
  const [error] = ann.all('error');
  assert.deepEqual([error?.id, error?.code, error?.retryAfterMs], [6, 'unavailable', 1_000]);
});
