import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { RawClient, type RawFrame } from '../support/raw-client.ts';
import { sleep } from '../support/server-process.ts';
import type { Deployment } from './deployment.ts';
import { insist, nextId } from './insist.ts';

const QUIET_MS = 1_000;
const FAR = 1_100;
const SENDS_AT_ONCE = 200;

type Known = { readonly conv: string; readonly head: number; readonly removed?: number };

/** A device that comes back, at another server, with a cursor and what it has, learns all that it missed. */
export async function syncs(deployment: Deployment): Promise<void> {
  const [first, other] = [deployment.urls[0] as string, deployment.urls.at(-1) as string];
  const ann = await RawClient.hello(first, 'sync-ann');
  const conv = await group(ann, 'told');
  const quiet = await group(ann, 'quiet');
  const secret = await group(ann, 'secret', []);
  let bob = await RawClient.hello(other, 'sync-bob');
  await say(ann, conv, 3);
  await bob.next('message', (frame) => frame['conv'] === conv && frame['seq'] === 4);
  const cursor = cursorOf(bob);
  bob.close();

  // It has all, and comes back at once: it need not fetch, and drops nothing.
  bob = await back(first, {
    cursor,
    have: [
      [conv, 4],
      [quiet, 1],
    ],
  });
  await sleep(QUIET_MS);
  assert.deepEqual(resets(bob), [], 'it has no more than there is');
  assert.equal(headOf(bob, conv) ?? 4, 4);
  bob.close();

  // It missed some.
  await say(ann, conv, 5);
  bob = await back(other, {
    cursor,
    have: [
      [conv, 4],
      [quiet, 1],
    ],
  });
  await told(bob, conv, 9);
  const page = await insist(bob, { t: 'history', conv, after: 4, limit: 200 });
  assert.deepEqual(seqsOf(page), [5, 6, 7, 8, 9]);
  assert.deepEqual(resets(bob), []);
  bob.close();

  // What can't be: beyond the head, and a conversation of others.
  bob = await back(first, {
    have: [
      [conv, 5_000],
      [secret, 1],
    ],
  });
  await bob.next('reset', (frame) => frame['conv'] === conv);
  const { removed } = (await bob.next('conversation', (frame) => frame['conv'] === secret)) as RawFrame &
    Known;
  assert.equal(removed, 0);
  bob.close();

  // Far behind: the timeline is to be dropped.
  await say(ann, conv, FAR);
  await deployment.crash();
  bob = await back(other, { cursor, have: [[conv, 9]] });
  await bob.next('reset', (frame) => frame['conv'] === conv);
  await told(bob, conv, 9 + FAR);
  const newest = await insist(bob, { t: 'history', conv, limit: 2 });
  assert.deepEqual(seqsOf(newest), [8 + FAR, 9 + FAR]);
  bob.close();
  ann.close();
}

async function group(client: RawClient, title: string, members = ['sync-bob']): Promise<string> {
  const created = await insist(client, { t: 'create', kind: 'group', members, title });
  assert.equal(created.t, 'created', JSON.stringify(created));
  return created['conv'] as string;
}

/** Many at once, in order, and no more than a connection may have open: nothing of it may be refused. */
async function say(client: RawClient, conv: string, count: number): Promise<void> {
  for (let left = count; left > 0; left -= SENDS_AT_ONCE) {
    const ids = Array.from({ length: Math.min(left, SENDS_AT_ONCE) }, () => nextId());
    for (const id of ids) client.send({ t: 'send', id, conv, cmid: randomUUID(), body: `${id}` });
    for (const id of ids) {
      const answer = await client.answer(id);
      assert.equal(answer.t, 'ack', JSON.stringify(answer));
    }
  }
}

function back(url: string, fields: object): Promise<RawClient> {
  return RawClient.hello(url, 'sync-bob', 'd1', fields);
}

function cursorOf(client: RawClient): string {
  return client.frames.find(({ t }) => t === 'welcome')?.['cursor'] as string;
}

function resets(client: RawClient): RawFrame[] {
  return client.frames.filter(({ t }) => t === 'reset');
}

function seqsOf(page: RawFrame): number[] {
  return (page['messages'] as { seq: number }[]).map(({ seq }) => seq);
}

/** The highest head that the client was told of, in `welcome` or after it. */
function headOf(client: RawClient, conv: string): number | undefined {
  const heads = client.frames.flatMap((frame): number[] => {
    if (frame.t === 'welcome')
      return (frame['conversations'] as Known[])
        .filter((entry) => entry.conv === conv)
        .map(({ head }) => head);
    if (frame['conv'] !== conv) return [];
    if (frame.t === 'head') return [frame['seq'] as number];
    return frame.t === 'conversation' ? [frame['head'] as number] : [];
  });
  return heads.length === 0 ? undefined : Math.max(...heads);
}

async function told(client: RawClient, conv: string, head: number): Promise<void> {
  for (let i = 0; headOf(client, conv) !== head; i++) {
    if (i > 200) throw new Error(`it was told of ${headOf(client, conv)}, not of ${head}`);
    await sleep(50);
  }
}
