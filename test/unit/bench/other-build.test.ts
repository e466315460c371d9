import assert from 'node:assert/strict';
import test from 'node:test';
import { otherRatio, otherRatioText, spread } from '../../../bench/other-build.ts';
import type { LoadResult } from '../../../bench/plan.ts';

test('a spread has the median and the middle half', () => {
  assert.deepEqual(spread([5, 1, 4, 2, 3]), { median: 3, low: 2, high: 4, all: [5, 1, 4, 2, 3] });
  assert.deepEqual(spread([4, 1, 2, 3]), { median: 2.5, low: 1.5, high: 3.5, all: [4, 1, 2, 3] });
  assert.deepEqual(spread([7]), { median: 7, low: 7, high: 7, all: [7] });
});

test('two builds are compared round by round', () => {
  const server = [round(90, 1), round(300, 1.5), round(50, 0.5)];
  const other = [round(100, 1), round(200, 1)];
  const ratio = otherRatio({ scenario: 'direct', server, baseline: [], other });
  assert.deepEqual(ratio?.rate.all, [0.9, 1.5]);
  assert.deepEqual(ratio?.perServerCore?.all, [0.9, 1]);
  assert.match(otherRatioText({ scenario: 'direct', server, baseline: [], other }).join(), /1\.200/);
});

test('without another build, or its CPU time, there is no ratio of it', () => {
  const report = { scenario: 'direct' as const, server: [round(90, 1)], baseline: [] };
  assert.equal(otherRatio(report), undefined);
  assert.deepEqual(otherRatioText(report), []);
  const ratio = otherRatio({ ...report, other: [round(90)] });
  assert.deepEqual([ratio?.rate.median, ratio?.perServerCore], [1, undefined]);
});

function round(ackedPerSecond: number, server?: number): LoadResult {
  const cpu = server === undefined ? undefined : { server };
  return { ackedPerSecond, cpu } as LoadResult;
}
