import assert from 'node:assert/strict';
import test from 'node:test';
import { add, cmid, delivered, members, read, receipts, send, remove } from './requests.ts';
import { Stage } from './stage.ts';

/** A group with three messages of ann's: seqs 2 to 4. */
function talk(): Stage {
  const stage = Stage.group('ann', 'bob', 'cat');
  for (const i of [1, 2, 3]) stage.settle(send('ann', cmid(i)));
  return stage.quiet();
}

function cursorsOf(stage: Stage, user: string): number[] {
  const row = stage.actor.projection(undefined).members.find((each) => each.user === user);
  return [row?.delivered ?? 0, row?.read ?? 0];
}

test('S14.1: cursors only move forward, no further than the head, and what is read is delivered', () => {
  const stage = talk();
  const steps: [ReturnType<typeof read> | ReturnType<typeof delivered>, number[]][] = [
    [delivered('bob', 3), [3, 1]],
    [delivered('bob', 2), [3, 1]],
    [read('bob', 2), [3, 2]],
    [read('bob', 1), [3, 2]],
    [read('bob', 4), [4, 4]],
    [delivered('bob', 900), [4, 4]],
  ];
  for (const [request, cursors] of steps) {
    stage.settle(request);
    assert.deepEqual(cursorsOf(stage, 'bob'), cursors, JSON.stringify(request));
    assert.equal(stage.said(request), 'nothing');
  }
  stage.settle(delivered('cat', 900));
  assert.deepEqual(cursorsOf(stage, 'cat'), [4, 1]);
  assert.deepEqual(stage.cursors, ['bob', 'bob', 'bob', 'cat'], 'each that moved, and no other');
});

test('S14.3: a cursor is no event, and a send moves the sender’s own without a receipt', () => {
  const stage = talk();
  stage.settle(delivered('bob', 3), read('cat', 4));
  assert.deepEqual([stage.actor.head, stage.spoken], [4, []]);
  stage.settle(send('bob', cmid(9)));
  assert.deepEqual(stage.cursors, ['bob', 'cat']);
  assert.deepEqual(cursorsOf(stage, 'bob'), [5, 5]);
});

test('S14.2: what all are told are the cursors of those named who are members still', () => {
  const stage = talk();
  stage.settle(delivered('bob', 3), read('cat', 4));
  const told = stage.actor.receiptsOf(new Set(['bob', 'cat', 'dan']), stage.actor.projection(undefined));
  assert.deepEqual(told?.items, [
    ['bob', 3, 1],
    ['cat', 4, 4],
  ]);
  assert.deepEqual(told?.audience.users, ['ann', 'bob', 'cat']);
  stage.settle(members('ann', remove('bob')));
  assert.deepEqual(stage.actor.receiptsOf(new Set(['bob']), stage.actor.projection(undefined)), undefined);
});

test('S14.2: what is told of a cursor is what was written, though it has moved since', () => {
  const stage = talk();
  stage.settle(delivered('bob', 3));
  const write = stage.actor.projection(undefined);
  stage.settle(delivered('bob', 4));
  stage.actor.projected(write);
  assert.deepEqual(stage.actor.receiptsOf(new Set(['bob']), write)?.items, [['bob', 3, 1]]);
});

test('S14.2: a cursor that is said again is told again only if it was not told in this term', () => {
  const stage = talk();
  stage.settle(delivered('bob', 3), read('cat', 4));
  const write = stage.actor.projection(undefined);
  stage.actor.projected(write);
  stage.settle(delivered('bob', 3), read('cat', 4));
  assert.deepEqual(stage.cursors, ['bob', 'cat', 'bob', 'cat']);
  const { items } = stage.actor.receiptsOf(new Set(['bob', 'cat']), stage.actor.projection(undefined)) ?? {};
  assert.deepEqual(items, [
    ['bob', 3, 1],
    ['cat', 4, 4],
  ]);
  stage.settle(delivered('bob', 3), delivered('bob', 2), read('cat', 4), read('cat', 1));
  assert.equal(stage.cursors.length, 4);
});

test('S14.4: receipts lists the others by name, page by page', () => {
  const stage = talk();
  stage.settle(delivered('bob', 3), read('cat', 4), members('ann', add('dan', 'eve')));
  const ask = (options: Parameters<typeof receipts>[1]): string => {
    const request = receipts('ann', options);
    stage.settle(request);
    return stage.said(request);
  };
  assert.equal(ask({}), 'receipts bob,3,1 cat,4,4 dan,5,5 eve,5,5, read undefined, before undefined');
  assert.equal(ask({ limit: 2 }), 'receipts bob,3,1 cat,4,4, read undefined, before cat');
  assert.equal(
    ask({ limit: 2, before: 'cat' }),
    'receipts dan,5,5 eve,5,5, read undefined, before undefined',
  );
  assert.equal(ask({ limit: 2, before: 'zoe' }), 'receipts , read undefined, before undefined');
});

test('S14.5: of one message: whom it reached, and how many of the others have read it', () => {
  const stage = talk();
  stage.settle(delivered('bob', 3), read('cat', 3));
  const ask = (seq: number): string => {
    const request = receipts('ann', { seq });
    stage.settle(request);
    return stage.said(request);
  };
  assert.equal(ask(2), 'receipts bob,3,1 cat,3,3, read 1, before undefined');
  assert.equal(ask(3), 'receipts bob,3,1 cat,3,3, read 1, before undefined');
  assert.equal(ask(4), 'receipts , read 0, before undefined');
});

test('S3.8: strangers and those removed have no cursors, and see none', () => {
  const stage = talk();
  stage.settle(members('ann', remove('bob')));
  for (const user of ['bob', 'zoe']) {
    const asked = [delivered(user, 2), receipts(user, {})];
    stage.settle(...asked);
    assert.deepEqual(
      asked.map((each) => stage.said(each)),
      ['not_member', 'not_member'],
    );
  }
});

test('a cursor that moves while its member’s role changes is kept', () => {
  const stage = talk();
  stage.turn(members('ann', { op: 'role', roles: [['bob', 'admin']] }), delivered('bob', 3));
  assert.deepEqual(cursorsOf(stage, 'bob'), [3, 1]);
  stage.commit();
  assert.deepEqual(cursorsOf(stage, 'bob'), [3, 1]);
});
