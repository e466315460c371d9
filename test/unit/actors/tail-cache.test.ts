import assert from 'node:assert/strict';
import test from 'node:test';
import { TailCache } from '../../../actors/tail-cache.ts';

const frame = (seq: number, bytes = 10): Uint8Array => new Uint8Array(bytes).fill(seq);

test('it holds the newest events, each at its seq', () => {
  const tail = new TailCache(100, 4, 1_000);
  assert.deepEqual([tail.first, tail.bytes, tail.at(100)], [101, 0, undefined]);
  for (let seq = 101; seq <= 106; seq++) tail.push(seq, frame(seq));
  assert.deepEqual([tail.first, tail.bytes], [103, 40]);
  assert.deepEqual(
    [102, 103, 106, 107].map((seq) => tail.at(seq)?.[0]),
    [undefined, 103, 106, undefined],
  );
});

test('its bytes are bounded, but for one event that is larger alone', () => {
  const tail = new TailCache(0, 64, 100);
  for (let seq = 1; seq <= 11; seq++) tail.push(seq, frame(seq));
  assert.deepEqual([tail.first, tail.bytes], [2, 100]);
  tail.push(12, frame(12, 95));
  assert.deepEqual([tail.first, tail.bytes], [12, 95]);
  tail.push(13, frame(13, 500));
  assert.deepEqual([tail.first, tail.bytes, tail.at(13)?.length], [13, 500, 500]);
  tail.push(14, frame(14));
  assert.deepEqual([tail.first, tail.bytes], [14, 10]);
});
