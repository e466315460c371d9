import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import test from 'node:test';
import {
  append,
  batchOf,
  conversationRow,
  fenceOf,
  inboxRow,
  memberRow,
  type OpenStore,
  projection,
  type StoreUnderTest,
} from './store-fixtures.ts';

/** What every ProjectionStore does, whatever it stands on. */
export function projectionStoreSuite(name: string, open: OpenStore): void {
  const check = (title: string, run: (store: StoreUnderTest) => Promise<void>) =>
    void test(`${name}: ${title}`, async () => {
      const store = await open();
      try {
        await run(store);
      } finally {
        await store.close();
      }
    });

  check('what a batch establishes is there once it is committed, without any row too', async (store) => {
    for (const count of [0, 1]) {
      const conv = randomUUID();
      const conversation = conversationRow(conv, count, 'a title');
      const members = [memberRow('ann', { role: 'owner' }), memberRow('bob'), memberRow('cy:d@x.y_z-1')];
      const fence = await fenceOf(store, conv);
      assert.equal(await store.projections.conversation(conv), undefined);
      assert.deepEqual(await store.projections.members(conv), []);
      const batch = batchOf({
        conv,
        fence,
        c: 0,
        count,
        kind: 'sys.created',
        establish: { conversation, members },
      });
      assert.equal(await append(store.messages, batch), 'committed');
      assert.deepEqual(await store.projections.conversation(conv), conversation);
      assert.deepEqual(byUser(await store.projections.members(conv)), members);
      assert.equal(await store.messages.head(conv), count);
    }
  });

  check('upserts rows whole; a user has own rows alone', async (store) => {
    const [one, two] = [randomUUID(), randomUUID()];
    const fence = await fenceOf(store, one);
    await store.projections.write([
      projection(one, fence, {
        conversation: conversationRow(one),
        members: [memberRow('ann'), memberRow('anna')],
        inbox: [inboxRow('ann', one, 1), inboxRow('anna', one, 1)],
      }),
      projection(two, fence, { inbox: [inboxRow('ann', two, 0)] }),
    ]);
    await store.projections.write([projection(one, fence, { inbox: [inboxRow('ann', one, 4, 2)] })]);
    assert.deepEqual(
      byConv(await store.projections.inbox('ann')),
      byConv([inboxRow('ann', one, 4, 2), inboxRow('ann', two, 0)]),
    );
    assert.deepEqual(await store.projections.inbox('anna'), [inboxRow('anna', one, 1)]);
    assert.deepEqual(await store.projections.inbox('an'), []);
    assert.deepEqual(await store.projections.inboxRow('ann', two), inboxRow('ann', two, 0));
    assert.equal(await store.projections.inboxRow('anna', two), undefined);
    assert.deepEqual(await store.projections.conversation(one), conversationRow(one));
  });

  check('all fields come back, absent ones too', async (store) => {
    const conv = randomUUID();
    const fence = await fenceOf(store, conv);
    const row = inboxRow('ann', conv, 2 ** 40, 2 ** 33);
    const entry = { ...row.entry, kind: 'direct' as const, title: undefined, peer: 'bob', removed: 2 ** 40 };
    const member = memberRow('ann', { role: 'admin', join: 2 ** 34, left: 2 ** 35, read: 2 ** 36, readN: 7 });
    const conversation = conversationRow(conv, 2 ** 37);
    await store.projections.write([
      projection(conv, fence, { conversation, members: [member], inbox: [{ ...row, entry }] }),
    ]);
    assert.deepEqual(await store.projections.inboxRow('ann', conv), { ...row, entry });
    assert.deepEqual(await store.projections.members(conv), [member]);
    assert.deepEqual(await store.projections.conversation(conv), conversation);
  });

  check('a late write never wins over a newer one; among equals the later does', async (store) => {
    const conv = randomUUID();
    const fence = await fenceOf(store, conv);
    const write = (head: number, read: number, version: number) =>
      store.projections.write([
        projection(conv, fence, {
          conversation: conversationRow(conv, version, `version ${version}`),
          members: [memberRow('ann', { read })],
          inbox: [inboxRow('ann', conv, head, read)],
        }),
      ]);
    await write(9, 5, 3);
    await write(7, 4, 2);
    assert.deepEqual(await store.projections.inboxRow('ann', conv), inboxRow('ann', conv, 9, 5));
    assert.deepEqual(await store.projections.members(conv), [memberRow('ann', { read: 5 })]);
    assert.equal((await store.projections.conversation(conv))?.title, 'version 3');
    await write(9, 8, 3);
    assert.deepEqual(await store.projections.inboxRow('ann', conv), inboxRow('ann', conv, 9, 8));
    const again = await store.reopen();
    await again.projections.write([projection(conv, fence, { inbox: [inboxRow('ann', conv, 8, 8)] })]);
    assert.deepEqual(await again.projections.inboxRow('ann', conv), inboxRow('ann', conv, 9, 8));
    const third = await again.reopen();
    assert.deepEqual(await third.projections.inboxRow('ann', conv), inboxRow('ann', conv, 9, 8));
    assert.deepEqual(await third.projections.members(conv), [memberRow('ann', { read: 8 })]);
  });

  check('dirty marks stay, over a restart too, until their slot is cleared', async (store) => {
    const [one, two, three] = [randomUUID(), randomUUID(), randomUUID()] as const;
    const fence = await fenceOf(store, one);
    await append(store.messages, batchOf({ conv: one, fence, c: 0, dirtySlot: 100 }));
    await append(store.messages, batchOf({ conv: two, fence, c: 0, dirtySlot: 100 }));
    await append(store.messages, batchOf({ conv: three, fence, c: 0, dirtySlot: 0 }));
    await append(store.messages, batchOf({ conv: two, fence, c: 1, dirtySlot: 101 }));
    assert.deepEqual((await store.projections.dirty()).sort(), [one, two].sort());
    await store.projections.clearDirty(101);
    assert.deepEqual(await store.projections.dirty(), [two]);
    const again = await store.reopen();
    assert.deepEqual(await again.projections.dirty(), [two]);
    await again.projections.clearDirty(102);
    assert.deepEqual(await again.projections.dirty(), []);
    const third = await again.reopen();
    assert.deepEqual(await third.projections.dirty(), []);
  });

  check('many rows in one write', async (store) => {
    const conv = randomUUID();
    const fence = await fenceOf(store, conv);
    const users = Array.from({ length: 256 }, (_, i) => `user-${i}`);
    const inbox = users.map((user) => inboxRow(user, conv, 3, 1, 'x'.repeat(200)));
    await store.projections.write([
      projection(conv, fence, { members: users.map((user) => memberRow(user)), inbox }),
    ]);
    assert.equal((await store.projections.members(conv)).length, 256);
    assert.deepEqual(await store.projections.inboxRow('user-255', conv), inbox[255]);
    const again = await store.reopen();
    assert.equal((await again.projections.members(conv)).length, 256);
    assert.deepEqual(await again.projections.inboxRow('user-0', conv), inbox[0]);
  });
}

function byUser<T extends { user: string }>(rows: T[]): T[] {
  return rows.sort((a, b) => (a.user < b.user ? -1 : 1));
}
function byConv<T extends { entry: { conv: string } }>(rows: T[]): T[] {
  return rows.sort((a, b) => (a.entry.conv < b.entry.conv ? -1 : 1));
}
