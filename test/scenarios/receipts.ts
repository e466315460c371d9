import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { RawClient, type RawFrame } from '../support/raw-client.ts';
import type { Deployment } from './deployment.ts';
import { insist } from './insist.ts';

type Item = [user: string, delivered: number, read: number];

/** What was told of cursors is there after each process was killed and started again; and they move on from there. */
export async function receipts(deployment: Deployment): Promise<void> {
  const [first, other] = [deployment.urls[0] as string, deployment.urls.at(-1) as string];
  const people = ['receipts-bob', 'receipts-cat'] as const;
  let ann = await RawClient.hello(first, 'receipts-ann');
  const created = await insist(ann, { t: 'create', kind: 'group', members: people, title: 'receipts' });
  const conv = created['conv'] as string;
  for (let i = 0; i < 3; i++) await insist(ann, { t: 'send', conv, cmid: randomUUID(), body: `${i}` });
  let [bob, cat] = await Promise.all(people.map((user) => RawClient.hello(other, user)));
  assert.ok(bob !== undefined && cat !== undefined);

  bob.send({ t: 'delivered', conv, seq: 3 });
  cat.send({ t: 'read', conv, seq: 4 });
  for (const client of [ann, bob, cat]) await told(client, conv, ['receipts-bob', 3, 1]);
  await told(ann, conv, ['receipts-cat', 4, 4]);
  const expected: Item[] = [
    ['receipts-bob', 3, 1],
    ['receipts-cat', 4, 4],
  ];
  assert.deepEqual((await insist(ann, { t: 'receipts', conv }))['items'], expected);

  for (let i = 0; i <= deployment.urls.length; i++) {
    const what = await deployment.crash();
    for (const client of [ann, bob, cat]) client.close();
    ann = await RawClient.hello(i % 2 === 0 ? other : first, 'receipts-ann');
    const all = await insist(ann, { t: 'receipts', conv });
    assert.deepEqual(all['items'], expected, `${what} was killed and restarted`);
    const of = await insist(ann, { t: 'receipts', conv, seq: 4 });
    assert.deepEqual([of['items'], of['read'], of['more']], [[expected[1]], 1, false]);
  }
  [bob, cat] = await Promise.all(people.map((user) => RawClient.hello(first, user)));
  assert.ok(bob !== undefined && cat !== undefined);
  bob.send({ t: 'delivered', conv, seq: 2 }); // says nothing new
  bob.send({ t: 'read', conv, seq: 4 });
  await told(ann, conv, ['receipts-bob', 4, 4]);
  assert.equal(receiptsOf(ann, conv).filter(([user]) => user === 'receipts-bob').length, 1);
  for (const client of [ann, bob, cat]) client.close();
}

function receiptsOf(client: RawClient, conv: string): Item[] {
  return client.frames.flatMap((frame) => itemsOf(frame, conv));
}

function itemsOf(frame: RawFrame, conv: string): Item[] {
  return frame.t === 'receipt' && frame['conv'] === conv ? (frame['items'] as Item[]) : [];
}

async function told(client: RawClient, conv: string, item: Item): Promise<void> {
  await client.next('receipt', (frame) => itemsOf(frame, conv).some((each) => `${each}` === `${item}`));
}
