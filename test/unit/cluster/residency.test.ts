import assert from 'node:assert/strict';
import test from 'node:test';
import type { Cell } from '../../../cluster/cell.ts';
import { Residency } from '../../../cluster/residency.ts';
import { ConversationSequencer } from '../../../actors/conversation-sequencer.ts';
import { nothing } from '../actors/stage.ts';
import { send, cmid } from '../actors/requests.ts';

const NOBODY = { appendedFor: () => {} };

const always = (): boolean => true;

function opened(residency: Residency, count: number, now = 0): Cell[] {
  return Array.from({ length: count }, (_, i) => {
    const cell = residency.open(`conv${now}-${i}`, now, NOBODY) ?? assert.fail();
    cell.actor = new ConversationSequencer(nothing());
    residency.account(cell, 1_000);
    return cell;
  });
}

test('it holds so many cells and no more, and knows what they hold', () => {
  const residency = new Residency({ cellsMax: 3, actorBytesMax: 1e9 });
  const [first] = opened(residency, 3) as [Cell];
  assert.equal(residency.open('one more', 0, NOBODY), undefined);
  residency.account(first, 5_000);
  assert.deepEqual([residency.size, residency.actorBytes], [3, 7_000]);
  residency.remove(first);
  assert.deepEqual([residency.size, residency.actorBytes, residency.get(first.conv)], [2, 2_000, undefined]);
  assert.ok(residency.open('one more', 0, NOBODY) !== undefined);
});

test('no cell is opened once the actors hold what they may', () => {
  const residency = new Residency({ cellsMax: 1_000, actorBytesMax: 10_000 });
  const cells = opened(residency, 10);
  assert.equal(residency.open('one more', 0, NOBODY), undefined);
  residency.account(cells[0] as Cell, 500);
  assert.ok(residency.open('one more', 0, NOBODY) !== undefined);
});

test('a sweep lets go what was idle for 5 minutes, and nothing that is under way or that must stay', () => {
  const residency = new Residency({ cellsMax: 100, actorBytesMax: 1e9 });
  const [idle, kept, asked, scheduled, opening] = opened(residency, 5) as [Cell, Cell, Cell, Cell, Cell];
  asked.mailbox.offer(send('ann', cmid(1)));
  scheduled.scheduled = true;
  opening.actor = undefined;
  assert.equal(residency.sweep(5 * 60_000 - 1, always), 0);
  assert.equal(
    residency.sweep(5 * 60_000, (cell) => cell !== kept),
    1,
  );
  assert.deepEqual([...residency.values()], [kept, asked, scheduled, opening]);
  assert.equal(residency.get(idle.conv), undefined);
});

test('a sweep looks at a bounded number of cells, and goes on where it stopped', () => {
  const residency = new Residency({ cellsMax: 10_000, actorBytesMax: 1e9 });
  opened(residency, 5_000);
  const gone = [1, 2, 3].map(() => residency.sweep(6 * 60_000, always));
  assert.deepEqual([gone, residency.size], [[2_000, 2_000, 1_000], 0]);
});

test('when memory or room is short, a second’s idleness is enough', () => {
  for (const limits of [
    { cellsMax: 100, actorBytesMax: 100_000 },
    { cellsMax: 1_000, actorBytesMax: 82_000 + 18_000 },
  ]) {
    const residency = new Residency(limits);
    opened(residency, 80);
    assert.equal(residency.sweep(1_000, always), 0, 'not short yet');
    opened(residency, 2, 500);
    assert.equal(residency.sweep(999, always), 0);
    assert.equal(residency.sweep(1_000, always), 80);
  }
});
