import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { Client } from '../../src/client/index.ts';
import { until } from '../support/server-process.ts';
import type { Deployment } from './deployment.ts';
import { person } from './people.ts';

const WAIT_MS_MAX = 20_000;
const MESSAGES = 2_000;

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

/** Two users of the SDK, at different servers if there are several: nothing is lost, doubled or reordered by a kill between. */
export async function reconnect(
  t: TestContext,
  deployment: Deployment,
  subprotocol: 'binary' | 'json',
): Promise<void> {
  const names = { ann: `ann-${subprotocol}`, bob: `bob-${subprotocol}` };
  const clients: Client[] = [];
  t.after(() => {
    for (const client of clients) client.close();
  });
  const clientOf = (user: string, home: number): Client => {
    const { client } = person(deployment.urls, home, { user, subprotocol, outboxMax: MESSAGES });
    clients.push(client);
    return client;
  };
  const [ann, bob] = [clientOf(names.ann, 0), clientOf(names.bob, 1)];
  await Promise.all([ann.ready(), bob.ready()]);
  const conv = await ann.create('group', [names.bob], 'g');
  const appended: number[] = [];
  const timeline = bob.timeline(conv, { after: 0, whenBehind: 'fetch' });
  timeline.on('append', (messages) => appended.push(...messages.map((message) => message.seq)));
  const shown = ann.timeline(conv);

  const acks = Array.from({ length: MESSAGES }, (_, i) => ann.send(conv, `m${i}`));
  await Promise.race(acks);
  await deployment.crash();
  for (const client of clients) client.connect();
  const seqs = (await Promise.all(acks)).map((placed) => placed.seq);
  assert.deepEqual(seqs, range(2, MESSAGES + 1));
  await until('bob has them all', WAIT_MS_MAX, () => appended.length > MESSAGES);
  assert.deepEqual(appended, range(1, MESSAGES + 1));
  assert.equal(bob.unread, MESSAGES);
  assert.equal(ann.unread, 0);
  bob.read(conv, MESSAGES + 1);
  assert.equal(bob.unread, 0);

  const bytes = await bob.send(conv, new Uint8Array([0, 255, 10]), { kind: 'blob' });
  await until('ann has the bytes', WAIT_MS_MAX, () => shown.last === bytes.seq);
  const last = shown.messages.at(-1);
  assert.deepEqual([last?.kind, Buffer.from(last?.body as Uint8Array)], ['blob', Buffer.from([0, 255, 10])]);
  assert.equal(shown.isCurrent, true);
  assert.deepEqual((await bob.members(conv)).members, [
    [names.ann, 'owner'],
    [names.bob, 'member'],
  ]);
  await assert.rejects(bob.changeMembers(conv, { remove: [names.ann] }), { code: 'forbidden' });

  const late = clientOf(names.bob, 0);
  await late.ready();
  await until('the late one knows of it', WAIT_MS_MAX, () => late.conversation(conv)?.head === bytes.seq);
  assert.equal(late.conversation(conv)?.unread, 0);
}
