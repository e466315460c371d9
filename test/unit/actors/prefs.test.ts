import assert from 'node:assert/strict';
import test from 'node:test';
import { add, members, prefs, remove, send, cmid } from './requests.ts';
import { Stage } from './stage.ts';

const FENCE_UNIT = 2 ** 20;

test('S16.1: what is set is the user’s alone, and what a request does not name stays', () => {
  const stage = Stage.group('ann', 'bob');
  stage.settle(
    prefs('bob', { mute: 5, pin: true }),
    prefs('bob', { archive: true }),
    prefs('bob', { mute: 0 }),
  );
  const shown = (user: string): unknown[] => {
    const { mute, pin, archive } = stage.actor.entryFor(user) ?? {};
    return [mute, pin, archive];
  };
  assert.deepEqual(shown('bob'), [undefined, true, true]);
  assert.deepEqual(shown('ann'), [undefined, undefined, undefined]);
  assert.equal(stage.actor.head, 1, 'no event');
});

test('S16.2: it is answered once it is written, and not before', () => {
  const stage = Stage.group('ann', 'bob');
  const request = prefs('bob', { pin: true });
  stage.settle(request);
  assert.deepEqual([stage.settling, stage.answers.get(request)], [[request], undefined]);
  const { members: rows, inbox } = stage.actor.projection(new Set(['bob']));
  const at = FENCE_UNIT + 1;
  assert.deepEqual(
    rows.map(({ user, prefs: set }) => [user, set]),
    [['bob', { mute: 0, pin: true, archive: false, at }]],
  );
  assert.deepEqual(
    inbox.map(({ user, entry }) => [user, entry.set, entry.pin]),
    [['bob', at, true]],
  );
});

test('a change while one is being written is written too', () => {
  const stage = Stage.group('ann', 'bob');
  stage.settle(prefs('bob', { pin: true }));
  const first = stage.actor.projection(new Set(['bob']));
  stage.settle(prefs('bob', { pin: false }));
  stage.actor.projected(first);
  const [row] = stage.actor.projection(new Set(['bob'])).members;
  assert.deepEqual(row?.prefs, { mute: 0, pin: false, archive: false, at: FENCE_UNIT + 2 });
  stage.actor.projected(stage.actor.projection(new Set(['bob'])));
  assert.deepEqual(stage.actor.projection(new Set(['bob'])).members, []);
});

test('S16.3: the next term starts with it, under a time of its own that is above all of the last one’s', () => {
  const stage = Stage.group('ann', 'bob');
  stage.settle(prefs('bob', { mute: 7, archive: true }));
  const { members: rows, head, tail, conversation } = stage.actor.handOver();
  const next = new Stage({
    conv: stage.actor.conv,
    fence: 2,
    conversation,
    members: rows,
    head,
    tail,
    unprojected: [],
  });
  assert.deepEqual(
    next.actor.projection(new Set(['bob'])).inbox.map(({ entry }) => [entry.mute, entry.archive, entry.set]),
    [[7, true, 2 * FENCE_UNIT]],
  );
});

test('S16.4: who comes back has set nothing; who is none sets nothing', () => {
  const stage = Stage.group('ann', 'bob');
  stage.settle(prefs('bob', { pin: true }), members('ann', remove('bob')));
  const late = prefs('bob', { pin: true });
  stage.settle(late);
  assert.equal((stage.answers.get(late) as { code?: string }).code, 'not_member');
  stage.settle(members('ann', add('bob')), send('ann', cmid(1)));
  assert.equal(stage.actor.entryFor('bob')?.pin, undefined);
  const [row] = stage.actor
    .projection(undefined)
    .members.filter(({ user, left }) => user === 'bob' && left === 0);
  assert.deepEqual(
    [row?.prefs?.pin, (row?.prefs?.at ?? 0) > FENCE_UNIT + 1],
    [false, true],
    'and that is written',
  );
});

test('what is set together with a change of the members is kept', () => {
  const stage = Stage.group('ann', 'bob');
  stage.settle(members('ann', { op: 'role', roles: [['bob', 'admin']] }), prefs('bob', { pin: true }));
  assert.deepEqual([stage.actor.entryFor('bob')?.role, stage.actor.entryFor('bob')?.pin], ['admin', true]);
});
