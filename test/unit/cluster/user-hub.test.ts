import assert from 'node:assert/strict';
import test from 'node:test';
import { UNSET, type UserRow } from '../../../src/core/users.ts';
import { START, UserRig } from './user-rig.ts';

/** Bob is online and watched at e1. */
async function watched(): Promise<UserRig> {
  const rig = new UserRig();
  rig.come('bob');
  await rig.watch('e1', 'bob');
  assert.deepEqual(rig.news(), ['e1 bob online']);
  return rig;
}

// --- coming and going ---

test('S17.2 who is back within 10 s was not away for those who watch', async () => {
  const rig = await watched();
  await rig.advance(1_000);
  rig.leave('bob');
  await rig.advance(9_900);
  rig.come('bob');
  await rig.advance(60_000);
  assert.deepEqual(rig.news(), []);
  assert.equal(rig.metrics.counts.presenceChanges, 0);
});

test('S17.2 S17.3 who is away for 10 s is offline since the time of leaving, told once', async () => {
  const rig = await watched();
  await rig.advance(1_000);
  rig.leave('bob');
  await rig.advance(9_999);
  assert.deepEqual(rig.news(), []);
  await rig.advance(1);
  assert.deepEqual(rig.news(), ['e1 bob offline 1000']);
  await rig.advance(60_000);
  assert.deepEqual(rig.news(), []);
  rig.come('bob');
  assert.deepEqual(rig.news(), ['e1 bob online'], 'at once');
  rig.come('bob'); // at another edge
  assert.deepEqual(rig.news(), []);
  assert.equal(rig.metrics.counts.presenceChanges, 2);
});

test('the last leaving counts', async () => {
  const rig = await watched();
  rig.leave('bob');
  await rig.advance(6_000);
  rig.come('bob');
  rig.leave('bob');
  await rig.advance(9_900);
  assert.deepEqual(rig.news(), []);
  await rig.advance(100);
  assert.deepEqual(rig.news(), ['e1 bob offline 6000']);
});

test('who is watched first while away for less than 10 s is online, and then is not', async () => {
  const rig = new UserRig();
  rig.come('bob');
  await rig.advance(500);
  rig.leave('bob');
  await rig.advance(4_000);
  await rig.watch('e1', 'bob');
  assert.deepEqual(rig.news(), ['e1 bob online']);
  await rig.advance(6_000);
  assert.deepEqual(rig.news(), ['e1 bob offline 500']);
});

// --- what is told, and when ---

test('a watch is answered when the stored row is read, and nothing is told before', async () => {
  const rig = new UserRig();
  rig.store.hold('read');
  const settings = { receipts: true, presence: 'nobody', at: 5 } as const;
  await rig.store.put({ user: 'bob', settings, seen: START - 7 });
  rig.come('bob');
  await rig.watch('e1', 'bob');
  rig.leave('bob');
  await rig.advance(11_000);
  rig.come('bob');
  rig.hub.tellAgain('e1');
  await rig.watch('e2', 'bob');
  assert.deepEqual(rig.news(), []);
  rig.store.release('read');
  await rig.system.settle();
  assert.deepEqual(rig.news(), ['e1 bob online nobody', 'e2 bob online nobody']);
  assert.equal(rig.store.reads, 1);
  rig.hub.watch('e1', 'bob');
  assert.deepEqual(rig.news(), ['e1 bob online nobody'], 'each watch is answered, now at once');
});

test('S17.3 who is offline is told with what is stored', async () => {
  const rig = new UserRig();
  const settings = { receipts: true, presence: 'contacts', at: 5 } as const;
  await rig.store.put({ user: 'bob', settings, seen: START - 7 });
  await rig.watch('e1', 'bob', 'cat');
  assert.deepEqual(rig.news(), ['e1 bob offline -7 contacts', 'e1 cat offline']);
});

test('offline is not told while edges have not said who is there, for 1 s at most', async () => {
  const rig = new UserRig();
  rig.online.isKnown = false;
  rig.online.users.add('ann');
  await rig.watch('e1', 'ann', 'bob');
  assert.deepEqual(rig.news(), ['e1 ann online'], 'one session is enough to know');
  await rig.advance(999);
  assert.deepEqual(rig.news(), []);
  await rig.advance(1);
  assert.deepEqual(rig.news(), ['e1 bob offline']);
  await rig.watch('e1', 'cat');
  await rig.advance(300);
  rig.online.isKnown = true;
  await rig.advance(100);
  assert.deepEqual(rig.news(), ['e1 cat offline'], 'sooner where they have');
  rig.online.isKnown = false;
  await rig.watch('e1', 'dan');
  rig.hub.unwatch('e1', 'dan');
  await rig.advance(5_000);
  assert.deepEqual(rig.news(), []);
});

test('who comes while that is in doubt is told once', async () => {
  const rig = new UserRig();
  rig.online.isKnown = false;
  await rig.watch('e1', 'bob');
  await rig.advance(200);
  rig.come('bob');
  await rig.advance(5_000);
  assert.deepEqual(rig.news(), ['e1 bob online']);
});

test('an edge is told again of all that it watches, and no other', async () => {
  const rig = await watched();
  await rig.watch('e1', 'cat');
  await rig.watch('e2', 'bob', 'dan');
  rig.news();
  rig.hub.tellAgain('e1');
  assert.deepEqual(rig.news(), ['e1 bob online', 'e1 cat offline']);
  rig.hub.tellAgain('e3');
  assert.deepEqual(rig.news(), []);
});

test('who is watched no more is not told of, and forgotten with the last edge', async () => {
  const rig = await watched();
  await rig.watch('e2', 'bob');
  rig.news();
  rig.hub.unwatch('e1', 'bob');
  rig.hub.unwatch('e1', 'bob');
  rig.leave('bob');
  await rig.advance(10_000);
  assert.deepEqual(rig.news(), ['e2 bob offline 0']);
  assert.equal(rig.metrics.gauges.watchedUsers, 1);
  rig.hub.unwatch('e2', 'bob');
  assert.equal(rig.metrics.gauges.watchedUsers, 0);
  rig.come('bob');
  rig.hub.tellAgain('e2');
  await rig.advance(20_000);
  assert.deepEqual(rig.news(), []);
  const { reads } = rig.store;
  await rig.watch('e2', 'bob');
  assert.equal(rig.store.reads, reads + 1, 'read anew');
  assert.deepEqual(rig.news(), ['e2 bob online']);
});

test('an edge that is gone watches nobody', async () => {
  const rig = await watched();
  await rig.watch('e2', 'bob');
  await rig.watch('e1', 'cat');
  rig.news();
  rig.hub.edgeGone('e1');
  rig.hub.edgeGone('e1');
  assert.equal(rig.metrics.gauges.watchedUsers, 1);
  rig.leave('bob');
  rig.come('cat');
  await rig.advance(10_000);
  assert.deepEqual(rig.news(), ['e2 bob offline 0']);
});

test('who is watched no more when the row is there is not told of', async () => {
  const rig = new UserRig();
  rig.store.hold('read');
  await rig.watch('e1', 'bob');
  rig.hub.unwatch('e1', 'bob');
  rig.store.release('read');
  await rig.advance(5_000);
  assert.deepEqual(rig.news(), []);
});

// --- reading ---

test('a row that cannot be read is read again after 1 s', async () => {
  const rig = new UserRig();
  rig.store.available = false;
  rig.come('bob');
  await rig.watch('e1', 'bob', 'cat');
  rig.hub.unwatch('e1', 'cat');
  assert.equal(rig.store.reads, 2);
  rig.store.available = true;
  await rig.advance(999);
  assert.deepEqual(rig.news(), []);
  await rig.advance(1);
  assert.deepEqual(rig.news(), ['e1 bob online']);
  assert.equal(rig.store.reads, 3, 'cat’s is not wanted any more');
  assert.deepEqual(rig.logged, []);
  rig.store.failure = new TypeError('a fault');
  await rig.watch('e1', 'dan');
  assert.deepEqual(rig.logged, ['a user was not read']);
  rig.store.failure = undefined;
  await rig.advance(1_000);
  assert.deepEqual(rig.news(), ['e1 dan offline']);
});

test('up to 64 rows are read at a time', async () => {
  const rig = new UserRig();
  const users = Array.from({ length: 150 }, (_, i) => `u${i}`);
  rig.store.hold('read');
  await rig.watch('e1', ...users);
  assert.equal(rig.store.reading, 64);
  rig.store.release('read');
  await rig.system.settle();
  assert.deepEqual(
    rig.news(),
    users.map((user) => `e1 ${user} offline`),
  );
});

// --- settings ---

test('S17.8 what is set is told and answered once it is durable, and what is not named stays', async () => {
  const rig = await watched();
  rig.store.hold('write');
  const first = rig.change('bob', { presence: 'nobody' });
  await rig.system.settle();
  assert.deepEqual([rig.news(), rig.said(first)], [[], 'nothing']);
  rig.store.release('write');
  await rig.system.settle();
  assert.deepEqual(rig.news(), ['e1 bob online nobody', 'settings bob true nobody']);
  assert.deepEqual(rig.answers.get(first), { t: 'ok', seq: undefined, members: undefined });
  const second = rig.change('bob', { receipts: false });
  const third = rig.change('cat', { presence: 'contacts' });
  await rig.system.settle();
  assert.deepEqual([rig.said(second), rig.said(third)], ['ok', 'ok']);
  const told = rig.news().filter((each) => each.startsWith('settings'));
  assert.deepEqual(told, ['settings bob false nobody', 'settings cat true contacts']);
  const { settings } = await rig.store.user('bob');
  assert.deepEqual(settings, { receipts: false, presence: 'nobody', at: START + 1 }, 'above the one before');
});

test('a change that overtakes the first read of one who is watched is not undone by it', async () => {
  const rig = new UserRig();
  rig.come('bob');
  const user = rig.store.user.bind(rig.store);
  let answer: (row: UserRow) => void = () => undefined;
  const first = new Promise<UserRow>((resolve) => (answer = resolve));
  rig.store.user = () => first;
  rig.hub.watch('e1', 'bob');
  rig.store.user = user;
  const request = rig.change('bob', { presence: 'nobody' });
  await rig.system.settle();
  assert.deepEqual([rig.said(request), rig.news()], ['ok', ['settings bob true nobody']]);
  answer({ user: 'bob', settings: UNSET, seen: 0 });
  await rig.system.settle();
  assert.deepEqual(rig.news(), ['e1 bob online nobody']);
});

test('S17.4 S17.7 an edge that asks again is told what was set at another node meanwhile', async () => {
  const rig = await watched();
  await rig.advance(10_000);
  const set = { receipts: true, presence: 'nobody', at: rig.system.now() } as const;
  await rig.store.changeSettings('bob', UNSET, set);
  await rig.watch('e2', 'bob');
  assert.deepEqual(rig.news().slice(-2), ['e1 bob online nobody', 'e2 bob online nobody']);
});

test('a change of what was changed meanwhile is refused, and its edge is told', async () => {
  const rig = new UserRig();
  const requests = [
    rig.change('bob', { receipts: false }),
    rig.change('bob', { presence: 'contacts' }),
    rig.change('bob', { receipts: false }),
  ];
  await rig.system.settle();
  assert.deepEqual(
    requests.map((request) => rig.said(request)),
    ['ok', 'unavailable', 'ok'],
    'the last one is so already',
  );
  const again = rig.change('bob', { presence: 'contacts' });
  await rig.system.settle();
  assert.equal(rig.said(again), 'ok');
  const { settings } = await rig.store.user('bob');
  assert.deepEqual(settings, { receipts: false, presence: 'contacts', at: START + 1 });
});

test('S17.10 a copy of a request that comes late undoes nothing', async () => {
  const rig = new UserRig();
  const first = rig.change('bob', { receipts: false });
  await rig.system.settle();
  const second = rig.change('bob', { receipts: true });
  await rig.system.settle();
  rig.hub.change({ ...first });
  await rig.system.settle();
  assert.deepEqual([rig.said(first), rig.said(second)], ['ok', 'ok']);
  assert.equal((await rig.store.user('bob')).settings.receipts, true);
});

test('S17.10 a change of unknown fate is followed: what is set is told, and nothing that is late changes it', async () => {
  for (const fate of ['unknown', 'unknownApplied'] as const) {
    const rig = await watched();
    rig.store.fates.push(fate);
    const request = rig.change('bob', { presence: 'nobody' });
    await rig.system.settle();
    assert.deepEqual([rig.said(request), rig.news()], ['unavailable', []]);
    await rig.advance(1_000);
    const is = fate === 'unknown' ? 'everyone' : 'nobody';
    const told = rig.news();
    assert.equal(told.at(-1), `settings bob true ${is}`);
    assert.equal(told.includes('e1 bob online nobody'), fate === 'unknownApplied');
    await rig.store.late();
    assert.equal((await rig.store.user('bob')).settings.presence, is);
  }
});

test('16 changes of one user and those of 4,096 users may wait, more are refused', async () => {
  const rig = new UserRig();
  rig.store.hold('read');
  const mine = Array.from({ length: 17 }, () => rig.change('bob', { receipts: false }));
  assert.deepEqual(rig.answers.get(mine[16]!), {
    t: 'error',
    code: 'overloaded',
    message: 'Too many changes wait to be written.',
    retryAfterMs: 500,
  });
  const others = Array.from({ length: 4_096 }, (_, i) => rig.change(`u${i}`, { receipts: false }));
  assert.deepEqual([rig.said(others[4_094]!), rig.said(others[4_095]!)], ['nothing', 'overloaded']);
  rig.store.release('read');
  await rig.system.settle();
  const counts = { ok: 0, overloaded: 0 };
  for (const request of [...mine, ...others]) counts[rig.said(request) as 'ok' | 'overloaded']++;
  assert.deepEqual(counts, { ok: 16 + 4_095, overloaded: 2 });
  const again = rig.change('bob', { receipts: true });
  await rig.system.settle();
  assert.equal(rig.said(again), 'ok');
});

test('while the store is away a change is refused, and those behind it are tried', async () => {
  const rig = await watched();
  rig.store.available = false;
  const refused = rig.change('bob', { presence: 'nobody' });
  await rig.system.settle();
  const { code, retryAfterMs } = { code: '', retryAfterMs: 0, ...rig.answers.get(refused) };
  assert.deepEqual([code, retryAfterMs, rig.news(), rig.logged], ['unavailable', 1_000, [], []]);
  rig.store.available = true;
  rig.store.failure = new TypeError('a fault');
  const failed = rig.change('bob', { presence: 'nobody' });
  await rig.system.settle();
  assert.deepEqual([rig.said(failed), rig.logged], ['unavailable', ['settings were not changed']]);
  rig.store.failure = undefined;
  const done = rig.change('bob', { presence: 'nobody' });
  await rig.system.settle();
  assert.deepEqual([rig.said(done), rig.news()[0]], ['ok', 'e1 bob online nobody']);
});
