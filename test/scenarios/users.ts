import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { directConversationId } from '../../src/core/direct-id.ts';
import { RawClient, type RawFrame } from '../support/raw-client.ts';
import type { Deployment } from './deployment.ts';
import { insist } from './insist.ts';

const ANN = 'users-ann';
const BOB = 'users-bob';
const CAT = 'users-cat';
/** How long who has left counts as online, and how much later it is told at most. */
const GRACE_MS = 10_000;
const TOLD_MS = 2_000;

/** Who is online, over devices and edges, to whom it is to be shown. */
export async function presence(deployment: Deployment): Promise<void> {
  const [first, other] = [deployment.urls[0] as string, deployment.urls.at(-1) as string];
  const cat = await RawClient.hello(first, CAT);
  await insist(cat, { t: 'watch', users: [BOB, CAT] });
  await cat.next('presence', isAbout(CAT, true));
  assert.equal((await cat.next('presence', isAbout(BOB, false)))['lastSeen'], undefined, 'never seen');
  const phone = await RawClient.hello(first, BOB, 'phone');
  await cat.next('presence', isAbout(BOB, true));
  const tablet = await RawClient.hello(other, BOB, 'tablet');
  phone.close();
  const leftAt = Date.now();
  const ann = await RawClient.hello(other, ANN);
  await insist(ann, { t: 'watch', users: [BOB] });
  await ann.next('presence', isAbout(BOB, true));
  tablet.close();
  const [told] = await cat.count('bob’s leaving', 1, isGone, GRACE_MS + TOLD_MS);
  const lastSeen = Number(told?.['lastSeen']);
  assert.ok(
    lastSeen >= leftAt && lastSeen <= Date.now() - GRACE_MS + TOLD_MS,
    `${lastSeen - leftAt} ms later`,
  );
  assert.equal(cat.frames.filter(({ t, user }) => t === 'presence' && user === BOB).length, 3);

  const bob = await RawClient.hello(first, BOB, 'phone');
  await ann.count('bob’s coming back', 2, isAbout(BOB, true));
  await insist(bob, { t: 'prefs', presence: 'contacts' });
  for (const client of [ann, cat])
    await client.next('presence', (frame) => isAbout(BOB, false)(frame) && frame['lastSeen'] === undefined);
  await insist(bob, { t: 'create', kind: 'direct', members: [ANN] });
  const conv = directConversationId(ANN, BOB);
  await insist(bob, { t: 'send', conv, cmid: randomUUID(), body: 'hi' });
  await ann.next('message', (frame) => frame['conv'] === conv);
  await until(ann, isAbout(BOB, true), 3);
  assert.ok(!isShown(cat), 'cat is none of his');
  for (const client of [ann, bob, cat]) client.close();
}

function isAbout(user: string, online: boolean) {
  return (frame: RawFrame): boolean =>
    frame.t === 'presence' && frame['user'] === user && frame['online'] === online;
}
function isGone(frame: RawFrame): boolean {
  return isAbout(BOB, false)(frame) && frame['lastSeen'] !== undefined;
}
function isShown(client: RawClient): boolean {
  const about = client.frames.filter(({ t, user }) => t === 'presence' && user === BOB);
  return about.at(-1)?.['online'] === true;
}

/** Watches again, until the inbox shows the direct conversation. */
async function until(client: RawClient, test: (frame: RawFrame) => boolean, count: number): Promise<void> {
  for (let tries = 0; tries < 10; tries++) {
    await insist(client, { t: 'watch', users: [BOB] });
    try {
      await client.count('bob', count, test, 500);
      return;
    } catch (error) {
      if (tries === 9) throw error;
    }
  }
}

/** What a user keeps to himself, and what mentions him, is the same on all devices, whatever process ends. */
export async function settings(deployment: Deployment): Promise<void> {
  const [first, other] = [deployment.urls[0] as string, deployment.urls.at(-1) as string];
  const [annName, bobName] = ['settings-ann', 'settings-bob'];
  let ann = await RawClient.hello(first, annName);
  const { conv } = await insist(ann, { t: 'create', kind: 'group', members: [bobName], title: 'settings' });
  let bob = await RawClient.hello(other, bobName, 'phone');
  let tablet = await RawClient.hello(first, bobName, 'tablet');
  assert.equal((await insist(bob, { t: 'prefs', receipts: false }))['t'], 'ok');
  for (const client of [bob, tablet]) await client.next('prefs', (frame) => frame['receipts'] === false);
  const mention = { mentions: [bobName, annName, 'nobody'] };
  const { seq } = await insist(ann, { t: 'send', conv, cmid: randomUUID(), body: 'you', ...mention });
  const message = await tablet.next('message', (frame) => frame['seq'] === seq);
  assert.deepEqual(message['mentions'], [bobName]);
  for (const client of [bob, tablet]) await client.next('conversation', (frame) => frame['mentions'] === 1);
  for (let i = 0; i < deployment.urls.length; i++) {
    const what = await deployment.crash();
    for (const client of [ann, bob, tablet]) client.close();
    ann = await RawClient.hello(other, annName);
    bob = await RawClient.hello(i % 2 === 0 ? first : other, bobName, 'phone');
    tablet = await RawClient.hello(first, bobName, 'tablet');
    for (const client of [bob, tablet]) {
      const welcome = client.frames.find((frame) => frame.t === 'welcome') as RawFrame;
      const entry = (welcome['conversations'] as RawFrame[]).find((each) => each['conv'] === conv);
      assert.deepEqual([entry?.['mentions'], entry?.['unread']], [1, 1], `${what} was killed and restarted`);
      assert.deepEqual(welcome['prefs'], { receipts: false, presence: 'everyone' });
    }
  }
  const isRead = (frame: RawFrame): boolean =>
    frame.t === 'receipt' && `${String(frame['items'])}` === `${bobName},${String(seq)},${String(seq)}`;
  bob.send({ t: 'read', conv, seq });
  for (const client of [bob, tablet]) {
    const entry = await client.next('conversation', (frame) => frame['read'] === seq);
    assert.deepEqual([entry['unread'], entry['mentions']], [0, undefined]);
    await client.next('receipt', isRead);
  }
  const { items } = await insist(ann, { t: 'receipts', conv });
  assert.deepEqual(items, [[bobName, seq, 1]], 'it is hidden from her');
  assert.ok(!ann.frames.some(isRead));
  await insist(tablet, { t: 'prefs', receipts: true });
  await bob.next('prefs', (frame) => frame['receipts'] === true);
  bob.send({ t: 'read', conv, seq });
  await ann.next('receipt', isRead);
  for (const client of [ann, bob, tablet]) client.close();
}
