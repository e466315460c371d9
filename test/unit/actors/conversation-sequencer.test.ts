import assert from 'node:assert/strict';
import test from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { LIMITS } from '../../../src/protocol/limits.ts';
import {
  messageKind,
  messageText,
  N_AT,
  readU64,
  SEQ_AT,
  TS_AT,
} from '../../../src/protocol/message-frame.ts';
import { cmid, createDirect, createGroup, history, members, read, send } from './requests.ts';
import { NOW, Stage } from './stage.ts';

const REST = Array.from({ length: LIMITS.groupMembersMax }, (_, i) => `user${i}`);

test('S3.17: whatever is asked of no conversation is not_found, makes nothing and asks to be let go', () => {
  const stage = new Stage();
  const asked = [
    send('ann', cmid(1)),
    history('ann'),
    members('ann'),
    members('ann', { op: 'leave' }),
    read('ann', 1),
  ];
  stage.turn(...asked);
  assert.deepEqual(
    asked.map((each) => stage.said(each)),
    asked.map(() => 'not_found'),
  );
  assert.deepEqual([stage.batches.length, stage.passivations, stage.actor.exists], [0, 5, false]);
});

test('S3.4, S3.7, S3.15: a group begins with sys.created; all are shown it before that event, which comes before created', () => {
  const stage = new Stage();
  const create = createGroup(['ann', 'bob'], { title: 'team' });
  stage.turn(create);
  assert.deepEqual(
    [stage.spoken, stage.said(create)],
    [[], 'nothing'],
    'nothing is said before it is durable',
  );
  stage.commit();
  assert.deepEqual(stage.spoken, ['ann:head 0', 'bob:head 0', '1>ann,bob']);
  assert.equal(stage.said(create), 'created');
  const [event] = stage.messages;
  assert.equal(event?.exceptSession, 0, 'the asking socket gets the event too');
  assert.equal(messageKind(event?.frame as Uint8Array), 'sys.created');
  assert.deepEqual(JSON.parse(messageText(event?.frame as Uint8Array)), {
    kind: 'group',
    title: 'team',
    members: [
      ['ann', 'owner'],
      ['bob', 'member'],
    ],
  });
  assert.deepEqual(
    stage.entries.map(({ entry }) => [entry.role, entry.title, entry.unread, entry.removed]),
    [
      ['owner', 'team', 0, undefined],
      ['member', 'team', 0, undefined],
    ],
  );
  assert.deepEqual(stage.projected, [undefined]);
});

test('S3.5: a repeated create answers created and shows the entry again; another creator, kind or members conflict', () => {
  const stage = Stage.group('ann', 'bob', 'cat');
  const again = createGroup(['ann', 'cat', 'bob'], { title: 'renamed' });
  stage.turn(again);
  assert.deepEqual([stage.said(again), stage.spoken], ['created', ['ann:head 1']]);
  assert.deepEqual([stage.projected, stage.batches.length], [['ann'], 1]);
  const others = [
    createGroup(['bob', 'ann', 'cat']),
    createGroup(['ann', 'bob']),
    createDirect(['ann', 'bob']),
  ];
  stage.turn(...others);
  assert.deepEqual(
    others.map((each) => stage.said(each)),
    ['conflict', 'conflict', 'conflict'],
  );
  assert.equal(stage.log.length, 1);
});

test('S3.5: what a creator who left repeats is still answered created, and shows nothing', () => {
  const stage = Stage.group('ann', 'bob');
  stage.settle(members('ann', { op: 'leave' }));
  stage.quiet();
  const again = createGroup(['ann', 'bob']);
  stage.turn(again);
  assert.deepEqual([stage.said(again), stage.spoken], ['created', []]);
});

test('S3.5: two creates at once make one conversation', () => {
  const stage = new Stage();
  const [one, two] = [createGroup(['ann', 'bob']), createGroup(['ann', 'bob'], { session: 2 })];
  stage.turn(one);
  assert.ok(stage.actor.busy, 'the second one waits in the mailbox');
  stage.commit();
  stage.turn(two);
  assert.deepEqual([stage.said(one), stage.said(two), stage.log.length], ['created', 'created', 1]);
});

test('S3.6: a group of 256 is made, one of 257 is too_large and leaves nothing behind', () => {
  const stage = new Stage();
  const larger = createGroup(['ann', ...REST]);
  stage.turn(larger);
  assert.equal(stage.said(larger), 'too_large');
  assert.deepEqual([stage.batches.length, stage.actor.exists, stage.actor.busy], [0, false, false]);
  const largest = createGroup(REST);
  stage.settle(largest);
  assert.deepEqual([stage.said(largest), stage.actor.users.length], ['created', 256]);
});

test('S3.3, S3.7: a direct has no event at first, and its peer is shown it with the first message, which has seq 1', () => {
  const stage = new Stage();
  const create = createDirect(['ann', 'bob']);
  stage.settle(create);
  assert.deepEqual([stage.said(create), stage.spoken], ['created', ['ann:head 0']]);
  assert.deepEqual([stage.projected, stage.log.length], [['ann'], 0]);
  assert.equal(stage.actor.entryFor('bob'), undefined, 'whoever asks for bob’s view');
  assert.deepEqual(
    stage.actor.projection(undefined).inbox.map((row) => row.user),
    ['ann'],
  );
  stage.quiet().settle(send('ann', cmid(1)));
  assert.deepEqual(stage.spoken, ['ann:head 0', 'bob:head 0', '1>ann,bob']);
  assert.deepEqual(
    stage.entries.map(({ entry }) => [entry.peer, entry.unread]),
    [
      ['bob', 0],
      ['ann', 0],
    ],
  );
  assert.deepEqual(
    stage.actor.projection(undefined).inbox.map(({ user, entry }) => [user, entry.unread]),
    [
      ['ann', 0],
      ['bob', 1],
    ],
  );
});

test('S3.2, S3.3: a peer who creates the direct too is shown it, and stays so', () => {
  const stage = Stage.direct('ann', 'bob');
  const create = createDirect(['bob', 'ann']);
  stage.turn(create);
  assert.deepEqual([stage.said(create), stage.spoken, stage.projected], ['created', ['bob:head 0'], ['bob']]);
  assert.deepEqual(
    stage.actor.projection(undefined).inbox.map((row) => row.user),
    ['ann', 'bob'],
  );
});

test('S3.11: a direct’s members never change; who is none of them is not told even that', () => {
  const stage = Stage.direct('ann', 'bob');
  const changes = [
    members('ann', { op: 'add', users: ['cat'] }),
    members('bob', { op: 'leave' }),
    members('cat', { op: 'leave' }),
  ];
  stage.settle(...changes);
  assert.deepEqual(
    changes.map((each) => stage.said(each)),
    ['forbidden', 'forbidden', 'not_member'],
  );
  assert.equal(stage.log.length, 0);
});

test('S4.1, S4.2, S7.1: a turn’s sends become one batch with dense seqs; acks and messages come with its commit', () => {
  const stage = Stage.group('ann', 'bob');
  const sends = [1, 2, 3].map((i) => send(i === 2 ? 'bob' : 'ann', cmid(i)));
  stage.turn(...sends);
  assert.deepEqual([stage.batches.at(-1)?.rows.map((row) => row.seq), stage.spoken], [[2, 3, 4], []]);
  assert.ok(stage.actor.busy, 'one batch in flight: the next waits');
  stage.commit();
  assert.deepEqual(
    sends.map((each) => stage.said(each)),
    ['ack 2', 'ack 3', 'ack 4'],
  );
  assert.deepEqual(stage.spoken, ['2>ann,bob', '3>ann,bob', '4>ann,bob']);
  assert.deepEqual(
    stage.messages.map((each) => [each.exceptEdge, each.exceptSession]),
    sends.map((each) => [each.edge, each.session]),
    'the sending session has its ack alone',
  );
  assert.deepEqual(stage.projected, [undefined]);
});

test('S4.3, S4.9: ts never falls, though the clock does, also over a reactivation; n counts messages alone', () => {
  const stage = Stage.group('ann', 'bob');
  stage.now = NOW + 500;
  stage.settle(send('ann', cmid(1)));
  stage.now = NOW - 90_000;
  stage.settle(send('ann', cmid(2)), members('ann', { op: 'add', users: ['cat'] }), send('bob', cmid(3)));
  const later = new Stage(stage.activation(stage.rows));
  later.now = NOW - 100_000;
  later.settle(send('ann', cmid(4)));
  const frames = later.log.map((row) => row.env);
  assert.deepEqual(
    frames.map((frame) => [readU64(frame, SEQ_AT), readU64(frame, N_AT), readU64(frame, TS_AT) - NOW]),
    [
      [1, 0, 0],
      [2, 1, 500],
      [3, 2, 500],
      [4, 2, 500],
      [5, 3, 500],
      [6, 4, 500],
    ],
  );
});

test('S4.10, S8.9: a send moves its sender’s cursor; unread counts the messages of others behind it, no system event', () => {
  const stage = Stage.group('ann', 'bob');
  stage.settle(send('ann', cmid(1)), send('ann', cmid(2)), members('ann', { op: 'add', users: ['cat'] }));
  stage.settle(send('ann', cmid(3)));
  const view = (user: string): unknown[] => {
    const entry = stage.actor.entryFor(user);
    return [entry?.head, entry?.n, entry?.read, entry?.unread];
  };
  assert.deepEqual(view('ann'), [5, 3, 5, 0]);
  assert.deepEqual(view('bob'), [5, 3, 1, 3]);
  assert.deepEqual(view('cat'), [5, 3, 4, 1], 'a newcomer’s cursor starts at the join');
  stage.settle(send('bob', cmid(4)));
  assert.deepEqual(view('bob'), [6, 4, 6, 0]);
  assert.deepEqual(view('ann'), [6, 4, 5, 1]);
});

test('S8.10: the preview holds the first 200 characters of the last message, nothing of bytes or system events', () => {
  const stage = Stage.group('ann', 'bob');
  assert.equal(stage.actor.entryFor('bob')?.preview, undefined);
  stage.settle(send('ann', cmid(1), { text: '🙂'.repeat(300) }));
  stage.settle(members('ann', { op: 'add', users: ['cat'] }));
  assert.deepEqual(stage.actor.entryFor('bob')?.preview, {
    seq: 2,
    from: 'ann',
    kind: 'text',
    text: '🙂'.repeat(200),
  });
  stage.settle({ ...send('bob', cmid(2), { kind: 'image' }), text: false });
  assert.deepEqual(stage.actor.entryFor('ann')?.preview, { seq: 4, from: 'bob', kind: 'image', text: '' });
});

test('S2.17, S4.8: history behind own sends of the same turn shows them; another’s does not wait', () => {
  const stage = Stage.group('ann', 'bob');
  const mine = send('ann', cmid(1));
  const others = history('bob');
  const page = history('ann');
  stage.turn(mine, others, page);
  assert.deepEqual([stage.said(others), stage.said(page)], ['page of 1', 'nothing']);
  stage.commit();
  assert.deepEqual([stage.said(mine), stage.said(page)], ['ack 2', 'page of 2']);
});

test('S3.18: who is no member reads nothing and writes nothing', () => {
  const stage = Stage.group('ann', 'bob');
  const asked = [
    send('eve', cmid(1)),
    history('eve'),
    members('eve'),
    members('eve', { op: 'leave' }),
    read('eve', 1),
  ];
  stage.settle(...asked);
  assert.deepEqual(
    asked.map((each) => stage.said(each)),
    asked.map(() => 'not_member'),
  );
  assert.deepEqual([stage.log.length, stage.spoken], [1, []]);
});

test('S3.21: a cursor moves forward only, never beyond the head, and its user’s devices are told once it is written', () => {
  const stage = Stage.group('ann', 'bob');
  for (let i = 0; i < 4; i++) stage.settle(send('ann', cmid(i)));
  stage.quiet();
  const at = (): unknown => [stage.actor.entryFor('bob')?.read, stage.actor.entryFor('bob')?.unread];
  stage.turn(read('bob', 3));
  assert.deepEqual([at(), stage.projected], [[3, 2], ['bob']]);
  stage.turn(read('bob', 2), read('bob', 3));
  assert.deepEqual([at(), stage.projected], [[3, 2], ['bob']], 'no news, nothing to write');
  stage.turn(read('bob', 99));
  assert.deepEqual(at(), [5, 0]);
  assert.equal(stage.answers.size, 1 + 4, 'a read has no answer');
});

test('S3.21: a cursor behind what memory holds is set from its row; only so many rows are asked for at once', () => {
  const stage = Stage.group('ann', 'bob');
  for (let i = 0; i < 200; i++) stage.settle(send('ann', cmid(i)));
  stage.quiet().turn(read('bob', 50), read('bob', 40));
  assert.deepEqual(
    stage.fetches.map(({ seq }) => seq),
    [50, 40],
  );
  assert.ok(!stage.actor.idle, 'it waits for its rows');
  stage.fetched();
  stage.fetched();
  assert.deepEqual([stage.actor.entryFor('bob')?.read, stage.actor.entryFor('bob')?.unread], [50, 151]);
  assert.deepEqual([stage.projected, stage.actor.idle], [['bob'], true]);

  const reads = Array.from({ length: 300 }, () => read('bob', 60));
  stage.turn(...reads);
  assert.equal(stage.fetches.length, 256);
  assert.equal(reads.filter((each) => stage.said(each) === 'overloaded').length, 44);
});

/** An actor over 201 rows, and a watch on one of them that no cache has a use for. */
function actorOverLog(): { actor: Stage['actor']; row: WeakRef<object> } {
  const stage = Stage.group('ann', 'bob');
  for (let i = 0; i < 200; i++) stage.settle(send('ann', cmid(i)));
  const activation = stage.activation(stage.rows);
  return { actor: new Stage(activation).actor, row: new WeakRef(activation.tail[3] as object) };
}

test('an actor keeps no more of the rows that it starts from than its caches need', async () => {
  setFlagsFromString('--expose-gc');
  const collectGarbage = runInNewContext('gc') as () => void;
  const { actor, row } = actorOverLog();
  await new Promise((resolve) => setImmediate(resolve));
  collectGarbage();
  assert.equal(row.deref(), undefined);
  assert.equal(actor.head, 201);
});
