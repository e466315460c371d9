import assert from 'node:assert/strict';
import test from 'node:test';
import { LastSeen } from '../../../cluster/users/last-seen.ts';
import type { UserRow } from '../../../src/core/users.ts';
import { SILENT } from './host-rig.ts';
import { START, UserRig } from './user-rig.ts';

const PENDING_MAX = 131_072;

test('the time of leaving is written once, when the user is gone', async () => {
  const rig = new UserRig();
  await rig.advance(700);
  rig.leave('bob');
  await rig.advance(9_900);
  assert.deepEqual(rig.lastSeen(), []);
  await rig.advance(200);
  assert.deepEqual(rig.lastSeen(), [['bob 700']]);
  assert.deepEqual((await rig.store.user('bob')).seen, START + 700);
  await rig.advance(600_000);
  assert.deepEqual(rig.lastSeen(), []);
  assert.equal(rig.metrics.counts.lastSeenWrites, 1);
});

test('it changes nothing of what the user has set', async () => {
  const rig = new UserRig();
  rig.change('bob', { receipts: false, presence: 'nobody' });
  await rig.system.settle();
  const { settings } = await rig.store.user('bob');
  rig.leave('bob');
  await rig.advance(11_000);
  assert.deepEqual(await rig.store.user('bob'), { user: 'bob', settings, seen: START });
});

test('who comes back in time is not written', async () => {
  const rig = new UserRig();
  rig.leave('bob');
  await rig.advance(9_000);
  rig.hub.came('bob');
  await rig.advance(20_000);
  assert.deepEqual(rig.lastSeen(), []);
});

test('up to 64 are written at a time, one write after the other', async () => {
  const rig = new UserRig();
  for (let i = 0; i < 150; i++) rig.leave(`u${i}`);
  await rig.advance(9_900);
  rig.store.hold('write');
  await rig.advance(2_000);
  assert.deepEqual(
    rig.lastSeen().map((rows) => rows.length),
    [64],
  );
  rig.store.release('write');
  await rig.advance(2_000);
  assert.deepEqual(
    rig.lastSeen().map((rows) => rows.length),
    [64, 22],
  );
  for (const i of [0, 63, 64, 149]) assert.equal((await rig.store.user(`u${i}`)).seen, START);
});

test('what is not written is tried again after 2 s', async () => {
  const rig = new UserRig();
  rig.leave('bob');
  await rig.advance(9_900);
  rig.store.available = false;
  await rig.advance(200);
  assert.deepEqual(rig.lastSeen(), [['bob 0']]);
  await rig.advance(1_900);
  assert.deepEqual(rig.lastSeen(), []);
  await rig.advance(100);
  assert.deepEqual(rig.lastSeen(), [['bob 0']]);
  rig.store.available = true;
  await rig.advance(2_000);
  assert.deepEqual(rig.lastSeen(), [['bob 0']]);
  assert.deepEqual([(await rig.store.user('bob')).seen, rig.metrics.counts.lastSeenWrites], [START, 1]);
  assert.deepEqual(rig.logged, []);
  rig.store.failure = new TypeError('a fault');
  rig.leave('cat');
  await rig.advance(10_100);
  assert.deepEqual(rig.logged, ['when users were last seen was not written']);
});

test('a later time that comes during the write is written after it', async () => {
  const rig = new UserRig();
  rig.store.hold('write');
  rig.leave('bob');
  await rig.advance(10_000);
  rig.leave('bob');
  await rig.advance(10_000);
  rig.store.release('write');
  await rig.advance(200);
  assert.deepEqual(rig.lastSeen(), [['bob 0'], ['bob 10000']]);
  await rig.advance(5_000);
  assert.deepEqual(rig.lastSeen(), []);
});

test('what is not written yet is told to who begins to watch', async () => {
  const rig = new UserRig();
  rig.store.hold('write');
  await rig.advance(300);
  rig.leave('bob');
  await rig.advance(15_000);
  await rig.watch('e1', 'bob');
  assert.deepEqual(rig.news(), ['e1 bob offline 300']);
});

test('what waits beyond the bound is dropped, the oldest first', () => {
  const rig = new UserRig();
  const { store, system, metrics, online } = rig;
  const lastSeen = new LastSeen({ store, system, metrics, online, logger: SILENT, isHome: () => true });
  for (let i = 0; i < PENDING_MAX; i++) lastSeen.note(`u${i}`, START + 1);
  lastSeen.note('u0', START + 2);
  assert.deepEqual([lastSeen.pending('u0'), rig.metrics.counts.lastSeenDropped], [START + 2, 0]);
  lastSeen.note('one more', START + 3);
  assert.equal(rig.metrics.counts.lastSeenDropped, 1);
  const pending = ['u0', 'u1', 'u2', 'one more'].map((user) => lastSeen.pending(user));
  assert.deepEqual(pending, [START + 2, 0, START + 1, START + 3]);
});

test('another node’s users are not written, neither as they go nor while they stay', async () => {
  const rig = new UserRig();
  rig.isHome = (user) => user !== 'bob';
  for (const user of ['bob', 'cat']) {
    rig.come(user);
    await rig.watch('e1', user);
  }
  await rig.advance(1_000);
  for (const user of ['bob', 'cat']) rig.leave(user);
  await rig.advance(30_000);
  assert.equal((await rig.store.user('bob')).seen, 0);
  assert.equal((await rig.store.user('cat')).seen, START + 1_000);
  assert.ok(rig.news().includes('e1 bob offline 1000'), 'but told of');
});

test('those who stay are written again, each once in a round of 5 min', async () => {
  const rig = new UserRig();
  const rows: Pick<UserRow, 'user' | 'seen'>[] = [];
  for (let i = 0; i < 6_000; i++) rig.come(`u${i}`);
  await rig.advance(300_100);
  for (const write of rig.store.writes.splice(0)) rows.push(...write);
  assert.equal(rows.length, 6_000);
  assert.equal(new Set(rows.map(({ user }) => user)).size, 6_000);
  for (const { user, seen } of rows.filter((_, i) => i % 500 === 0))
    assert.equal((await rig.store.user(user)).seen, seen);
  const times = rows.map(({ seen }) => seen - START);
  assert.deepEqual([times[0], times[1], times[5_999]], [100, 100, 300_000], 'at an even rate');
});

test('one who stays is written at most once in 5 min', async () => {
  const rig = new UserRig();
  rig.come('bob');
  await rig.advance(600_000);
  const { length } = rig.lastSeen();
  assert.ok(length >= 1 && length <= 3, `${length} writes in 10 min`);
});
