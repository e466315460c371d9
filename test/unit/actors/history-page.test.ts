import assert from 'node:assert/strict';
import test from 'node:test';
import { historyPage } from '../../../actors/history-page.ts';
import { TailCache } from '../../../actors/tail-cache.ts';
import type { Answer } from '../../../src/core/requests.ts';
import { history } from './requests.ts';

interface Asked {
  readonly after?: number;
  readonly before?: number;
  readonly limit?: number;
}

/** The page of a conversation of `head` events, whose last ten are in memory; each frame's first byte is its seq. */
function page(head: number, asked: Asked, bytesMax = 1_000, frameBytes = 10): Answer {
  const first = Math.max(1, head - 9);
  const tail = new TailCache(first - 1, 64, 1_000_000);
  for (let seq = first; seq <= head; seq++) tail.push(seq, new Uint8Array(frameBytes).fill(seq));
  return historyPage(history('ann', asked), head, tail, bytesMax);
}

/** `[seqs] more`, or `grant from-to`. */
function inShort(answer: Answer): string {
  if (answer.t === 'grant') {
    const { from, to, newestFirst, moreBeyond } = answer;
    return `grant ${from}-${to}${newestFirst ? ' from the newest' : ''}${moreBeyond ? ' more' : ''}`;
  }
  assert.ok(answer.t === 'page');
  return `[${answer.frames.map((frame) => frame[0]).join()}]${answer.more ? ' more' : ''}`;
}

const CASES: readonly (readonly [what: string, head: number, asked: Asked, expected: string])[] = [
  ['neither: the newest page', 20, { limit: 3 }, '[18,19,20] more'],
  ['neither, all of it', 5, { limit: 50 }, '[1,2,3,4,5]'],
  ['neither, exactly all', 5, { limit: 5 }, '[1,2,3,4,5]'],
  ['neither, all but one', 5, { limit: 4 }, '[2,3,4,5] more'],
  ['neither, of nothing', 0, {}, '[]'],
  [
    'after excludes its seq, and asks for the oldest above it',
    20,
    { after: 12, limit: 3 },
    '[13,14,15] more',
  ],
  ['after, up to the head', 20, { after: 17, limit: 3 }, '[18,19,20]'],
  ['after, one short of the head', 20, { after: 16, limit: 3 }, '[17,18,19] more'],
  ['after the head', 20, { after: 20 }, '[]'],
  ['after what is yet to come', 20, { after: 99 }, '[]'],
  ['after nothing', 5, { after: 0, limit: 2 }, '[1,2] more'],
  [
    'before excludes its seq, and asks for the newest below it',
    20,
    { before: 15, limit: 3 },
    '[12,13,14] more',
  ],
  ['before, down to the first', 5, { before: 4, limit: 3 }, '[1,2,3]'],
  ['before, one short of the first', 5, { before: 5, limit: 3 }, '[2,3,4] more'],
  ['before the first', 5, { before: 1 }, '[]'],
  ['before what is yet to come: the newest', 20, { before: 99, limit: 2 }, '[19,20] more'],
  ['after, below what is in memory', 20, { after: 9, limit: 3 }, 'grant 10-12 more'],
  ['after, from below memory up to the head', 20, { after: 9, limit: 50 }, 'grant 10-20'],
  ['before, below what is in memory', 20, { before: 13, limit: 3 }, 'grant 10-12 from the newest more'],
  ['before, down to the first', 20, { before: 13, limit: 50 }, 'grant 1-12 from the newest'],
  ['the newest, more than is in memory', 20, { limit: 11 }, 'grant 10-20 from the newest more'],
];

test('S6.1, S6.2, S6.3: after, before and neither: which events, in which order, and whether there is more', async (t) => {
  for (const [what, head, asked, expected] of CASES)
    await t.test(what, () => assert.equal(inShort(page(head, asked)), expected));
});

test('S6.6: page and grant carry the committed head, a grant the limit too', () => {
  const [small, large] = [page(20, { limit: 2 }), page(20, { after: 0, limit: 7 })];
  assert.deepEqual([small.t, small.t === 'page' && small.head], ['page', 20]);
  assert.ok(large.t === 'grant');
  assert.deepEqual([large.head, large.limit], [20, 7]);
});

test('S6.5: a page ends at its bound of bytes, from the side that was asked, and holds at least one event', () => {
  assert.equal(inShort(page(20, { after: 12 }, 30)), '[13,14,15] more');
  assert.equal(inShort(page(20, { after: 12 }, 39)), '[13,14,15] more');
  assert.equal(inShort(page(20, { limit: 8 }, 30)), '[18,19,20] more');
  assert.equal(inShort(page(20, { before: 16, limit: 5 }, 20)), '[14,15] more');
  assert.equal(inShort(page(20, { after: 12 }, 5)), '[13] more');
  assert.equal(inShort(page(20, { after: 19 }, 5)), '[20]');
});
