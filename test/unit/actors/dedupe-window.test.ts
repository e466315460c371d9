import assert from 'node:assert/strict';
import test from 'node:test';
import { DedupeWindow } from '../../../actors/dedupe-window.ts';

function filled(rowsMax: number, count: number): DedupeWindow {
  const window = new DedupeWindow(rowsMax, 1);
  for (let seq = 1; seq <= count; seq++) {
    window.addTentative('ann', 'phone', `id${seq}`, seq, 1_000 + seq, seq);
    window.commit();
    window.trim(seq);
  }
  return window;
}

const seqOf = (window: DedupeWindow, id: string, user = 'ann', device = 'phone'): number | undefined =>
  window.find(user, device, id)?.seq;

test('an id is found from the moment it has a seq, with all that its ack needs', () => {
  const window = new DedupeWindow(4, 1);
  window.addTentative('ann', 'phone', 'id', 1, 77, 5);
  const { seq, ts, hash } = window.find('ann', 'phone', 'id') ?? {};
  assert.deepEqual([seq, ts, hash], [1, 77, 5]);
  assert.equal(window.find('ann', 'phone', 'other'), undefined);
});

test('S5.2: exactly the last rows are held, and the window says from which seq on it is whole', () => {
  const window = filled(1_024, 1_024);
  assert.deepEqual([seqOf(window, 'id1'), window.coversFrom, window.size], [1, 1, 1_024]);
  const longer = filled(1_024, 1_025);
  assert.deepEqual([seqOf(longer, 'id1'), seqOf(longer, 'id2')], [undefined, 2]);
  assert.deepEqual([longer.coversFrom, longer.size], [2, 1_024]);
});

test('system events, which have no id, push ids out as messages do', () => {
  const window = filled(4, 4);
  window.trim(6);
  assert.deepEqual([seqOf(window, 'id2'), seqOf(window, 'id3'), window.coversFrom], [undefined, 3, 3]);
  window.trim(100);
  assert.deepEqual([window.size, window.coversFrom], [0, 97]);
});

test('a window that begins in the middle of a log never claims to cover what it did not see', () => {
  const window = new DedupeWindow(1_024, 5_000);
  window.addTentative('ann', 'phone', 'id', 5_000, 1, 1);
  window.commit();
  window.trim(5_000);
  assert.equal(window.coversFrom, 5_000);
});

const id = (seq: number) => ({ user: 'ann', device: 'pad', cmid: `id${seq}`, seq, ts: seq, hash: seq });

test('a window that a take-over left short is filled with the rows before it, as far as there is room', () => {
  const window = new DedupeWindow(8, 11);
  const add = (seq: number): void => {
    window.addTentative('ann', 'phone', `id${seq}`, seq, seq, seq);
    window.commit();
    window.trim(seq);
  };
  for (const seq of [11, 12, 13]) add(seq);
  assert.deepEqual([window.isShort(13), new DedupeWindow(8, 1).isShort(13)], [true, false]);
  add(14); // while the rows from 6 on are on their way
  window.extend([6, 8, 9, 10].map(id), 6, 10); // 7 is a system event
  window.trim(14);
  assert.deepEqual([window.coversFrom, window.size, window.isShort(14)], [7, 7, false]);
  assert.deepEqual(
    [6, 8, 10].map((seq) => seqOf(window, `id${seq}`, 'ann', 'pad')),
    [undefined, 8, 10],
  );
  for (const seq of [15, 16, 17]) add(seq);
  assert.deepEqual([window.coversFrom, seqOf(window, 'id9', 'ann', 'pad')], [10, undefined]);
  assert.deepEqual([seqOf(window, 'id10', 'ann', 'pad'), seqOf(window, 'id17')], [10, 17]);
});

test('rows that do not adjoin a window any more, or do not fit, are not taken for known', () => {
  const window = filled(4, 9);
  window.extend([2, 3, 4].map(id), 2, 4);
  assert.deepEqual([window.coversFrom, window.size], [6, 4]);
  window.extend([4, 5].map(id), 4, 5);
  assert.deepEqual([window.coversFrom, window.size], [6, 4]);
  const roomy = new DedupeWindow(4, 9);
  roomy.addTentative('ann', 'phone', 'id9', 9, 9, 9);
  roomy.extend([4, 5, 6, 7, 8].map(id), 4, 8);
  roomy.commit();
  assert.deepEqual([roomy.coversFrom, seqOf(roomy, 'id5', 'ann', 'pad')], [6, undefined]);
  assert.deepEqual([seqOf(roomy, 'id6', 'ann', 'pad'), seqOf(roomy, 'id9')], [6, 9]);
});

test('what is rolled back was never there, and what was there before is found again', () => {
  const window = filled(8, 3);
  for (const [id, seq] of [
    ['id2', 4],
    ['new', 5],
    ['id2', 6],
  ] as const)
    window.addTentative('ann', 'phone', id, seq, 0, 0);
  assert.deepEqual([seqOf(window, 'id2'), seqOf(window, 'new'), window.size], [6, 5, 6]);
  window.rollBack();
  assert.deepEqual([seqOf(window, 'id2'), seqOf(window, 'new'), window.size], [2, undefined, 3]);
  window.rollBack();
  assert.equal(window.size, 3, 'a second time there is nothing to take back');
  window.addTentative('ann', 'phone', 'new', 4, 0, 0);
  window.commit();
  window.rollBack();
  assert.equal(seqOf(window, 'new'), 4, 'what is committed stays');
});

test('S5.7: one id under several users and devices is kept apart, whichever of them leaves first', () => {
  const window = new DedupeWindow(3, 1);
  const senders = [
    ['ann', 'phone'],
    ['ann', 'tablet'],
    ['bob', 'phone'],
  ] as const;
  senders.forEach(([user, device], i) => window.addTentative(user, device, 'id', i + 1, 0, i));
  window.commit();
  assert.deepEqual(
    senders.map(([user, device]) => seqOf(window, 'id', user, device)),
    [1, 2, 3],
  );
  assert.equal(seqOf(window, 'id', 'bob', 'tablet'), undefined);
  window.addTentative('cat', 'phone', 'id', 4, 0, 0);
  window.commit(); // the oldest leaves, from the end of the chain
  assert.deepEqual(
    senders.map(([user, device]) => seqOf(window, 'id', user, device)),
    [undefined, 2, 3],
  );
  window.trim(6); // and now all but the newest
  assert.deepEqual([seqOf(window, 'id', 'bob'), seqOf(window, 'id', 'cat')], [undefined, 4]);
});
