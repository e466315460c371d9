import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { RawClient, type RawFrame } from '../support/raw-client.ts';
import type { Deployment } from './deployment.ts';
import { insist } from './insist.ts';

const MESSAGES = 20;

/**
 * Retries get the original seq and time: on the same connection, through another server, and after each process was
 * killed and started again.
 */
export async function retries(deployment: Deployment): Promise<void> {
  const [first, other] = [deployment.urls[0] as string, deployment.urls.at(-1) as string];
  let ann = await RawClient.hello(first, 'retry-ann');
  const created = await insist(ann, { t: 'create', kind: 'group', members: ['retry-bob'], title: 'retries' });
  const { conv } = created;
  const cmids = Array.from({ length: MESSAGES }, () => randomUUID());
  const send = (client: RawClient, i: number, more: object = {}): Promise<RawFrame> =>
    insist(client, { t: 'send', conv, cmid: cmids[i], body: `message ${i}`, ...more });
  const originals: RawFrame[] = [];
  for (let i = 0; i < MESSAGES; i++) originals.push(await send(ann, i));
  assert.deepEqual(
    originals.map(({ t, seq, duplicate }: Ack) => [t, seq, duplicate]),
    originals.map((_, i) => ['ack', i + 2, undefined]),
  );

  const repeat = async (client: RawClient, what: string): Promise<void> => {
    for (const [i, original] of originals.entries()) {
      // The later half not flagged: it is among the last that the conversation knows.
      const ack: Ack = await send(client, i, i < MESSAGES / 2 ? { retry: true } : {});
      const { seq, ts }: Ack = original;
      assert.deepEqual([ack.t, ack.seq, ack.ts, ack.duplicate], ['ack', seq, ts, true], `${what}: ${i}`);
    }
    const changed = await send(client, 0, { retry: true, body: 'another text' });
    assert.deepEqual([changed.t, changed['code']], ['error', 'conflict'], what);
  };
  await repeat(ann, 'the same connection');
  ann.close();
  ann = await RawClient.hello(other, 'retry-ann');
  await repeat(ann, 'another server');
  const tablet = await RawClient.hello(first, 'retry-ann', 'd2');
  assert.equal(((await send(tablet, 0)) as Ack).seq, MESSAGES + 2, 'another device has ids of its own');
  tablet.close();
  for (let i = 0; i <= deployment.urls.length; i++) {
    const what = await deployment.crash();
    ann.close();
    ann = await RawClient.hello(i % 2 === 0 ? first : other, 'retry-ann');
    await repeat(ann, `${what} was killed and restarted`);
  }
  const page = await insist(ann, { t: 'history', conv, after: 0, limit: 200 });
  const messages = page['messages'] as { seq: number }[];
  assert.deepEqual(
    messages.map(({ seq }) => seq),
    Array.from({ length: MESSAGES + 2 }, (_, i) => i + 1),
  );
  ann.close();
}

type Ack = RawFrame & { readonly seq?: unknown; readonly ts?: unknown; readonly duplicate?: unknown };
