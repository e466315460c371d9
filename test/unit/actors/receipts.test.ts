import assert from 'node:assert/strict';
import test from 'node:test';
import type { CursorDelivery, ReadRequest, ReceiptDelivery } from '../../../src/core/requests.ts';
import { add, cmid, CONV, delivered, members, read, receipts, send, remove } from './requests.ts';
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

/** What all are told of the cursors of these. */
function toldOf(stage: Stage, users: string[], write = stage.actor.projection(undefined)) {
  return stage.actor.receiptsOf(new Set(users), write).find(({ t }) => t === 'receipt') as
    | ReceiptDelivery
    | undefined;
}

test('S14.2: what all are told are the cursors of those named who are members still', () => {
  const stage = talk();
  stage.settle(delivered('bob', 3), read('cat', 4));
  const told = toldOf(stage, ['bob', 'cat', 'dan']);
  assert.deepEqual(told?.items, [
    ['bob', 3, 1],
    ['cat', 4, 4],
  ]);
  assert.deepEqual(told?.audience.users, ['ann', 'bob', 'cat']);
  stage.settle(members('ann', remove('bob')));
  assert.deepEqual(toldOf(stage, ['bob']), undefined);
});

test('S14.2: what is told of a cursor is what was written, though it has moved since', () => {
  const stage = talk();
  stage.settle(delivered('bob', 3));
  const write = stage.actor.projection(undefined);
  stage.settle(delivered('bob', 4));
  stage.actor.projected(write);
  assert.deepEqual(toldOf(stage, ['bob'], write)?.items, [['bob', 3, 1]]);
});

test('S14.2: a cursor that is said again is told again only if it was not told in this term', () => {
  const stage = talk();
  stage.settle(delivered('bob', 3), read('cat', 4));
  const write = stage.actor.projection(undefined);
  stage.actor.projected(write);
  stage.settle(delivered('bob', 3), read('cat', 4));
  assert.deepEqual(stage.cursors, ['bob', 'cat', 'bob', 'cat']);
  const { items } = toldOf(stage, ['bob', 'cat']) ?? {};
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

// --- hidden reads ---

function hidden(user: string, seq: number): ReadRequest {
  return { ...read(user, seq), isHidden: true };
}

/** What bob's last read has told: to all, and to bob alone. */
function toldOfBob(stage: Stage): { all: unknown; own: unknown } {
  const write = stage.actor.projection(undefined);
  const told = stage.actor.receiptsOf(new Set(['bob']), write);
  stage.actor.projected(write);
  const own = told.filter((each): each is CursorDelivery => each.t === 'cursor');
  assert.ok(own.every(({ conv, user }) => conv === CONV && user === 'bob'));
  return {
    all: told.flatMap((each) => (each.t === 'receipt' ? each.items : [])),
    own: own.map(({ item }) => item),
  };
}

/** Bob's cursors as ann is shown them, and how many have read `seq`. */
function shownToAnn(stage: Stage, seq?: number): string {
  const request = receipts('ann', seq === undefined ? {} : { seq });
  stage.settle(request);
  const said = stage.said(request);
  return `${/bob,\d+,\d+/.exec(said)?.[0]}${seq === undefined ? '' : said.slice(said.indexOf(', read')).replace(', before undefined', '')}`;
}

/** Bob's own cursor and count of unread messages. */
function ofBob(stage: Stage): unknown[] {
  const { read: cursor, unread } = stage.actor.entryFor('bob') ?? {};
  return [cursor, unread];
}

test('S14.8 a hidden read counts for oneself alone, and one’s own sessions are told of it', () => {
  const stage = talk();
  stage.settle(read('bob', 2));
  assert.deepEqual(toldOfBob(stage), { all: [['bob', 2, 2]], own: [] });
  assert.deepEqual(ofBob(stage), [2, 2]);
  const request = hidden('bob', 4);
  stage.settle(request);
  assert.deepEqual([ofBob(stage), stage.said(request)], [[4, 0], 'nothing']);
  assert.deepEqual(cursorsOf(stage, 'bob'), [4, 4]);
  assert.deepEqual(toldOfBob(stage), { all: [['bob', 4, 2]], own: [['bob', 4, 4]] });
  assert.equal(shownToAnn(stage), 'bob,4,2');
});

test('the first hidden read hides nothing that was shown before', () => {
  const stage = talk();
  stage.settle(hidden('bob', 3));
  assert.equal(shownToAnn(stage), 'bob,3,1');
  stage.settle(hidden('bob', 4), hidden('bob', 2));
  assert.equal(shownToAnn(stage), 'bob,4,1');
  const { members: rows } = stage.actor.projection(undefined);
  const row = rows.find(({ user }) => user === 'bob');
  assert.deepEqual([row?.read, row?.shown], [4, 1]);
});

test('S14.8 the next read that is not hidden shows all that was', () => {
  const stage = talk();
  stage.settle(hidden('bob', 3));
  toldOfBob(stage);
  stage.settle(read('bob', 4));
  assert.deepEqual(toldOfBob(stage), { all: [['bob', 4, 4]], own: [] });
  assert.equal(shownToAnn(stage), 'bob,4,4');
});

test('so does one that moves nothing, once', () => {
  const stage = talk();
  stage.settle(hidden('bob', 4));
  toldOfBob(stage);
  const { length } = stage.cursors;
  stage.settle(hidden('bob', 4), hidden('bob', 1));
  assert.equal(stage.cursors.length, length, 'a hidden one does not');
  stage.settle(read('bob', 1), read('bob', 1));
  assert.equal(stage.cursors.length, length + 1);
  const [row] = stage.actor.projection(new Set(['bob'])).members;
  assert.deepEqual([row?.user, row?.read, row?.shown], ['bob', 4, 4], 'it is to be written');
  assert.deepEqual(toldOfBob(stage), { all: [['bob', 4, 4]], own: [] });
  assert.equal(shownToAnn(stage), 'bob,4,4');
});

test('a hidden read whose row is fetched from the log is hidden too', () => {
  const stage = talk();
  for (let i = 10; i < 90; i++) stage.settle(send('ann', cmid(i)));
  stage.settle(hidden('bob', 4));
  assert.deepEqual(ofBob(stage), [1, 83]);
  stage.fetched();
  assert.deepEqual([ofBob(stage), shownToAnn(stage)], [[4, 80], 'bob,4,1']);
});

test('what one who hides sends does not move what is shown', () => {
  const stage = talk();
  stage.settle(hidden('bob', 3));
  stage.settle(send('bob', cmid(9)));
  assert.deepEqual([ofBob(stage), shownToAnn(stage)], [[5, 0], 'bob,5,1']);
  stage.settle(read('bob', 5));
  assert.equal(shownToAnn(stage), 'bob,5,5');
});

test('what one sends who hides no more is shown as read', () => {
  const stage = talk();
  stage.settle(hidden('bob', 3));
  stage.settle(read('bob', 4));
  stage.settle(send('bob', cmid(9)));
  assert.equal(shownToAnn(stage), 'bob,5,5');
});

test('others are told nothing of a hidden read that moves nothing of theirs', () => {
  const stage = talk();
  stage.settle(delivered('bob', 4));
  toldOfBob(stage);
  stage.settle(hidden('bob', 4));
  assert.deepEqual(toldOfBob(stage), { all: [], own: [['bob', 4, 4]] });
});

test('`receipts` with a seq counts what is shown alone', () => {
  const stage = talk();
  stage.settle(read('cat', 3), hidden('bob', 4));
  assert.equal(shownToAnn(stage, 3), 'bob,4,1, read 1');
  assert.equal(shownToAnn(stage, 4), 'bob,4,1, read 0');
  stage.settle(read('bob', 1));
  assert.equal(shownToAnn(stage, 3), 'bob,4,4, read 2');
});

test('what is hidden stays so when the role changes, before the batch and during it', () => {
  const stage = talk();
  stage.settle(hidden('bob', 3));
  stage.turn(
    members('ann', {
      op: 'role',
      roles: [
        ['bob', 'admin'],
        ['cat', 'admin'],
      ],
    }),
    hidden('cat', 4),
  );
  stage.commit();
  assert.equal(shownToAnn(stage), 'bob,3,1');
  assert.equal(shownToAnn(stage, 4), 'undefined, read 0', 'bob has it not, and cat’s is hidden');
  assert.deepEqual(
    [cursorsOf(stage, 'bob'), cursorsOf(stage, 'cat')],
    [
      [3, 3],
      [4, 4],
    ],
  );
});

test('what is hidden stays so in the next term, handed over or read from the store', () => {
  const stage = talk();
  stage.settle(hidden('bob', 3));
  const { members: rows, head, tail, conversation } = stage.actor.handOver();
  const written = stage.actor.projection(undefined).members;
  assert.equal(rows.find(({ user }) => user === 'bob')?.shown, 1);
  assert.ok(rows.every((row) => row.user === 'bob' || !('shown' in row)));
  const heir = { conv: CONV, fence: 2, conversation, head, tail, members: rows, unprojected: [] };
  const stored = stage.activation({ conversation, members: written });
  for (const activation of [heir, stored]) {
    const next = new Stage(activation);
    assert.equal(shownToAnn(next), 'bob,3,1');
    next.settle(hidden('bob', 4));
    assert.deepEqual(toldOfBob(next), { all: [['bob', 4, 1]], own: [['bob', 4, 4]] });
    next.settle(read('bob', 4));
    assert.equal(shownToAnn(next), 'bob,4,4');
  }
});

test('who comes back has nothing hidden any more', () => {
  const stage = talk();
  stage.settle(hidden('bob', 4));
  stage.settle(members('ann', remove('bob')));
  stage.settle(members('ann', add('bob')));
  assert.equal(shownToAnn(stage), 'bob,6,6');
});

test('what was hidden before one came back hides nothing', () => {
  const stage = talk();
  stage.settle(members('ann', remove('bob')));
  stage.settle(members('ann', add('bob')));
  const { members: rows, head, tail, conversation } = stage.actor.handOver();
  const kept = rows.map((row) => (row.user === 'bob' ? { ...row, shown: 2 } : row));
  const next = new Stage({ conv: CONV, fence: 2, conversation, head, tail, members: kept, unprojected: [] });
  assert.equal(shownToAnn(next), 'bob,6,6');
});
