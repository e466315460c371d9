import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { RawClient, type RawFrame } from '../support/raw-client.ts';
import { sleep, until } from '../support/server-process.ts';
import type { Deployment } from './deployment.ts';
import { insist } from './insist.ts';

const [ANN, BOB] = ['away-ann', 'away-bob'] as const;
const FAR = 4_000_000_000_000;
const WRITTEN_UP_MS_MAX = 20_000;
const TALKS = ['read', 'muted', 'pinned', 'archived', 'mentioned', 'left', 'calm'] as const;

/**
 * A device comes back to the cursor that it left with, after all else was done at another device and each process was
 * killed: it is told of what was read, muted, pinned, archived, hidden and left there, and asks what others read.
 * Resolves with the server's time at which it came back.
 */
export async function away(deployment: Deployment): Promise<number> {
  const [first, other] = [deployment.urls[0] as string, deployment.urls.at(-1) as string];
  const ann = await RawClient.hello(first, ANN);
  const talks = {} as Record<(typeof TALKS)[number], string>;
  for (const title of TALKS) {
    const created = await insist(ann, { t: 'create', kind: 'group', members: [BOB], title });
    talks[title] = created['conv'] as string;
    await insist(ann, { t: 'send', conv: talks[title], cmid: randomUUID(), body: title });
  }
  let seen: RawFrame;
  do {
    const phone = await RawClient.hello(first, BOB, 'phone');
    seen = welcomeOf(phone);
    phone.close();
    await sleep(100);
  } while (seen['badge'] !== TALKS.length); // until all of it is written up

  const tablet = await RawClient.hello(other, BOB, 'tablet');
  await elsewhere(ann, tablet, talks);
  for (const client of [ann, tablet]) client.close();
  for (let i = 0; i <= deployment.urls.length; i++) await deployment.crash();

  const have = Object.values(talks).map((conv) => [conv, 2]);
  const back = await RawClient.hello(first, BOB, 'phone', { cursor: seen['cursor'], have });
  // What a killed process had not written up is told as soon as its successor has, of each conversation for itself.
  await until(
    'it is told of the end',
    WRITTEN_UP_MS_MAX,
    () => toldOf(back).get(talks.left)?.['removed'] === 3,
  );
  await until(
    'and of the mention',
    WRITTEN_UP_MS_MAX,
    () => toldOf(back).get(talks.mentioned)?.['head'] === 3,
  );
  await until('and that one is read', WRITTEN_UP_MS_MAX, () => toldOf(back).get(talks.read)?.['read'] === 2);
  // Only now: 5 is also the sum with the end counted and the mention not.
  await until('the badge', WRITTEN_UP_MS_MAX, () => badgeOf(back) === 5); // pinned, archived, mentioned twice, calm
  const told = toldOf(back);
  const shown = (title: (typeof TALKS)[number], ...fields: string[]): unknown[] =>
    fields.map((field) => told.get(talks[title])?.[field]);
  assert.deepEqual(shown('read', 'read', 'unread'), [2, 0]);
  assert.deepEqual(shown('muted', 'mute', 'unread'), [FAR, 1]);
  assert.deepEqual(shown('pinned', 'pin', 'unread'), [true, 1]);
  assert.deepEqual(shown('archived', 'archive', 'unread'), [true, 1]);
  assert.deepEqual(shown('mentioned', 'head', 'unread', 'mentions'), [3, 2, 1]);
  const welcome = welcomeOf(back);
  assert.deepEqual(welcome['prefs'], { receipts: false, presence: 'everyone' });
  const { items } = await insist(back, { t: 'receipts', conv: talks.mentioned });
  assert.deepEqual(items, [[ANN, 3, 3]]);
  const page = await insist(back, { t: 'history', conv: talks.mentioned, after: 2, limit: 10 });
  assert.equal((page['messages'] as RawFrame[]).length, 1);
  back.close();
  return Number(welcome['now']);
}

async function elsewhere(
  ann: RawClient,
  tablet: RawClient,
  talks: Readonly<Record<(typeof TALKS)[number], string>>,
): Promise<void> {
  tablet.send({ t: 'read', conv: talks.read, seq: 2 });
  await tablet.next('conversation', (frame) => frame['conv'] === talks.read && frame['read'] === 2);
  for (const [conv, change] of [
    [talks.muted, { mute: FAR }],
    [talks.pinned, { pin: true }],
    [talks.archived, { archive: true }],
    [undefined, { receipts: false }],
  ] as const)
    assert.equal((await insist(tablet, { t: 'prefs', conv, ...change }))['t'], 'ok');
  assert.equal((await insist(tablet, { t: 'members', conv: talks.left, leave: true }))['t'], 'ok');
  const mention = { cmid: randomUUID(), body: 'you', mentions: [BOB] };
  assert.equal((await insist(ann, { t: 'send', conv: talks.mentioned, ...mention }))['t'], 'ack');
}

function welcomeOf(client: RawClient): RawFrame {
  return client.frames.find(({ t }) => t === 'welcome') as RawFrame;
}

/** Each conversation as `welcome` and what came after it have it. */
function toldOf(client: RawClient): ReadonlyMap<unknown, RawFrame> {
  const told = new Map<unknown, RawFrame>();
  for (const frame of client.frames) {
    const entries = frame.t === 'welcome' ? (frame['conversations'] as RawFrame[]) : [frame];
    if (frame.t !== 'welcome' && frame.t !== 'conversation') continue;
    for (const entry of entries) told.set(entry['conv'], { ...told.get(entry['conv']), ...entry });
  }
  return told;
}

function badgeOf(client: RawClient): unknown {
  const told = client.frames.filter(({ t, badge }) => badge !== undefined && t !== 'error');
  return told.at(-1)?.['badge'];
}
