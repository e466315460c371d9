import assert from 'node:assert/strict';
import test from 'node:test';
import { MENTIONS_KEPT_MAX } from '../../../src/core/rows.ts';
import { messageMentions } from '../../../src/protocol/message-frame.ts';
import { add, cmid, members, read, remove, send } from './requests.ts';
import { nothing, Stage } from './stage.ts';

function counts(stage: Stage): Record<string, number | undefined> {
  return Object.fromEntries(stage.actor.users.map((user) => [user, stage.actor.entryFor(user)?.mentions]));
}

/** A later term, which finds the small tables as they were written last, or never. */
function next(stage: Stage, rows = stage.rows): Stage {
  return new Stage(stage.activation(rows));
}

/** What the small tables have once all is written. */
function written(stage: Stage, rows = stage.rows): Stage['rows'] {
  const { conversation = rows.conversation, members: changed } = stage.actor.projection(undefined);
  const byUser = new Map([...rows.members, ...changed].map((row) => [row.user, row]));
  return { conversation, members: [...byUser.values()] };
}

test('S8.13 S8.15: a message counts for the members that it mentions, and names them alone', () => {
  const stage = Stage.group('ann', 'bob', 'cat');
  stage.settle(send('ann', cmid(1), { mentions: ['bob', 'zoe', 'bob', 'ann'] }));
  assert.deepEqual(counts(stage), { ann: undefined, bob: 1, cat: undefined });
  assert.deepEqual(messageMentions(stage.log[1]?.env as Uint8Array), ['bob']);
  stage.settle(send('ann', cmid(2), { mentions: ['zoe'] }));
  assert.deepEqual(messageMentions(stage.log[2]?.env as Uint8Array), []);
  assert.equal(stage.log[2]?.m, 2, 'it changes no row of a member');
});

test('S8.13: what is read counts no more, and what one sends is read', () => {
  const stage = Stage.group('ann', 'bob');
  for (const i of [1, 2, 3]) stage.settle(send('ann', cmid(i), { mentions: ['bob'] }));
  stage.settle(read('bob', 3));
  assert.equal(counts(stage).bob, 1);
  stage.settle(send('bob', cmid(4), { mentions: ['ann'] }));
  assert.deepEqual(counts(stage), { ann: 1, bob: undefined });
});

test('those mentioned are written soon, and told when that is done', () => {
  const stage = Stage.group('ann', 'bob', 'cat');
  stage.settle(send('ann', cmid(1), { mentions: ['bob'] }));
  assert.deepEqual(stage.projected, ['bob', undefined]);
  const write = stage.actor.projection(new Set(['bob']));
  assert.deepEqual(
    write.members.map(({ user, mentions }) => [user, mentions]),
    [
      ['ann', undefined],
      ['bob', { seqs: [2], upTo: 2 }],
    ],
  );
  assert.deepEqual(
    write.inbox.map(({ user, mentions, entry }) => [user, mentions?.seqs, entry.mentions]),
    [['bob', [2], 1]],
  );
  assert.equal(write.conversation?.mentioned, 2);
  stage.actor.projected(write);
  assert.equal(stage.actor.projection(new Set(['bob'])).conversation, undefined, 'it is up to date');
});

test('S8.13: a term that finds rows of before a mention counts it from the log, once', () => {
  const stage = Stage.group('ann', 'bob');
  stage.settle(send('ann', cmid(1), { mentions: ['bob'] }));
  const half = written(stage);
  stage.settle(send('ann', cmid(2), { mentions: ['bob'] }), send('ann', cmid(3)));
  assert.equal(counts(next(stage)).bob, 2, 'nothing was ever written');
  assert.equal(counts(next(stage, half)).bob, 2, 'the first was written');
  assert.equal(counts(next(stage, { ...written(stage), conversation: half.conversation })).bob, 2);
  assert.equal(counts(next(stage, written(stage))).bob, 2);
});

test('a mention that was read is none to a later term, however old its row is', () => {
  const stage = Stage.group('ann', 'bob');
  for (const i of [1, 2]) stage.settle(send('ann', cmid(i), { mentions: ['bob'] }));
  const rows = written(stage);
  stage.settle(read('bob', 2));
  const [bob] = stage.actor.projection(new Set()).members.filter(({ user }) => user === 'bob');
  assert.ok(bob !== undefined);
  const mixed = rows.members.map((row) =>
    row.user === 'bob' ? { ...row, read: bob.read, readN: bob.readN } : row,
  );
  assert.equal(counts(next(stage, { ...rows, members: mixed })).bob, 1);
});

test('who comes back was mentioned by nobody; a role that changes keeps it', () => {
  const stage = Stage.group('ann', 'bob');
  stage.settle(send('ann', cmid(1), { mentions: ['bob'] }));
  stage.settle(members('ann', { op: 'role', roles: [['bob', 'admin']] }));
  assert.equal(counts(stage).bob, 1);
  stage.settle(members('ann', remove('bob')));
  assert.equal(stage.actor.entryFor('bob')?.mentions, undefined);
  stage.settle(members('ann', add('bob')));
  assert.equal(counts(stage).bob, undefined);
});

test('a mention and a removal in one batch: the mention was before it', () => {
  const stage = Stage.group('ann', 'bob', 'cat');
  stage.settle(send('ann', cmid(1), { mentions: ['bob', 'cat'] }), members('ann', remove('bob')));
  assert.deepEqual(counts(stage), { ann: undefined, cat: 1 });
});

test(`at most ${MENTIONS_KEPT_MAX} are counted, the last ones`, () => {
  const stage = Stage.group('ann', 'bob');
  for (let i = 1; i <= MENTIONS_KEPT_MAX + 5; i++) stage.settle(send('ann', cmid(i), { mentions: ['bob'] }));
  assert.equal(counts(stage).bob, MENTIONS_KEPT_MAX);
  stage.settle(read('bob', stage.actor.head - 3));
  stage.fetches.splice(0);
  assert.equal(counts(stage).bob, 3);
});

test('in a direct conversation they count as in a group, and a hand-over has them', () => {
  const stage = Stage.direct('ann', 'bob');
  stage.settle(send('ann', cmid(1), { mentions: ['bob'] }));
  const { conversation, members: rows, head, tail, ...warm } = stage.actor.handOver();
  const taken = new Stage({ ...nothing(2), conversation, members: rows, head, tail, warm });
  assert.equal(counts(taken).bob, 1);
});
