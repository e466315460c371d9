import assert from 'node:assert/strict';
import test from 'node:test';
import { Checker } from '../../../bench/checker.ts';

/** Three members; member 0 sends messages 100 … 109, the others receive them. */
function feed(
  fault: (member: number, seqs: number[]) => number[],
  numberOf = (_member: number, seq: number) => 99 + seq,
): Checker {
  const checker = new Checker(2, 3);
  for (let member = 0; member < 3; member++) {
    for (const seq of fault(member, [1, 2, 3, 4, 5, 6, 7, 8, 9, 10])) {
      if (member === 0) checker.ack(1, member, seq, numberOf(member, seq));
      else checker.message(1, member, seq, numberOf(member, seq));
    }
  }
  checker.finish();
  return checker;
}

test('a clean run has no problem and counts what it saw', () => {
  const checker = feed((_member, seqs) => seqs);
  assert.deepEqual(checker.problems, []);
  assert.equal(checker.acked, 10);
  assert.equal(checker.delivered, 20);
  assert.ok(checker.settled());
  assert.equal(checker.head(1, 2), 10);
});

const faults: [string, (member: number, seqs: number[]) => number[], RegExp][] = [
  [
    'a gap in the acks',
    (member, seqs) => (member === 0 ? seqs.filter((seq) => seq !== 4) : seqs),
    /ack with seq 5, expected 4 \(a gap\)/,
  ],
  [
    'a message not delivered',
    (member, seqs) => (member === 1 ? seqs.filter((seq) => seq !== 7) : seqs),
    /view 1: message with seq 8, expected 7 \(a gap\)/,
  ],
  [
    'the last message lost',
    (member, seqs) => (member === 2 ? seqs.slice(0, -1) : seqs),
    /view 2: ends at seq 9, others at 10 \(lost\)/,
  ],
  ['all lost', (member, seqs) => (member === 2 ? [] : seqs), /view 2: ends at seq 0/],
  [
    'one delivered twice',
    (member, seqs) => (member === 1 ? [...seqs, 10] : seqs),
    /message with seq 10, expected 11 \(doubled/,
  ],
  ['two swapped', (member, seqs) => (member === 1 ? [2, 1, ...seqs.slice(2)] : seqs), /expected/],
  [
    'one seq given twice',
    (member, seqs) => (member === 0 ? [1, 1, ...seqs.slice(1)] : seqs),
    /ack with seq 1, expected 2/,
  ],
  [
    'a delivery that was never acked',
    (member, seqs) => (member === 0 ? seqs.slice(0, -1) : seqs),
    /view 0: ends at seq 9/,
  ],
];
for (const [name, fault, expected] of faults) {
  test(`found: ${name}`, () => {
    const checker = feed(fault);
    assert.ok(checker.problemCount > 0);
    assert.match(checker.problems.join('\n'), expected);
  });
}

test('found: two messages whose seqs are swapped in one view', () => {
  const checker = feed(
    (_member, seqs) => seqs,
    (member, seq) => 99 + (member === 2 && seq === 3 ? 4 : member === 2 && seq === 4 ? 3 : seq),
  );
  assert.match(checker.problems.join('\n'), /different messages under the same seqs/);
});

test('unsettled while one view lags', () => {
  const checker = new Checker(1, 2);
  checker.ack(0, 0, 1, 5);
  assert.equal(checker.settled(), false);
  checker.message(0, 1, 1, 5);
  assert.equal(checker.settled(), true);
});

test('views that start later take up there', () => {
  const checker = new Checker(1, 2);
  checker.startAfter(0, 41);
  checker.ack(0, 0, 42, 1);
  checker.message(0, 1, 42, 1);
  checker.finish();
  assert.equal(checker.problemCount, 0);
});

test('the list of problems is bounded, their count is not', () => {
  const checker = new Checker(1, 1);
  for (let i = 0; i < 1000; i++) checker.problem(`fault ${i}`);
  assert.equal(checker.problems.length, 20);
  assert.equal(checker.problemCount, 1000);
});
