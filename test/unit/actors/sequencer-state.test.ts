import assert from 'node:assert/strict';
import test from 'node:test';
import { projectionOf, settleProjection } from '../../../actors/projection.ts';
import { SequencerState } from '../../../actors/sequencer-state.ts';
import type { ProjectionWrite } from '../../../src/core/rows.ts';
import { cmid, members, read, send } from './requests.ts';
import { Stage } from './stage.ts';

/** The state that a later actor starts with, the small tables being as `establish` left them. */
function reopened(stage: Stage): SequencerState {
  const activation = stage.activation(stage.rows);
  return new SequencerState(activation, stage.rows.conversation);
}

const inboxOf = (write: ProjectionWrite): string[] =>
  write.inbox.map(
    ({ user, entry }) => `${user}:${entry.removed === undefined ? entry.role : `removed ${entry.removed}`}`,
  );

test('S8.11: what a later actor reads from the log is what the earlier one knew', () => {
  const stage = Stage.group('ann', 'bob', 'cat');
  stage.settle(send('bob', cmid(1), { text: 'hello' }), send('ann', cmid(2)));
  stage.now += 1_000;
  stage.settle(
    members('ann', { op: 'remove', users: ['cat'] }),
    members('ann', { op: 'add', users: ['dan'] }),
  );
  stage.settle(send('dan', cmid(3)), members('ann', { op: 'role', roles: [['bob', 'admin']] }));
  const state = reopened(stage);
  for (const user of ['ann', 'bob', 'cat', 'dan', 'eve'])
    assert.deepEqual(state.entryFor(user), stage.actor.entryFor(user), user);
  assert.deepEqual([state.head, state.n, state.version], [7, 3, 7]);
  assert.deepEqual(state.audience, { conv: state.conv, version: 7, users: ['ann', 'bob', 'dan'] });
  assert.deepEqual(inboxOf(projectionOf(state, undefined)), inboxOf(stage.actor.projection(undefined)));
});

test('S5.6: the window is filled from the rows, and knows where it begins', () => {
  const stage = Stage.group('ann', 'bob');
  for (let i = 0; i < 1_500; i++) stage.settle(send('ann', cmid(i)));
  const state = reopened(stage);
  assert.deepEqual([state.window.size, state.window.coversFrom], [1_024, 478]);
  assert.equal(state.window.find('ann', 'phone', cmid(1_499))?.seq, 1_501);
  assert.equal(state.window.find('ann', 'phone', cmid(475)), undefined);
  const later = new Stage(stage.activation(stage.rows));
  const [same, other] = [send('ann', cmid(1_400)), send('ann', cmid(1_400), { text: 'other' })];
  later.settle(same, other);
  assert.deepEqual([later.said(same), later.said(other)], ['ack 1402 again', 'conflict']);
});

test('S8.9, S4.10: own messages in the rows move the cursor, those of an earlier membership do not', () => {
  const stage = Stage.group('ann', 'bob');
  stage.settle(send('bob', cmid(1)), members('ann', { op: 'remove', users: ['bob'] }), send('ann', cmid(2)));
  stage.settle(members('ann', { op: 'add', users: ['bob'] }), send('ann', cmid(3)));
  const state = reopened(stage);
  assert.deepEqual([state.entryFor('bob')?.read, state.entryFor('bob')?.unread], [5, 1]);
  assert.deepEqual([state.entryFor('ann')?.read, state.entryFor('ann')?.unread], [6, 0]);
});

test('a projection that was not written is written whole by a later actor: roles, joins, leavings, version', () => {
  const stage = Stage.group('ann', 'bob', 'cat');
  stage.settle(
    members('ann', { op: 'remove', users: ['bob'] }),
    members('ann', { op: 'add', users: ['dan'] }),
  );
  const write = projectionOf(reopened(stage), undefined);
  assert.equal(write.conversation?.version, 3);
  assert.deepEqual(
    write.members.map(({ user, join, left }) => [user, join, left]),
    [
      ['ann', 1, 0],
      ['cat', 1, 0],
      ['dan', 3, 0],
      ['bob', 1, 2],
    ],
  );
  assert.deepEqual(inboxOf(write), ['ann:owner', 'cat:member', 'dan:member', 'bob:removed 2']);
});

test('small tables that ran ahead of their version are no harm to the replay', () => {
  const stage = Stage.group('ann', 'bob', 'cat');
  stage.settle(members('ann', { op: 'add', users: ['dan'] }));
  stage.settle(members('ann', { op: 'remove', users: ['bob'] }));
  stage.settle(send('dan', cmid(1)));
  const ahead = stage.actor.projection(undefined).members;
  const rows = new Map([...stage.rows.members, ...ahead].map((row) => [row.user, row]));
  const activation = stage.activation({ conversation: stage.rows.conversation, members: [...rows.values()] });
  const state = new SequencerState(activation, stage.rows.conversation);
  assert.deepEqual(new Set(state.members.keys()), new Set(['ann', 'cat', 'dan']));
  assert.deepEqual([state.members.get('dan')?.join, state.members.get('dan')?.read], [2, 4]);
  assert.equal(state.version, 3);
});

test('after a write only what it held is clean: what changed since is written again', () => {
  const stage = Stage.group('ann', 'bob', 'cat');
  stage.settle(send('ann', cmid(1)), members('ann', { op: 'remove', users: ['cat'] }));
  const write = stage.actor.projection(undefined);
  assert.deepEqual(
    write.members.map((row) => row.user),
    ['ann', 'cat'],
  );
  stage.settle(
    send('bob', cmid(2)),
    send('ann', cmid(3)),
    members('ann', { op: 'role', roles: [['bob', 'admin']] }),
  );
  stage.actor.projected(write);
  const next = stage.actor.projection(new Set());
  assert.deepEqual(
    next.members.map(({ user, role, read: seq, left }) => [user, role, seq, left]),
    [
      ['ann', 'owner', 5, 0],
      ['bob', 'admin', 4, 0],
    ],
  );
  assert.deepEqual(
    [next.conversation?.version, next.inbox],
    [6, []],
    'who left was written, and is done with',
  );
  assert.equal(stage.actor.entryFor('cat'), undefined);
  stage.actor.projected(next);
  const last = stage.actor.projection(new Set(['bob']));
  assert.deepEqual([last.members, last.conversation, inboxOf(last)], [[], undefined, ['bob:admin']]);
});

test('a write that reports late takes no newer version back', () => {
  const stage = Stage.group('ann', 'bob');
  const state = reopened(stage);
  stage.settle(members('ann', { op: 'add', users: ['cat'] }));
  const newer = reopened(stage);
  const old = { ...projectionOf(newer, undefined), conversation: { ...newer.conversation, version: 0 } };
  settleProjection(newer, projectionOf(newer, undefined));
  settleProjection(newer, old);
  assert.equal(newer.conversation.version, 2);
  assert.equal(projectionOf(state, undefined).conversation, undefined);
});

test('who left and came back before the write is a member in it, and nothing else', () => {
  const stage = Stage.group('ann', 'bob');
  stage.settle(members('bob', { op: 'leave' }), members('ann', { op: 'add', users: ['bob'] }));
  const write = stage.actor.projection(undefined);
  assert.deepEqual(inboxOf(write), ['ann:owner', 'bob:member']);
  assert.deepEqual(
    write.members.filter(({ user }) => user === 'bob').map(({ join, left }) => [join, left]),
    [[3, 0]],
  );
});

test('a cursor that moved is in the next write, one that did not is not', () => {
  const stage = Stage.group('ann', 'bob');
  stage.settle(send('ann', cmid(1)));
  stage.actor.projected(stage.actor.projection(undefined));
  stage.turn(read('bob', 2), read('ann', 1));
  assert.deepEqual(
    stage.actor.projection(new Set()).members.map(({ user, read: seq, readN }) => [user, seq, readN]),
    [['bob', 2, 1]],
  );
});

test('only so many ended memberships wait to be written; beyond, changes are overloaded', () => {
  const stage = Stage.group('ann');
  const names = (round: number): string[] => Array.from({ length: 255 }, (_, i) => `u${round}-${i}`);
  for (let round = 0; round < 5; round++) {
    stage.settle(members('ann', { op: 'add', users: names(round) }));
    stage.settle(members('ann', { op: 'remove', users: names(round) }));
  }
  const more = members('ann', { op: 'add', users: ['late'] });
  stage.settle(more);
  assert.equal(stage.said(more), 'overloaded');
  stage.actor.projected(stage.actor.projection(undefined));
  const again = members('ann', { op: 'add', users: ['late'] });
  stage.settle(again);
  assert.equal(stage.said(again), 'ok 12');
});
