import assert from 'node:assert/strict';
import test from 'node:test';
import type { MembersEvent } from '../../../actors/membership.ts';
import type { MembersRequest } from '../../../src/core/requests.ts';
import { messageKind, messageText } from '../../../src/protocol/message-frame.ts';
import { add, cmid, history, members, read, send, remove } from './requests.ts';
import { Stage } from './stage.ts';

function eventAt(stage: Stage, seq: number): MembersEvent {
  const env = stage.log[seq - 1]?.env as Uint8Array;
  assert.equal(messageKind(env), 'sys.members');
  return JSON.parse(messageText(env)) as MembersEvent;
}

test('S3.14, S3.15, S3.19: who is added gets conversation, then the event, and all get it before the ok', () => {
  const stage = Stage.group('ann', 'bob');
  const change = members('ann', add('cat', 'dan', 'bob'));
  stage.turn(change);
  assert.deepEqual([stage.spoken, stage.said(change)], [[], 'nothing']);
  stage.commit();
  assert.deepEqual(stage.spoken, ['cat:head 1', 'dan:head 1', '2>ann,bob,cat,dan']);
  assert.equal(stage.said(change), 'ok 2');
  assert.deepEqual(eventAt(stage, 2), { add: ['cat', 'dan'] });
  assert.equal(stage.messages[0]?.exceptSession, 0, 'the asking socket gets the event too');
  assert.deepEqual(new Set(stage.projected), new Set(['cat', 'dan', undefined]));
});

test('S3.16: who is removed gets conversation with the event’s seq, and nothing of that seq or above', () => {
  const stage = Stage.group('ann', 'bob', 'cat');
  stage.settle(send('bob', cmid(1)));
  stage.quiet().settle(members('ann', remove('bob')), send('ann', cmid(2)));
  assert.deepEqual(stage.spoken, ['bob:removed 3', '3>ann,cat', '4>ann,cat']);
  const [gone] = stage.entries;
  assert.deepEqual([gone?.entry.head, gone?.entry.preview, gone?.entry.unread], [2, undefined, 0]);
  const asked = [send('bob', cmid(3)), history('bob'), members('bob'), read('bob', 1)];
  stage.settle(...asked);
  assert.deepEqual(
    asked.map((each) => stage.said(each)),
    asked.map(() => 'not_member'),
  );
});

test('S3.16, S3.18: who leaves is told so, and may not read; who is added again may read all', () => {
  const stage = Stage.group('ann', 'bob');
  const leave = members('bob', { op: 'leave' });
  stage.settle(leave);
  assert.deepEqual([stage.spoken, stage.said(leave)], [['bob:removed 2', '2>ann'], 'ok 2']);
  const outside = history('bob');
  stage.settle(outside);
  assert.equal(stage.said(outside), 'not_member');
  stage.quiet().settle(members('ann', add('bob')));
  assert.deepEqual(stage.spoken, ['bob:head 2', '3>ann,bob']);
  const inside = history('bob', { after: 0 });
  stage.settle(inside);
  assert.equal(stage.said(inside), 'page of 3');
  assert.deepEqual([stage.entries[0]?.entry.removed, stage.entries[0]?.entry.unread], [undefined, 0]);
});

test('S3.12: the last owner’s leave makes an heir in the same event, who is told the new role after it', () => {
  const stage = Stage.group('ann', 'bob', 'cat');
  stage.settle(members('ann', { op: 'role', roles: [['cat', 'admin']] }));
  stage.quiet().settle(members('ann', { op: 'leave' }));
  assert.deepEqual(eventAt(stage, 3), { leave: 'ann', role: [['cat', 'owner']] });
  assert.deepEqual(stage.spoken, ['ann:removed 3', '3>bob,cat', 'cat:head 3']);
  assert.equal(stage.entries[1]?.entry.role, 'owner');
});

test('S3.9, S3.13: what is already so makes no event, and is answered with the last change’s seq; a list tells all', () => {
  const stage = Stage.group('ann', 'bob');
  stage.settle(members('ann', add('cat')), send('bob', cmid(1)));
  const same = [
    members('ann', add('bob')),
    members('ann', remove('eve')),
    members('ann', { op: 'role', roles: [['bob', 'member']] }),
  ];
  const list = members('cat');
  stage.settle(...same, list);
  assert.deepEqual(
    [...same, list].map((each) => stage.said(each)),
    ['ok 2', 'ok 2', 'ok 2', 'ok 2'],
  );
  assert.equal(stage.log.length, 3);
  assert.deepEqual(stage.answers.get(list), {
    t: 'ok',
    seq: 2,
    members: [
      ['ann', 'owner'],
      ['bob', 'member'],
      ['cat', 'member'],
    ],
  });
});

test('S3.10: a list of changes is all or nothing', () => {
  const stage = Stage.group('ann', 'bob', 'cat', 'dan');
  stage.settle(
    members('ann', {
      op: 'role',
      roles: [
        ['bob', 'admin'],
        ['cat', 'admin'],
      ],
    }),
  );
  const changes = [
    members('bob', remove('dan', 'cat')),
    members('ann', {
      op: 'role',
      roles: [
        ['dan', 'admin'],
        ['eve', 'admin'],
      ],
    }),
  ];
  stage.settle(...changes);
  assert.deepEqual(
    changes.map((each) => stage.said(each)),
    ['forbidden', 'invalid'],
  );
  assert.deepEqual([stage.log.length, stage.actor.users.length], [2, 4]);
});

test('a refusal that rests on a change of the same batch waits for it, and is decided anew if it fails', () => {
  const cases: [MembersRequest, ReturnType<typeof send> | MembersRequest, string, string][] = [
    [members('ann', remove('bob')), send('bob', cmid(1)), 'not_member', 'ack 2'],
    [members('ann', remove('bob')), members('bob', { op: 'leave' }), 'not_member', 'ok 2'],
    [members('ann', remove('bob')), members('ann', remove('bob')), 'ok 2', 'ok 2'],
    [members('ann', add('cat')), members('ann', add('cat')), 'ok 2', 'ok 2'],
  ];
  for (const [change, after, ifItCommits, ifItFails] of cases) {
    for (const outcome of ['committed', 'unavailable'] as const) {
      const stage = Stage.group('ann', 'bob');
      stage.turn(change, after);
      assert.equal(stage.said(after), 'nothing');
      stage.commit(outcome);
      stage.settle();
      assert.equal(stage.said(change), outcome === 'committed' ? 'ok 2' : 'unavailable');
      assert.equal(stage.said(after), outcome === 'committed' ? ifItCommits : ifItFails);
    }
  }
});

test('a newcomer’s send goes into the batch that adds them, and fails with it', () => {
  for (const outcome of ['committed', 'unavailable'] as const) {
    const stage = Stage.group('ann', 'bob');
    const [change, first] = [members('ann', add('cat')), send('cat', cmid(1))];
    stage.turn(change, first);
    assert.equal(stage.batches.at(-1)?.rows.length, 2);
    stage.commit(outcome);
    const committed = outcome === 'committed';
    assert.equal(stage.said(first), committed ? 'ack 3' : 'unavailable');
    assert.deepEqual(stage.spoken, committed ? ['cat:head 1', '2>ann,bob,cat', '3>ann,bob,cat'] : []);
    assert.deepEqual(stage.actor.users, committed ? ['ann', 'bob', 'cat'] : ['ann', 'bob']);
  }
});

test('each event of one batch goes to the members as of its own seq', () => {
  const stage = Stage.group('ann', 'bob');
  stage.settle(
    send('bob', cmid(1)),
    members('ann', add('cat')),
    send('cat', cmid(2)),
    members('ann', remove('bob')),
    send('ann', cmid(3)),
    members('ann', add('bob')),
  );
  assert.deepEqual(stage.spoken, [
    '2>ann,bob',
    'cat:head 2',
    '3>ann,bob,cat',
    '4>ann,bob,cat',
    'bob:removed 5',
    '5>ann,cat',
    '6>ann,cat',
    'bob:head 6',
    '7>ann,cat,bob',
  ]);
  assert.deepEqual(
    stage.messages.map((each) => each.audience.version),
    [1, 3, 3, 5, 5, 7],
  );
});

test('an audience is one object from change to change, and a new one after it', () => {
  const stage = Stage.group('ann', 'bob');
  stage.settle(send('ann', cmid(1)), send('bob', cmid(2)));
  stage.settle(send('ann', cmid(3)), members('ann', add('cat')), send('ann', cmid(4)));
  const [a, b, c, d, e] = stage.messages.map((each) => each.audience);
  assert.ok(a === b && b === c && d === e && c !== d);
});

test('a cursor that moves while a change of roles is in flight keeps its place', () => {
  const stage = Stage.group('ann', 'bob');
  for (let i = 0; i < 100; i++) stage.settle(send('ann', cmid(i)));
  stage.turn(read('bob', 20), members('ann', { op: 'role', roles: [['bob', 'admin']] }));
  stage.fetched();
  stage.commit();
  assert.deepEqual([stage.actor.entryFor('bob')?.role, stage.actor.entryFor('bob')?.read], ['admin', 20]);
  const [row] = stage.actor.projection(new Set(['bob'])).members.filter(({ user }) => user === 'bob');
  assert.deepEqual([row?.role, row?.read, row?.readN], ['admin', 20, 19]);
});

test('when everyone has left, the conversation is nobody’s', () => {
  const stage = Stage.group('ann', 'bob');
  stage.settle(members('ann', { op: 'leave' }), members('bob', { op: 'leave' }));
  assert.deepEqual([stage.actor.users, stage.log.length], [[], 3]);
  const late = members('ann', add('cat'));
  stage.settle(late);
  assert.equal(stage.said(late), 'not_member');
});

test('S4.4: nothing new overtakes sends whose refusal their session has not heard, and no copy of theirs is taken', () => {
  const stage = Stage.group('ann', 'bob');
  const early = [1, 2].map((n) => send('cat', cmid(n), { ordinal: n, base: 1 }));
  stage.settle(...early);
  stage.settle(members('ann', { op: 'add', users: ['cat'] }));
  const behind = send('cat', cmid(3), { ordinal: 3, base: 1 });
  const copiesOf = (ordinals: number[]) =>
    ordinals.map((n) => send('cat', cmid(n), { ordinal: n, base: n === 3 ? 1 : n, retry: true }));
  const copies = copiesOf([1, 2]);
  stage.settle(behind, ...copies);
  assert.deepEqual(
    [...early, behind, ...copies].map((each) => stage.said(each)),
    ['not_member', 'not_member', 'unavailable', 'unavailable', 'unavailable'],
  );
  // Its client heard of none of this: it begins again with the first.
  const again = [1, 2, 3].map((n) => send('cat', cmid(n), { ordinal: 3 + n, base: 4, retry: true }));
  stage.settle(...again);
  stage.settle(...copiesOf([1, 2, 3]));
  assert.deepEqual(
    again.map((each) => stage.said(each)),
    ['ack 3', 'ack 4', 'ack 5'],
  );
  assert.equal(stage.actor.head, 5);
});
