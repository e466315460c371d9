import assert from 'node:assert/strict';
import test from 'node:test';
import { OpeningPace } from '../../../cluster/opening-pace.ts';

function after(...took: number[]): number {
  const pace = new OpeningPace();
  for (const ms of took) pace.tookOver(ms);
  return pace.atOnce;
}

const times = (count: number, ms: number): number[] => Array.from({ length: count }, () => ms);

test('while they take no longer for being many, more are opened at once, up to 32', () => {
  assert.equal(after(), 8);
  assert.equal(after(...times(10, 2_000)), 18, 'slow alone is no reason');
  assert.equal(after(...times(100, 20)), 32);
});

test('while they wait for one another it stays at 8, or comes back to that', () => {
  assert.equal(after(20, ...times(20, 60)), 9);
  assert.equal(after(...times(24, 20), ...times(24, 200)), 8);
});

test('a store that has become slow for good is known for it in the end', () => {
  assert.ok(after(20, ...times(100, 60)) > 20);
});

test('each rush begins with 8', () => {
  const pace = new OpeningPace();
  for (let i = 0; i < 30; i++) pace.tookOver(20);
  pace.rest();
  assert.equal(pace.atOnce, 8);
});
