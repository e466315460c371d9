import assert from 'node:assert/strict';
import test from 'node:test';
import { audience, type Client, convId, entryOf, Rig } from './rig.ts';

const conv = convId(1);
const items = [
  ['bob', 3, 1],
  ['cat', 4, 4],
] as const;

async function tell(rig: Rig, members: ReturnType<typeof audience>): Promise<void> {
  rig.edge.deliver({ t: 'receipt', conv, audience: members, items });
  await rig.settle();
}

/** Sessions of ann, in both subprotocols, and of bob, who were all shown the conversation. */
async function together(): Promise<{ rig: Rig; all: Client[]; bob: Client }> {
  const rig = new Rig();
  for (const user of ['ann', 'bob']) await rig.inbox(user, [entryOf(conv, { head: 1, n: 1 })]);
  const bob = await rig.join('bob');
  const all = [await rig.join('ann'), await rig.join('ann', 'd2', 'json'), bob];
  for (const client of all) client.clear();
  return { rig, all, bob };
}

test('S14.2: a receipt goes to every connection of every member, in its subprotocol', async () => {
  const { rig, all } = await together();
  await tell(rig, audience(conv, ['ann', 'bob']));
  for (const client of all) assert.deepEqual(client.received, [{ t: 'receipt', conv, items }]);
});

test('S14.2: in a topic’s conversation too, and not to who was removed meanwhile', async () => {
  const rig = new Rig();
  const users = Array.from({ length: 12 }, (_, i) => `u${i}`);
  const clients: Client[] = [];
  for (const user of users) clients.push(await rig.join(user));
  rig.event(audience(conv, users), 1);
  await rig.settle();
  const left = users.slice(1);
  rig.event(audience(conv, left, 2), 2);
  await rig.settle();
  for (const client of clients) client.clear();
  await tell(rig, audience(conv, users)); // of the audience before the removal: it comes late
  const told = clients.map((client) => client.all('receipt').length);
  assert.deepEqual(told, [0, ...left.map(() => 1)]);
});

test('S14.2: who connected since the last event hears too, though the audience has its version still', async () => {
  const { rig, all, bob } = await together();
  rig.event(audience(conv, ['bob']), 1);
  await rig.settle();
  bob.clear();
  await tell(rig, audience(conv, ['ann', 'bob']));
  for (const client of all) assert.deepEqual(client.received, [{ t: 'receipt', conv, items }]);
});

test('S14.6: who is too slow gets one receipt without items instead, and it costs no read', async () => {
  const { rig, all, bob } = await together();
  const members = audience(conv, ['ann', 'bob']);
  bob.socket.isStuck = true;
  for (let seq = 2; seq < 200; seq++) {
    rig.event(members, seq, undefined, 10_000);
    if (seq % 5 === 0) await rig.settle();
  }
  await tell(rig, members);
  await tell(rig, members);
  assert.equal(all[0]?.all('receipt').length, 2);
  bob.socket.unstick();
  await rig.settle();
  assert.deepEqual(bob.received.slice(-2), [
    { t: 'head', conv, seq: 199, n: 199, unread: 199 },
    { t: 'receipt', conv, items: [] },
  ]);
  bob.clear();
  await tell(rig, members);
  assert.deepEqual(bob.received, [{ t: 'receipt', conv, items }]);
});

test('delivered and receipts go to the owner as they were asked, and its answer comes back', async () => {
  const rig = new Rig();
  const ann = await rig.join('ann');
  ann.send({ t: 'delivered', conv, seq: 7 });
  ann.send({ t: 'receipts', id: 5, conv, seq: 3, before: 'bob', limit: 20 });
  ann.send({ t: 'receipts', id: 6, conv });
  const [cursor, asked, plain] = rig.owners.requests;
  assert.ok(cursor?.t === 'delivered' && asked?.t === 'receipts' && plain?.t === 'receipts');
  assert.deepEqual([cursor.id, cursor.conv, cursor.user, cursor.seq], [0, conv, 'ann', 7]);
  assert.deepEqual([asked.seq, asked.before, asked.limit], [3, 'bob', 20]);
  assert.deepEqual([plain.seq, plain.before, plain.limit], [undefined, undefined, 50]);
  rig.answer(asked, { t: 'receipts', items, read: 1, before: 'cat' });
  rig.answer(plain, { t: 'receipts', items: [], read: undefined, before: undefined });
  rig.answer(cursor, { t: 'error', code: 'not_member', message: 'no', retryAfterMs: undefined });
  await rig.settle();
  assert.deepEqual(ann.answerTo(5), [
    { t: 'receipts', id: 5, conv, items, read: 1, before: 'cat', more: true },
  ]);
  assert.deepEqual(ann.answerTo(6), [{ t: 'receipts', id: 6, conv, items: [], more: false }]);
  const [error] = ann.all('error');
  assert.deepEqual(
    [error?.id, error?.re, error?.conv, error?.code],
    [undefined, 'delivered', conv, 'not_member'],
  );
});

test('S15.3: typing goes to the others’ connections that keep up, and is never told later', async () => {
  const { rig, all, bob } = await together();
  const members = audience(conv, ['ann', 'bob']);
  const type = async (user: string, on: boolean): Promise<void> => {
    rig.edge.deliver({ t: 'typing', conv, audience: members, user, on });
    await rig.settle();
  };
  await type('bob', true);
  const told = { t: 'typing', conv, user: 'bob', on: true };
  assert.deepEqual(
    all.map((client) => client.received),
    [[told], [told], []],
    'not to bob’s own',
  );
  bob.socket.isStuck = true;
  for (let seq = 2; seq < 200; seq++) {
    rig.event(members, seq, undefined, 10_000);
    if (seq % 5 === 0) await rig.settle();
  }
  await type('ann', true);
  bob.socket.unstick();
  await rig.settle();
  assert.deepEqual(bob.all('typing'), []);
  await type('ann', false);
  assert.deepEqual(bob.all('typing'), [{ t: 'typing', conv, user: 'ann', on: false }]);
  bob.send({ t: 'typing', conv, on: true });
  const [request] = rig.owners.requests;
  assert.ok(request?.t === 'typing');
  assert.deepEqual([request.id, request.conv, request.user, request.on], [0, conv, 'bob', true]);
});
