import assert from 'node:assert/strict';
import test from 'node:test';
import { type Client, convId, entryOf, Rig } from './rig.ts';

/** The badges that a client was told by `conversation`, each with the conversation that it came with. */
function badges(client: Client): [string, number][] {
  return client
    .all('conversation')
    .flatMap(({ conv, badge }) => (badge === undefined ? [] : [[conv, badge] as [string, number]]));
}

async function change(rig: Rig, n: number, fields: Parameters<typeof entryOf>[1]): Promise<void> {
  const entry = entryOf(convId(n), fields);
  await rig.inbox('ann', [entry]);
  rig.edge.deliver({ t: 'conversation', user: 'ann', entry });
}

test('S8.14 after a change the total of the inbox is told, once for all that changed, if it is another', async () => {
  const rig = new Rig();
  await rig.inbox('ann', [entryOf(convId(1), { unread: 2 }), entryOf(convId(2), { unread: 3, mute: 0 })]);
  const [client, second] = [await rig.join('ann'), await rig.join('ann', 'tablet')];
  await change(rig, 1, { unread: 0, head: 4 });
  await rig.system.advance(1_000);
  await change(rig, 2, { unread: 4, head: 4 });
  await rig.system.advance(500);
  for (const each of [client, second]) assert.deepEqual(badges(each), [[convId(2), 4]]);
  await change(rig, 1, { unread: 0, head: 5 });
  await rig.system.advance(1_500);
  assert.equal(badges(client).length, 1, 'the same number is no news');
});

test('S8.14 what the inbox did not show at the first look is told after another', async () => {
  const rig = new Rig();
  const client = await rig.join('ann');
  const entry = entryOf(convId(1), { unread: 2, head: 4 });
  rig.edge.deliver({ t: 'conversation', user: 'ann', entry });
  await rig.system.advance(5_000);
  await rig.inbox('ann', [entry]);
  await rig.system.advance(1_250);
  assert.deepEqual(badges(client), [[convId(1), 2]]);
});

test('a badge leaves out what is muted and what the user is not in any more', async () => {
  const rig = new Rig();
  const muted = { unread: 7, mute: 2 ** 50, set: 1, head: 9 };
  await rig.inbox('ann', [entryOf(convId(1), { unread: 2 }), entryOf(convId(3), { unread: 1, removed: 4 })]);
  const client = await rig.join('ann');
  await change(rig, 2, muted);
  await rig.system.advance(1_500);
  assert.deepEqual(badges(client), [], 'it is 2 as before');
  await change(rig, 1, { unread: 3, head: 8 });
  await rig.system.advance(1_500);
  assert.deepEqual(badges(client), [[convId(1), 3]]);
});

test('a stated number of inboxes is read at a time, and none of one who has gone', async () => {
  const rig = new Rig({ bounds: { badgeReadsPerTickMax: 2 } });
  const users = ['u1', 'u2', 'u3', 'u4', 'u5'];
  const clients = new Map<string, Client>();
  for (const user of users) clients.set(user, await rig.join(user));
  const reads: string[] = [];
  const inbox = rig.store.inbox.bind(rig.store);
  rig.store.inbox = (user) => {
    reads.push(user);
    return inbox(user);
  };
  const entry = entryOf(convId(1), { unread: 1 });
  for (const user of users) {
    await rig.inbox(user, [entry]);
    rig.edge.deliver({ t: 'conversation', user, entry });
  }
  clients.get('u4')?.socket.hangUp(1000);
  await rig.settle();
  await rig.system.advance(1_250);
  assert.deepEqual(reads, ['u1', 'u2']);
  await rig.system.advance(250);
  assert.deepEqual(reads, ['u1', 'u2', 'u3', 'u5']);
  assert.deepEqual(badges(clients.get('u5') as Client), [[convId(1), 1]]);
});

test('while the store is away no badge is told, and nothing else suffers', async () => {
  const rig = new Rig();
  const client = await rig.join('ann');
  await change(rig, 1, { unread: 1 });
  rig.store.available = false;
  await rig.system.advance(2_000);
  assert.deepEqual([badges(client), client.closeCode()], [[], undefined]);
  assert.deepEqual(rig.logged, []);
});
