import assert from 'node:assert/strict';
import test from 'node:test';
import { Draft, MEMBERS_ROW_BYTES, originHash, rowBytes } from '../../../actors/draft.ts';
import { applyEvent, type Member } from '../../../actors/membership.ts';
import { SequencerState } from '../../../actors/sequencer-state.ts';
import type { ConversationRow } from '../../../src/core/rows.ts';
import { LIMITS } from '../../../src/protocol/limits.ts';
import { encodeMessage } from '../../../src/protocol/message-frame.ts';
import { CONV, cmid, createDirect, createGroup, members, send } from './requests.ts';
import { NOW } from './stage.ts';

const conversation: ConversationRow = {
  conv: CONV,
  kind: 'group',
  title: undefined,
  created: NOW,
  creator: 'ann',
  originHash: 1,
  version: 1,
};

/** A draft behind `head` committed events. */
function draftAt(head: number, now = NOW): Draft {
  const rows = ['ann', 'bob'].map(
    (user) => ({ user, role: 'owner', join: 1, left: 0, read: 1, readN: 0, delivered: 1 }) as const,
  );
  const frame = { conv: CONV, n: 7, ts: NOW + 5, from: 'ann', device: 'd', cmid: '', kind: 'x', text: true };
  const env = encodeMessage({ ...frame, seq: head, body: new Uint8Array(0) });
  const tail = head === 0 ? [] : [{ seq: head, fence: 1, c: head - 1, m: 1, x: 0, env }];
  const activation = { conv: CONV, fence: 1, conversation, members: rows, head, tail, unprojected: [] };
  return new Draft(new SequencerState(activation, conversation), now);
}

/** Adds sends of `bytes` each until one is not admitted; returns how many were. */
function fill(draft: Draft, text: string, kind = 'text', countMax = 10_000): number {
  for (let count = 0; count < countMax; count++) {
    const request = send('ann', cmid(count), { text, kind });
    if (!draft.admits(rowBytes(request))) return count;
    draft.addMessage(request, 0);
  }
  return countMax;
}

const bytesOf = (draft: Draft): number => draft.rows.reduce((sum, row) => sum + row.env.length, 0);

test('a batch takes 256 rows, then it is closed', () => {
  const draft = draftAt(10);
  assert.equal(fill(draft, 'x'), 256);
  assert.ok(draft.closed);
  assert.deepEqual([draft.rows[0]?.seq, draft.rows.at(-1)?.seq, draft.n], [11, 266, 7 + 256]);
});

test('a batch takes 48 KiB and no byte more, whatever the kinds are written in', () => {
  for (const kind of ['text', 'k'.repeat(32), '語'.repeat(32), '🙂'.repeat(16)]) {
    for (const bytes of [300, 1_024, 1_877, 4_000, 11_000, LIMITS.bodyBytesMax]) {
      const draft = draftAt(10);
      fill(draft, 'x'.repeat(bytes), kind);
      assert.ok(bytesOf(draft) <= 48 * 1024, `${bytes} of ${kind}: ${bytesOf(draft)} bytes`);
      assert.ok(bytesOf(draft) + bytes + 400 > 48 * 1024, `${bytes} of ${kind}: ${bytesOf(draft)} bytes`);
    }
  }
});

test('a first row is admitted whatever its size', () => {
  const draft = draftAt(10);
  assert.ok(draft.admits(1_000_000));
  assert.ok(!draft.closed);
});

test('no batch crosses a bucket: seq 4,096 is the last of its own, 4,097 the first of the next', () => {
  assert.equal(fill(draftAt(4_090), 'x'), 6);
  assert.equal(fill(draftAt(4_095), 'x'), 1);
  const next = draftAt(4_096);
  assert.equal(fill(next, 'x'), 256);
  assert.equal(next.rows[0]?.seq, 4_097);
  assert.equal(fill(draftAt(8_191), 'x'), 1);
});

test('what a change of members is counted for holds the largest event', () => {
  const name = (i: number): string => i.toString().padStart(64, 'x');
  const all = Array.from({ length: LIMITS.groupMembersMax }, (_, i) => name(i));
  const draft = draftAt(10);
  const request = { ...members(name(1)), device: name(2) };
  draft.addEvent(request, 'sys.members', { role: all.map((user) => [user, 'member']) }, new Map());
  assert.ok(bytesOf(draft) <= MEMBERS_ROW_BYTES, `${bytesOf(draft)}`);
  assert.ok(bytesOf(draft) > MEMBERS_ROW_BYTES * 0.9, 'and is not far from it');
});

test('rows carry the seq of the last change of members up to themselves', () => {
  const draft = draftAt(10);
  draft.addMessage(send('ann', cmid(1)), 0);
  const after = applyEvent(draft.members, { add: ['cat'] }, draft.nextSeq, draft.n);
  draft.addEvent(members('ann'), 'sys.members', { add: ['cat'] }, after);
  draft.addMessage(send('cat', cmid(2)), 0);
  assert.deepEqual(
    draft.rows.map(({ seq, m, cmid: id }) => [seq, m, id]),
    [
      [11, 1, cmid(1)],
      [12, 12, ''],
      [13, 12, cmid(2)],
    ],
  );
  assert.ok(draft.members.has('cat'));
  assert.deepEqual(
    draft.entries.map(({ op, n }) => [op, n]),
    [
      ['send', 8],
      ['members', 8],
      ['send', 9],
    ],
  );
});

test('S4.3: ts is the clock’s, but never below the committed one', () => {
  assert.equal(draftAt(10, NOW - 1_000).ts, NOW + 5);
  assert.equal(draftAt(10, NOW + 9).ts, NOW + 9);
});

test('a group is established with its first event, and a direct with no row at all', () => {
  const group = new Draft(undefined, NOW);
  assert.ok(group.isEmpty);
  group.addCreate(createGroup(['ann', 'bob'], { title: 'team' }));
  const batch = group.toBatch(CONV, 3);
  assert.deepEqual([batch.c, batch.fence, batch.rows.map((row) => [row.seq, row.m])], [0, 3, [[1, 1]]]);
  const { conversation: row, members: rows } = batch.establish ?? assert.fail();
  assert.deepEqual(
    [row.kind, row.title, row.creator, row.created, row.version],
    ['group', 'team', 'ann', NOW, 1],
  );
  assert.deepEqual(rows, [
    { user: 'ann', role: 'owner', join: 1, left: 0, read: 1, readN: 0, delivered: 1 },
    { user: 'bob', role: 'member', join: 1, left: 0, read: 1, readN: 0, delivered: 1 },
  ]);

  const direct = new Draft(undefined, NOW);
  direct.addCreate(createDirect(['ann', 'bob']));
  assert.ok(!direct.isEmpty && direct.closed);
  const { rows: none, establish } = direct.toBatch(CONV, 3);
  assert.deepEqual([none, establish?.conversation.version], [[], 0]);
  assert.deepEqual(
    establish?.members.map((member) => [member.role, member.join]),
    [
      ['member', 0],
      ['member', 0],
    ],
  );
});

test('S3.5: what a repeated create must agree in: kind and members in any order, and of a group the creator', () => {
  const of = (users: readonly string[], kind: 'group' | 'direct' = 'group', title?: string): number =>
    originHash({ ...createGroup(users), kind, title });
  assert.equal(of(['ann', 'bob', 'cat']), of(['ann', 'cat', 'bob'], 'group', 'other title'));
  assert.equal(of(['ann', 'bob'], 'direct'), of(['bob', 'ann'], 'direct'));
  const others = [of(['bob', 'ann', 'cat']), of(['ann', 'bob']), of(['ann', 'bob', 'cat'], 'direct')];
  assert.ok(!others.includes(of(['ann', 'bob', 'cat'])));
  assert.equal(new Set(others).size, 3);
});

test('a draft leaves the members that it started from alone', () => {
  const draft = draftAt(10);
  const before = draft.members;
  const after = applyEvent(before, { remove: ['bob'] }, draft.nextSeq, draft.n);
  draft.addEvent(members('ann'), 'sys.members', { remove: ['bob'] }, after);
  const names = (map: ReadonlyMap<string, Member>): string[] => [...map.keys()];
  assert.deepEqual([names(before), names(draft.members)], [['ann', 'bob'], ['ann']]);
});
