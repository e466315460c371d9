import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { RawClient, type RawFrame } from '../support/raw-client.ts';
import type { Deployment } from './deployment.ts';
import { insist } from './insist.ts';

const FAR = 4_000_000_000_000;

/** What a user has set shows on all devices, and after each process was killed and started again. */
export async function prefs(deployment: Deployment): Promise<void> {
  const [first, other] = [deployment.urls[0] as string, deployment.urls.at(-1) as string];
  const ann = await RawClient.hello(first, 'prefs-ann');
  const created = await insist(ann, { t: 'create', kind: 'group', members: ['prefs-bob'], title: 'prefs' });
  const conv = created['conv'] as string;
  await insist(ann, { t: 'send', conv, cmid: randomUUID(), body: 'one' });
  let bob = await RawClient.hello(first, 'prefs-bob', 'phone');
  let tablet = await RawClient.hello(other, 'prefs-bob', 'tablet');
  for (const [change, shown] of [
    [{ mute: FAR, pin: true }, [FAR, true, undefined]],
    [{ archive: true }, [FAR, true, true]],
    [{ mute: 0, pin: false }, [undefined, undefined, true]],
  ] as const) {
    assert.equal((await insist(bob, { t: 'prefs', conv, ...change }))['t'], 'ok');
    for (const client of [bob, tablet])
      await client.next('conversation', (frame) => `${setIn(frame)}` === `${shown}`);
    const what = await deployment.crash();
    for (const client of [bob, tablet]) client.close();
    bob = await RawClient.hello(other, 'prefs-bob', 'phone');
    tablet = await RawClient.hello(first, 'prefs-bob', 'tablet');
    for (const client of [bob, tablet]) {
      const welcome = client.frames.find((frame) => frame.t === 'welcome') as RawFrame;
      const entry = (welcome['conversations'] as RawFrame[]).find((each) => each['conv'] === conv);
      assert.deepEqual(setIn(entry as RawFrame), shown, `${what} was killed and restarted`);
      assert.equal(welcome['badge'], shown[0] === undefined ? 1 : 0, 'what is muted does not count');
    }
  }
  for (const client of [ann, bob, tablet]) client.close();
}

function setIn(frame: RawFrame): unknown[] {
  return [frame['mute'], frame['pin'], frame['archive']];
}
