/** What an edge makes of deliveries of an earlier owner that come late, and of those that overlap. */
import assert from 'node:assert/strict';
import test from 'node:test';
import type { Entry } from '../../../src/core/entry.ts';
import { audience, type Client, convId, entryOf, Rig } from './rig.ts';

const conv = convId(1);

const entry = (rig: Rig, user: string, fields: Partial<Entry>) =>
  rig.edge.deliver({ t: 'conversation', user, entry: entryOf(conv, fields) });
const head = (rig: Rig, user: string, seq: number) =>
  rig.edge.deliver({ t: 'head', conv, user, seq, n: seq, unread: 1 });
const heads = (client: Client) => client.all('head').map(({ seq }) => seq);
const messages = (client: Client) => client.all('message').map(({ seq }) => seq);

test('S7.2 late and repeated events are not forwarded, nor is who gets the next decided by them', async () => {
  for (const crowd of [0, 10]) {
    const rig = new Rig();
    const [ann, bob] = [await rig.join('ann'), await rig.join('bob')];
    const names = ['ann'];
    for (let i = 0; i < crowd; i++) names.push((await rig.join(`u${i}`)).session.user);
    const [before, after] = [audience(conv, [...names, 'bob'], 1), audience(conv, names, 6)];
    for (const [members, seq] of [
      [before, 4],
      [after, 7],
      [before, 5],
      [before, 4],
      [after, 8],
      [after, 8],
    ] as const)
      rig.event(members, seq);
    await rig.settle();
    assert.deepEqual(messages(ann), [4, 7, 8], 'a jump goes out as it is');
    assert.deepEqual(messages(bob), [4]);
    assert.ok(!bob.socket.topics.has(conv));
  }
});

test('a late event does not bring a former member a head, not even when that socket is slow', async () => {
  const rig = new Rig();
  const clients: Client[] = [];
  for (let i = 0; i < 9; i++) clients.push(await rig.join(`u${i}`));
  const names = clients.map(({ session }) => session.user);
  const [before, after] = [audience(conv, names, 1), audience(conv, names.slice(1), 6)];
  rig.event(before, 4);
  entry(rig, 'u0', { head: 5, removed: 6 });
  rig.event(after, 6);
  rig.event(before, 5);
  await rig.settle();
  rig.edge.handlers.dropped(clients[0]!.session);
  await rig.system.advance(1_500); // slow sockets are looked at every second
  assert.deepEqual(heads(clients[0]!), []);
  assert.deepEqual(messages(clients[0]!), [4]);
});

test('a head that a session knows is not told again; one that registered later is told', async () => {
  const rig = new Rig();
  const first = await rig.join('ann', 'first');
  rig.event(audience(conv, ['ann']), 5);
  await rig.settle();
  const later = await rig.join('ann', 'later');
  for (const seq of [5, 4, 5, 7]) head(rig, 'ann', seq);
  await rig.settle();
  assert.deepEqual(heads(first), [7]);
  assert.deepEqual(heads(later), [5, 4, 5, 7], 'heads alone are not remembered');
  const cy = await rig.join('cy');
  rig.event(audience(conv, ['ann']), 8); // the owner did not know yet that cy is here
  head(rig, 'cy', 8);
  await rig.settle();
  assert.deepEqual(heads(cy), [8]);
});

test('S8.6 what was forwarded before an inbox is read again counts for nothing', async () => {
  const rig = new Rig({ bounds: { marksMax: 2 } });
  let times = 0;
  rig.owners.onAnnounce = (user) => {
    if (++times > 1) return head(rig, user, 3); // the inbox does not show it yet
    for (let i = 1; i <= 3; i++) rig.event(audience(convId(i), ['ann']), 3);
  };
  await rig.inbox('ann', [entryOf(conv)]);
  const client = rig.connect();
  client.send({ t: 'hello', token: 'dev:ann', device: 'd1' });
  await rig.settle();
  assert.equal(times, 2);
  assert.deepEqual(heads(client), [3]);
});

test('an entry of before a removal is not shown after it, nor a removal after the return', async () => {
  const rig = new Rig();
  const [ann, bob] = [await rig.join('ann'), await rig.join('bob')];
  entry(rig, 'ann', { head: 3, removed: 4 });
  rig.event(audience(conv, ['bob'], 4), 4);
  entry(rig, 'ann', { head: 3, role: 'admin' });
  await rig.settle();
  assert.deepEqual(
    ann.received.map((frame) => frame.t === 'conversation' && frame.removed),
    [4],
  );
  entry(rig, 'ann', { head: 5 });
  rig.event(audience(conv, ['ann', 'bob'], 6), 6);
  entry(rig, 'ann', { head: 3, removed: 4 });
  rig.event(audience(conv, ['ann', 'bob'], 6), 7);
  await rig.settle();
  assert.deepEqual(
    ann.received.slice(1).map(({ t }) => t),
    ['conversation', 'message', 'message'],
  );
  assert.deepEqual(messages(bob), [4, 6, 7]);
});

test('who is removed gets nothing more, also when the event of the removal concerns nobody else here', async () => {
  const rig = new Rig();
  const ann = await rig.join('ann');
  const members = audience(conv, ['ann', 'elsewhere']);
  rig.event(members, 4);
  entry(rig, 'ann', { head: 6, removed: 7 });
  rig.event(members, 5); // late
  await rig.settle();
  assert.deepEqual(
    ann.received.map(({ t }) => t),
    ['message', 'conversation'],
  );
  entry(rig, 'ann', { head: 8 });
  rig.event(audience(conv, ['ann', 'elsewhere'], 9), 9);
  await rig.settle();
  assert.deepEqual(messages(ann), [4, 9], 'and all again after the return');
});

test('an entry that is behind is shown for what else it tells; its head is put right', async () => {
  const rig = new Rig();
  const ann = await rig.join('ann');
  for (const seq of [5, 6]) rig.event(audience(conv, ['ann', 'bob'], 5), seq);
  entry(rig, 'ann', { head: 5, n: 5, unread: 2, role: 'admin' });
  await rig.settle();
  const [shown, corrected] = ann.received.slice(2);
  assert.ok(shown?.t === 'conversation' && shown.role === 'admin');
  assert.deepEqual(corrected, { t: 'head', conv, seq: 6, n: 6, unread: 3 });
});

test('of the entries that come while a session is greeted the newest counts, and the inbox if that is newer', async () => {
  const removed = { head: 6, removed: 7 };
  for (const [row, delivered, expected] of [
    [{ head: 4 }, [removed, { head: 5 }], 7],
    [removed, [{ head: 6 }], 7],
    [removed, [{ head: 7 }, removed], undefined],
    [{ head: 7 }, [removed], undefined],
    [{ head: 6 }, [removed], 7],
  ] as const) {
    const rig = new Rig();
    await rig.inbox('ann', [entryOf(conv, row)]);
    rig.owners.onAnnounce = (user) => {
      for (const fields of delivered) entry(rig, user, fields);
    };
    const client = rig.connect();
    client.send({ t: 'hello', token: 'dev:ann', device: 'd1' });
    await rig.settle();
    assert.deepEqual(
      client.all('welcome')[0]?.conversations.map((each) => each.removed),
      [expected],
      JSON.stringify([row, delivered]),
    );
  }
});

test('S7.2 an ack that comes after later events is told as a duplicate: it has no place in their order', async () => {
  const rig = new Rig();
  const [ann, bob] = [await rig.join('ann'), await rig.join('bob')];
  const members = audience(conv, ['ann', 'bob']);
  for (let i = 0; i < 3; i++) ann.say(conv);
  const [first, second, third] = rig.owners.sends;
  rig.ack(first!, 4);
  rig.event(members, 4, ann);
  rig.event(members, 8, bob); // the new owner's
  rig.ack(second!, 5);
  rig.ack(third!, 9);
  rig.event(members, 9, ann);
  await rig.settle();
  assert.deepEqual(
    ann.received.map((frame) => frame.t === 'ack' && [frame.seq, frame.duplicate ?? false]),
    [[4, false], false, [5, true], [9, false]],
  );
  assert.deepEqual(messages(bob), [4, 9]);
});
