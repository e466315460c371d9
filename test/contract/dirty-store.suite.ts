import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { checksOf, append, batchOf, fenceOf, type OpenStore } from './store-fixtures.ts';

/** What every DirtyStore does, whatever it stands on. */
export function dirtyStoreSuite(name: string, open: OpenStore): void {
  const check = checksOf(name, open);

  check('dirty marks stay, over a restart too, until their slot is cleared', async (store) => {
    const [one, two, three] = [randomUUID(), randomUUID(), randomUUID()] as const;
    const fence = await fenceOf(store, one);
    await append(store.messages, batchOf({ conv: one, fence, c: 0, dirtySlot: 100 }));
    await append(store.messages, batchOf({ conv: two, fence, c: 0, dirtySlot: 100 }));
    await append(store.messages, batchOf({ conv: three, fence, c: 0, dirtySlot: 0 }));
    await append(store.messages, batchOf({ conv: two, fence, c: 1, dirtySlot: 101 }));
    assert.deepEqual((await store.dirty.dirty()).sort(), [one, two].sort());
    await store.dirty.clearDirty(101);
    assert.deepEqual(await store.dirty.dirty(), [two]);
    const again = await store.reopen();
    assert.deepEqual(await again.dirty.dirty(), [two]);
    await again.dirty.clearDirty(102);
    assert.deepEqual(await again.dirty.dirty(), []);
    const third = await again.reopen();
    assert.deepEqual(await third.dirty.dirty(), []);
  });

  check(
    'a slot cleared twice, late, or while others are marked, takes no newer mark along',
    async (store) => {
      const convs = Array.from({ length: 50 }, () => randomUUID());
      const fence = await fenceOf(store, convs[0] as string);
      const marks = convs.map((conv, i) =>
        append(store.messages, batchOf({ conv, fence, c: 0, dirtySlot: 200 + (i % 5) })),
      );
      await Promise.all([...marks, store.dirty.clearDirty(200), store.dirty.clearDirty(100)]);
      assert.deepEqual((await store.dirty.dirty()).sort(), convs.toSorted());
      await store.dirty.clearDirty(203);
      await store.dirty.clearDirty(202);
      const left = convs.filter((_, i) => i % 5 >= 3).sort();
      assert.deepEqual((await store.dirty.dirty()).sort(), left);
      assert.deepEqual((await (await store.reopen()).dirty.dirty()).sort(), left);
    },
  );
}
