import assert from 'node:assert/strict';
import test from 'node:test';
import { cmid, members, send, typing } from './requests.ts';
import { Stage } from './stage.ts';

test('S15.1: who types is told to all, makes no event, and costs nothing that is written', () => {
  const stage = Stage.group('ann', 'bob', 'cat');
  const request = typing('bob');
  stage.settle(request);
  assert.deepEqual([stage.spoken, stage.said(request)], [['typing bob true'], 'nothing']);
  assert.deepEqual([stage.actor.head, stage.cursors, stage.projected], [1, [], []]);
  const [told] = stage.deliveries;
  assert.ok(told?.t === 'typing');
  assert.deepEqual(told.audience.users, ['ann', 'bob', 'cat']);
});

test('S15.2: a user is told to type once in 3 s, and to have stopped once, within the 6 s that it counts', () => {
  const stage = Stage.group('ann', 'bob');
  const steps: [afterMs: number, user: string, on: boolean, told: number][] = [
    [0, 'bob', true, 1],
    [1_000, 'bob', true, 1],
    [0, 'ann', true, 2], // each has a clock of their own
    [1_999, 'bob', true, 2],
    [1, 'bob', true, 3],
    [500, 'bob', false, 4],
    [0, 'bob', false, 4],
    [500, 'bob', true, 5],
    [6_000, 'bob', false, 5], // it counts no more: there is nothing to take back
    [0, 'bob', true, 6],
  ];
  for (const [afterMs, user, on, told] of steps) {
    stage.now += afterMs;
    stage.settle(typing(user, on));
    assert.equal(stage.spoken.length, told, `${user} ${on} after ${afterMs} ms`);
  }
});

test('a clock that is set back does not silence anyone for long', () => {
  const stage = Stage.group('ann', 'bob');
  stage.settle(typing('bob'));
  stage.now -= 3_600_000;
  stage.settle(typing('bob'));
  assert.equal(stage.spoken.length, 2);
});

test('S3.8: strangers do not type, and one who was removed does not either', () => {
  const stage = Stage.group('ann', 'bob');
  stage.settle(send('ann', cmid(1)), members('ann', { op: 'remove', users: ['bob'] }));
  const asked = [typing('bob'), typing('zoe', false)];
  stage.quiet().settle(...asked);
  assert.deepEqual([...asked.map((each) => stage.said(each)), ...stage.spoken], ['not_member', 'not_member']);
});
