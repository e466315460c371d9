import assert from 'node:assert/strict';
import test from 'node:test';
import { audience, type Client, convId, entryOf, Rig } from './rig.ts';

const conv = convId(1);

async function flood(
  rig: Rig,
  members: ReturnType<typeof audience>,
  from: number,
  to: number,
): Promise<void> {
  for (let seq = from; seq <= to; seq++) {
    rig.event(members, seq, undefined, 10_000);
    if (seq % 5 === 0) await rig.settle();
  }
  await rig.settle();
}

const kinds = (client: Client) => client.received.map(({ t }) => t);

test('S7.4 socket by socket: a stuck one is turned to pull, and told one head per conversation', async () => {
  const rig = new Rig();
  const [ann, bob] = [await rig.join('ann'), await rig.join('bob')];
  await rig.inbox('ann', [entryOf(conv, { head: 1, n: 1, unread: 1 }), entryOf(convId(2))]);
  const members = audience(conv, ['ann', 'bob']);
  ann.socket.isStuck = true;
  await flood(rig, members, 1, 200);
  assert.equal(rig.metrics.gauges.pullSockets, 1);
  const buffered = ann.socket.bufferedBytes();
  assert.ok(buffered > 256 * 1024 && buffered < 512 * 1024, `${buffered} bytes wait`);
  rig.event(audience(convId(2), ['ann']), 7);
  assert.equal(bob.all('message').length, 200, 'others are not held up');
  ann.socket.unstick();
  await rig.settle();
  const pushed = ann.all('message').length;
  assert.ok(pushed < 60);
  assert.deepEqual(
    ann.received.slice(pushed),
    [
      { t: 'head', conv, seq: 200, n: 200, unread: 200 },
      { t: 'head', conv: convId(2), seq: 7, n: 7, unread: 7 },
    ],
    'the unread of the read cursor in the inbox',
  );
  ann.clear();
  rig.event(members, 201);
  await rig.settle();
  assert.deepEqual(kinds(ann), ['message'], 'and it is pushed to again');
  assert.equal(rig.metrics.gauges.pullSockets, 0);
});

test('S7.4 S7.6 in a topic: what was lost there is told, and the topic is left meanwhile', async () => {
  const rig = new Rig();
  const clients: Client[] = [];
  for (let i = 0; i < 9; i++) clients.push(await rig.join(`u${i}`, 'd1', i === 1 ? 'json' : 'binary'));
  const members = audience(
    conv,
    clients.map((client) => client.session.user),
  );
  for (const slow of [clients[0]!, clients[1]!]) {
    slow.socket.isStuck = true;
  }
  await flood(rig, members, 1, 120);
  for (const slow of [clients[0]!, clients[1]!]) {
    assert.ok(!slow.socket.topics.has(conv));
    assert.ok(slow.socket.bufferedBytes() < 600 * 1024);
    slow.socket.unstick();
  }
  await rig.settle();
  for (const slow of [clients[0]!, clients[1]!]) {
    assert.equal(slow.received.at(-1)?.t, 'head');
    const [head, ...more] = slow.all('head');
    assert.deepEqual([head?.seq, more.length], [120, 0]);
    assert.ok(slow.socket.topics.has(conv), 'subscribed again');
  }
  rig.event(members, 121);
  await rig.settle();
  for (const client of clients) assert.equal(client.all('message').at(-1)?.seq, 121);
  assert.equal(clients[2]!.all('message').length, 121);
});

test('an event that a socket filled by publishes does not take is told later', async () => {
  const rig = new Rig();
  const clients: Client[] = [];
  for (let i = 0; i < 9; i++) clients.push(await rig.join(`u${i}`));
  const members = audience(
    conv,
    clients.map((client) => client.session.user),
  );
  const slow = clients[0]!;
  slow.socket.isStuck = true;
  const alone = audience(convId(2), ['u0']);
  for (const seq of [3, 4]) rig.event(alone, seq);
  for (let seq = 1; seq <= 60; seq++) rig.event(members, seq, undefined, 10_000);
  assert.ok(slow.socket.bufferedBytes() > 512 * 1024);
  await rig.settle();
  assert.equal(slow.closeCode(), undefined);
  slow.socket.unstick();
  await rig.settle();
  assert.deepEqual(
    slow.all('head').map((head) => [head.conv, head.seq]),
    [
      [conv, 60],
      [convId(2), 4],
    ],
  );
});

test('a turn with too much for one socket turns it to pull, without a drain to wait for', async () => {
  const rig = new Rig();
  const ann = await rig.join('ann');
  const members = audience(conv, ['ann']);
  for (let seq = 1; seq <= 40; seq++) rig.event(members, seq, undefined, 10_000);
  await rig.settle();
  const pushed = ann.all('message').length;
  assert.ok(pushed >= 13 && pushed < 20);
  assert.deepEqual(kinds(ann).slice(pushed), ['head']);
  assert.equal(ann.all('head')[0]?.seq, 40);
});

test('entries missed by a slow socket come as conversation, then head if more came', async () => {
  const rig = new Rig();
  const ann = await rig.join('ann');
  ann.socket.isStuck = true;
  await flood(rig, audience(conv, ['ann']), 1, 60);
  const user = 'ann';
  rig.edge.deliver({ t: 'conversation', user, entry: entryOf(convId(2), { head: 1, n: 1, unread: 1 }) });
  rig.event(audience(convId(2), ['ann']), 4);
  rig.event(audience(convId(3), ['ann']), 8);
  rig.edge.deliver({ t: 'conversation', user, entry: entryOf(convId(3), { head: 8, removed: 9 }) });
  ann.socket.unstick();
  await rig.settle();
  const told = ann.received.filter(({ t }) => t !== 'message');
  assert.deepEqual(
    told.map((frame) => [frame.t, 'conv' in frame && frame.conv]),
    [
      ['head', conv],
      ['conversation', convId(2)],
      ['head', convId(2)],
      ['conversation', convId(3)],
    ],
  );
  assert.deepEqual(told[2], { t: 'head', conv: convId(2), seq: 4, n: 4, unread: 4 });
});

test('S7.5 a socket that takes nothing for over 30 s is closed as slow_consumer', async () => {
  const rig = new Rig();
  const ann = await rig.join('ann');
  ann.socket.isStuck = true;
  await flood(rig, audience(conv, ['ann']), 1, 60);
  for (let second = 0; second < 29; second++) {
    await rig.system.advance(1_000);
    rig.edge.handlers.alive(ann.session);
  }
  assert.equal(ann.closeCode(), undefined);
  await rig.system.advance(3_000);
  assert.equal(ann.closeCode(), 4001);
  assert.equal(rig.metrics.gauges.pullSockets, 0);
});

test('an answer that the socket cannot take closes it: answers do not vanish', async () => {
  const rig = new Rig({ settings: { burst: 100_000, sendsPerSecond: 100_000 } });
  const ann = await rig.join('ann', 'd1', 'json');
  ann.socket.isStuck = true;
  for (let round = 0; round < 8 && ann.closeCode() === undefined; round++) {
    for (let i = 0; i < 1_000; i++) ann.say(conv);
    for (const [i, request] of rig.owners.requests.splice(0).entries()) rig.ack(request, i + 1);
    await rig.settle();
  }
  assert.equal(ann.closeCode(), 4001);
  assert.equal(rig.metrics.closes.slow_consumer, 1);
});

test('more conversations missed than there is room for: closed, to sync anew', async () => {
  const rig = new Rig({ bounds: { marksMax: 5 } });
  const ann = await rig.join('ann');
  ann.socket.isStuck = true;
  await flood(rig, audience(conv, ['ann']), 1, 60);
  for (let i = 2; i <= 5; i++) rig.event(audience(convId(i), ['ann']), 1);
  assert.equal(ann.closeCode(), undefined);
  rig.event(audience(convId(6), ['ann']), 1);
  assert.equal(ann.closeCode(), 4001);
});

test('the unsent bytes of the node are bounded: the fullest sockets go first', async () => {
  const rig = new Rig({ bounds: { nodeBufferedBytesMax: 400_000 } });
  const [ann, bob, cy] = [await rig.join('ann'), await rig.join('bob'), await rig.join('cy')];
  for (const client of [ann, bob]) client.socket.isStuck = true;
  await flood(rig, audience(conv, ['ann', 'cy']), 1, 25);
  await flood(rig, audience(convId(2), ['bob', 'cy']), 1, 20);
  await rig.system.advance(1_000);
  assert.equal(ann.closeCode(), 4001);
  assert.equal(bob.closeCode(), undefined);
  assert.equal(cy.closeCode(), undefined);
});

test('a head without unread is better than none while the store is away', async () => {
  const rig = new Rig();
  const ann = await rig.join('ann');
  ann.socket.isStuck = true;
  await flood(rig, audience(conv, ['ann']), 1, 60);
  rig.store.available = false;
  ann.socket.unstick();
  await rig.settle();
  assert.deepEqual(ann.received.at(-1), { t: 'head', conv, seq: 60, n: 60 });
});
