import assert from 'node:assert/strict';
import test from 'node:test';
import type { Audience } from '../../../src/core/requests.ts';
import { Audiences } from '../../../src/edge/audiences.ts';
import { EDGE_BOUNDS } from '../../../src/edge/bounds.ts';
import { audience, type Client, convId, entryOf, Rig } from './rig.ts';

const conv = convId(1);

function seqs(client: Client): number[] {
  return client.received.flatMap((frame) =>
    (frame.t === 'message' || frame.t === 'ack') && frame.conv === conv ? [frame.seq] : [],
  );
}

/** Sessions of u0, u1 …, every third of them JSON. */
async function crowd(rig: Rig, count: number): Promise<Client[]> {
  const clients: Client[] = [];
  for (let i = 0; i < count; i++)
    clients.push(await rig.join(`u${i}`, 'd1', i % 3 === 2 ? 'json' : 'binary'));
  return clients;
}

const namesOf = (clients: readonly Client[]) => clients.map(({ session }) => session.user);

test('S7.1 an event goes to all devices of the members; the sending socket gets the ack alone', async () => {
  const rig = new Rig();
  const [ann, annToo, bob, cy] = [
    await rig.join('ann', 'd1'),
    await rig.join('ann', 'd2', 'json'),
    await rig.join('bob'),
    await rig.join('cy'),
  ];
  ann.say(conv);
  rig.ack(rig.owners.sends[0]!, 1);
  rig.event(audience(conv, ['ann', 'bob']), 1, ann);
  await rig.settle();
  assert.deepEqual(
    ann.received.map(({ t }) => t),
    ['ack'],
  );
  assert.equal(annToo.all('message')[0]?.body, 'xx');
  assert.equal(bob.all('message')[0]?.seq, 1);
  assert.deepEqual(cy.received, []);
  assert.equal(rig.sockets.publishes, 0, 'few sessions: socket by socket');
});

test('one write per socket and turn, whatever is in it', async () => {
  const rig = new Rig();
  const ann = await rig.join('ann');
  await rig.join('bob');
  for (let i = 0; i < 20; i++) ann.say(conv);
  for (const [i, request] of rig.owners.sends.entries()) rig.ack(request, i + 1);
  for (let i = 2; i < 6; i++) rig.event(audience(convId(i), ['ann']), 1);
  await rig.settle();
  assert.equal(ann.received.length, 24);
  assert.equal(ann.socket.writes, 1);
});

test('from 8 sessions up one publish per event and subprotocol, the sender excepted', async () => {
  const rig = new Rig();
  const clients = await crowd(rig, 9);
  const members = audience(conv, namesOf(clients));
  rig.event(members, 1);
  await rig.settle();
  assert.equal(rig.sockets.publishes, 2);
  for (const client of clients) assert.deepEqual(seqs(client), [1]);
  for (const [seq, sender] of [
    [2, clients[0]],
    [3, clients[2]],
  ] as const) {
    sender?.say(conv);
    rig.ack(rig.owners.sends.at(-1)!, seq);
    rig.event(members, seq, sender);
  }
  await rig.settle();
  assert.equal(rig.sockets.publishes, 6);
  for (const client of clients) assert.deepEqual(seqs(client), [1, 2, 3], 'acks and messages rise together');
  assert.equal(clients[0]?.all('ack').length, 1);
  assert.equal(clients[0]?.all('message').length, 2);
});

test('S7.2 own writes and publishes keep the order of a conversation, in one turn', async () => {
  const rig = new Rig();
  const clients = await crowd(rig, 10);
  const members = audience(conv, namesOf(clients));
  for (const client of clients) for (let i = 0; i < 3; i++) client.say(conv);
  const requests = rig.owners.sends;
  // As a committed batch: ack, then event, in the order of seqs, of senders in turn.
  for (let seq = 1; seq <= requests.length; seq++) {
    const sender = (seq * 7) % clients.length;
    const request = requests[sender * 3 + Math.floor((seq - 1) / clients.length)]!;
    rig.ack(request, seq);
    rig.event(members, seq, clients[sender]);
  }
  await rig.settle();
  const all = requests.map((_, i) => i + 1);
  for (const client of clients) {
    assert.deepEqual(seqs(client), all);
    assert.equal(client.all('ack').length, 3);
  }
});

test('S7.2 the order holds when a conversation becomes a topic, and when it ends as one', async () => {
  const rig = new Rig();
  const clients = await crowd(rig, 9);
  const names = namesOf(clients);
  let seq = 0;
  const versions = [names.slice(0, 7), names, names.slice(0, 3), names];
  for (const [version, users] of versions.entries()) {
    const members = audience(conv, users, version + 1);
    for (let i = 0; i < 3; i++) rig.event(members, ++seq);
  }
  await rig.settle();
  assert.deepEqual(seqs(clients[0]!), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
  assert.deepEqual(seqs(clients[5]!), [1, 2, 3, 4, 5, 6, 10, 11, 12]);
  assert.deepEqual(seqs(clients[8]!), [4, 5, 6, 10, 11, 12]);
});

test('S3.16 a removed member gets conversation with removed, and nothing of that seq or above', async () => {
  for (const count of [3, 12]) {
    const rig = new Rig();
    const clients = await crowd(rig, count);
    const names = namesOf(clients);
    const gone = clients[1]!;
    rig.event(audience(conv, names), 4);
    rig.edge.deliver({ t: 'conversation', user: 'u1', entry: entryOf(conv, { head: 4, removed: 5 }) });
    const rest = audience(
      conv,
      names.filter((name) => name !== 'u1'),
      5,
    );
    rig.event(rest, 5);
    rig.event(rest, 6);
    await rig.settle();
    assert.deepEqual(
      gone.received.map(({ t }) => t),
      ['message', 'conversation'],
    );
    assert.equal(gone.all('conversation')[0]?.removed, 5);
    assert.deepEqual(seqs(clients[0]!), [4, 5, 6]);
    assert.ok(!gone.socket.topics.has(conv));
  }
});

test('who is added gets the conversation before its first event, also in a topic', async () => {
  const rig = new Rig();
  const clients = await crowd(rig, 10);
  const names = namesOf(clients);
  rig.event(audience(conv, names.slice(0, 9)), 1);
  rig.edge.deliver({ t: 'conversation', user: 'u9', entry: entryOf(conv, { head: 1, title: 'new' }) });
  rig.event(audience(conv, names, 2), 2);
  await rig.settle();
  assert.deepEqual(
    clients[9]!.received.map(({ t }) => t),
    ['conversation', 'message'],
  );
});

test('what was forwarded is not forwarded again', async () => {
  const rig = new Rig();
  const ann = await rig.join('ann');
  const members = audience(conv, ['ann']);
  for (const seq of [1, 2, 2, 1, 3]) rig.event(members, seq);
  await rig.settle();
  assert.deepEqual(seqs(ann), [1, 2, 3]);
});

test('sessions that come and go take part from then on, and only so long', async () => {
  const rig = new Rig();
  const clients = await crowd(rig, 8);
  const members = audience(conv, [...namesOf(clients), 'late']);
  rig.event(members, 1);
  await rig.settle();
  const late = await rig.join('late');
  assert.ok(late.socket.topics.has(conv), 'joins the topic');
  clients[0]!.socket.hangUp(1000);
  rig.event(members, 2);
  await rig.settle();
  assert.deepEqual(seqs(late), [2]);
  assert.deepEqual(seqs(clients[0]!), [1]);
  assert.deepEqual(seqs(clients[1]!), [1, 2]);
  for (const client of clients.slice(1, 6)) client.socket.hangUp(1000);
  rig.event(members, 3);
  await rig.settle();
  assert.ok(!late.socket.topics.has(conv), 'too few for a topic');
  assert.deepEqual(seqs(late), [2, 3]);
});

test('heads and entries go to all sessions of one user', async () => {
  const rig = new Rig();
  const [one, two, bob] = [
    await rig.join('ann', 'd1'),
    await rig.join('ann', 'd2', 'json'),
    await rig.join('bob'),
  ];
  rig.edge.deliver({ t: 'head', conv, user: 'ann', seq: 9, n: 8, unread: 2 });
  await rig.settle();
  for (const client of [one, two])
    assert.deepEqual(client.received, [{ t: 'head', conv, seq: 9, n: 8, unread: 2 }]);
  assert.deepEqual(bob.received, []);
});

test('audiences are bounded, and those in use are the last to be forgotten', () => {
  const bounds = { ...EDGE_BOUNDS, audiencesMax: 3, audienceUsersMax: 8 };
  const audiences = new Audiences(bounds, () => undefined);
  const of = (i: number, users: number) =>
    audience(
      convId(i),
      Array.from({ length: users }, (_, u) => `u${u}`),
    );
  let seq = 0;
  const forward = (members: Audience) => audiences.forwarding({ audience: members, seq: ++seq, n: seq });
  const made = [1, 2, 3].map((i) => of(i, 2));
  for (const each of made) forward(each);
  forward(of(4, 2));
  assert.equal(audiences.size, 3);
  assert.equal(audiences.get(convId(1)), undefined, 'all were used: the oldest goes');
  forward(made[1]!);
  forward(of(5, 2));
  assert.ok(audiences.get(convId(2)), 'used since');
  assert.equal(audiences.get(convId(3)), undefined);
  forward(of(6, 7));
  assert.ok(audiences.size <= 1, 'the users named are bounded too');
  assert.ok(audiences.get(convId(6)));
});

test('an evicted topic goes on socket by socket, or anew', async () => {
  const rig = new Rig({ bounds: { audiencesMax: 1 } });
  const clients = await crowd(rig, 9);
  const members = audience(conv, namesOf(clients));
  rig.event(members, 1);
  rig.event(audience(convId(2), ['u0']), 1);
  assert.ok(!clients[0]!.socket.topics.has(conv));
  rig.event(members, 2);
  await rig.settle();
  for (const client of clients) assert.deepEqual(seqs(client), [1, 2]);
});
