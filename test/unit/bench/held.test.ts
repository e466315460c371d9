import assert from 'node:assert/strict';
import test from 'node:test';
import { heldBy } from '../../../bench/generator/held.ts';

class Inner {
  readonly #pending = new Map([['a', 1]]);
  get pending(): number {
    return this.#pending.size;
  }
}

class Outer {
  readonly #users = new Set(['a', 'b']);
  readonly #inner = new Inner();
  readonly #options = { list: [1, 2, 3] };
  get sizes(): number[] {
    return [this.#users.size, this.#inner.pending, this.#options.list.length];
  }
}

test('what an object holds in its private fields is counted', async () => {
  const outer = new Outer();
  const { entries, heapBytes } = await heldBy(outer);
  assert.deepEqual(outer.sizes, [2, 1, 3]);
  assert.deepEqual({ ...entries }, { users: 2, 'inner.pending': 1 });
  assert.ok(heapBytes > 0);
});
