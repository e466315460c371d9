import assert from 'node:assert/strict';
import test from 'node:test';
import { backoffMs } from '../../../src/client/backoff.ts';
import type { ClientError } from '../../../src/client/errors.ts';
import { memoryStorage } from '../../../src/client/storage.ts';
import { tokenExpiry } from '../../../src/client/token.ts';
import type { Hello, Send } from '../../../src/protocol/frames.ts';
import type { Session } from './model-server.ts';
import { clientOf, World } from './virtual-world.ts';

function onlySession(world: World): Session {
  assert.equal(world.server.sessions.size, 1);
  return [...world.server.sessions][0] as Session;
}

async function until<T>(world: World, promise: Promise<T>): Promise<T> {
  let done = false;
  const finish = (): void => void (done = true);
  promise.then(finish, finish);
  for (let i = 0; i < 100 && !done; i++) await world.time.advance(1_000);
  assert.ok(done, 'no outcome within 100 s');
  return promise;
}

test('a hello carries the token, the device, and attempts that rise over a storage', async () => {
  const world = new World();
  const storage = memoryStorage();
  const first = clientOf(world, 'ann', { storage });
  await world.time.advance(10);
  assert.equal(first.user, 'ann');
  const hello = onlySession(world).frames[0] as Hello;
  assert.equal(hello.token, 'dev:ann');
  assert.equal(hello.device, first.device);
  assert.equal(hello.attempt, world.time.now() - 10);
  first.close();
  storage.set(`attempt.${first.device}`, String(world.time.now() + 5_000)); // a clock that ran ahead once
  const second = clientOf(world, 'ann', { storage });
  assert.equal(second.device, first.device);
  await world.time.advance(10);
  assert.equal((onlySession(world).frames[0] as Hello).attempt, world.time.now() - 10 + 5_001);
});

test('sends are acked in order, and again after a cut under the same cmid, flagged retry', async () => {
  const world = new World();
  const client = clientOf(world, 'ann');
  const conv = await until(world, client.create('group', ['bob'], 'g'));
  let cuts = 2;
  world.server.faults = { ...world.server.faults, cutAfterSend: () => cuts > 0 && cuts-- > 0 };
  const sends = ['one', 'two', 'three'].map((body) => client.send(conv, body));
  const placed = await until(world, Promise.all(sends));
  assert.deepEqual(
    placed.map((p) => p.seq),
    [2, 3, 4],
  );
  assert.deepEqual(
    world.server.conversations
      .get(conv)
      ?.log.map((m) => m.body)
      .slice(1),
    ['one', 'two', 'three'],
  );
  const again = onlySession(world).frames.filter((frame) => frame.t === 'send') as Send[];
  assert.ok(again.every((frame) => frame.retry === true || frame.body === 'three'));
  assert.equal(client.unacked, 0);
});

test('a refused send waits retryAfterMs, then all go again from it on, in order', async () => {
  const world = new World();
  const client = clientOf(world, 'ann');
  const conv = await until(world, client.create('group', [], 'g'));
  let refusals = 3;
  world.server.faults = {
    ...world.server.faults,
    refuseSend: () => (refusals-- > 0 ? 'unavailable' : undefined),
  };
  const sends = Array.from({ length: 20 }, (_, i) => client.send(conv, String(i)));
  await until(world, Promise.all(sends));
  const log = world.server.conversations.get(conv)?.log.slice(1);
  assert.deepEqual(
    log?.map((m) => m.body),
    Array.from({ length: 20 }, (_, i) => String(i)),
  );
});

test('a send refused for good rejects, and the next ones go on', async () => {
  const world = new World();
  const client = clientOf(world, 'ann');
  const conv = await until(world, client.create('group', [], 'g'));
  let once = true;
  world.server.faults = {
    ...world.server.faults,
    refuseSend: () => (once ? ((once = false), 'conflict') : undefined),
  };
  const timeline = client.timeline(conv);
  await world.time.advance(50);
  const bad = client.send(conv, 'bad');
  await assert.rejects(until(world, bad), { code: 'conflict' });
  assert.deepEqual(
    timeline.outgoing.map((o) => [o.body, o.error?.code]),
    [['bad', 'conflict']],
  );
  timeline.dismiss(timeline.outgoing[0]?.cmid as string);
  assert.equal(timeline.outgoing.length, 0);
});

test('the outbox is bounded, and bodies no server would take are refused at once', async () => {
  const world = new World();
  world.reachable = false;
  const client = clientOf(world, 'ann', { outboxMax: 2 });
  const conv = '0190a000-0000-7000-8000-000000000000';
  const waiting = [client.send(conv, 'a'), client.send(conv, 'b')];
  await assert.rejects(
    client.send(conv, 'c'),
    (error: ClientError) => error.code === 'outbox_full' && error.retryable,
  );
  await assert.rejects(client.send(conv, 'x'.repeat(16_385)), { code: 'too_large' });
  await assert.rejects(client.send(conv, 'é'.repeat(8_193)), { code: 'too_large' });
  await assert.rejects(client.send(conv, '\ud800'), { code: 'invalid' });
  await assert.rejects(client.send('nonsense', 'a'), { code: 'invalid' });
  client.close();
  for (const promise of waiting) await assert.rejects(promise, { code: 'closed' });
});

test('a silent connection is pinged after heartbeatMs, and given up 5 s later', async () => {
  const world = new World();
  const client = clientOf(world, 'ann');
  await world.time.advance(10);
  const session = onlySession(world);
  await world.time.advance(20_010);
  assert.equal(session.frames.at(-1)?.t, 'ping');
  await world.time.advance(10_000);
  assert.equal(client.state.is, 'online');
  world.silent = true;
  await world.time.advance(25_010);
  assert.notEqual(client.state.is, 'online');
  world.silent = false;
  await world.time.advance(31_000);
  assert.equal(client.state.is, 'online');
});

test('reconnects back off with full jitter from 0.5 to 30 s, or as the server says', async () => {
  for (let failures = 1; failures < 40; failures++) {
    assert.equal(backoffMs(failures, 0), 500);
    assert.ok(backoffMs(failures, 0.999999) <= Math.min(30_000, 500 * 2 ** failures));
  }
  const world = new World();
  const client = clientOf(world, 'ann');
  await world.time.advance(10);
  const session = onlySession(world);
  session.peer.send({ t: 'bye', code: 4000, reason: 'draining', reconnect: true, retryAfterMs: 7_000 });
  session.cut(4000, 'draining');
  await world.time.advance(10);
  assert.deepEqual(client.state, { is: 'waiting', reason: 'draining', retryInMs: 7_000 });
  await world.time.advance(6_900);
  assert.equal(world.server.sessions.size, 0);
  await world.time.advance(200);
  assert.equal(client.state.is, 'online');
});

test('after 41xx it does not reconnect by itself, and says why', async () => {
  const world = new World();
  const client = clientOf(world, 'ann');
  await world.time.advance(10);
  const pending = client
    .history('0190a000-0000-7000-8000-000000000000')
    .catch((error: ClientError) => error.code);
  onlySession(world).peer.send({ t: 'bye', code: 4102, reason: 'replaced', reconnect: false });
  onlySession(world).cut(4102, 'replaced');
  await world.time.advance(100_000);
  assert.deepEqual(client.state, { is: 'closed', reason: 'replaced', code: 4102 });
  assert.equal(world.opened, 1);
  const code = await pending;
  assert.ok(code === 'not_member' || code === 'closed');
  await assert.rejects(client.send('0190a000-0000-7000-8000-000000000000', 'x'), { code: 'closed' });
  client.connect();
  await world.time.advance(10);
  assert.equal(client.state.is, 'online');
  const barred = clientOf(world, 'eve', { token: 'wrong' });
  const readiness = barred.ready();
  await assert.rejects(until(world, readiness), { code: 'unauthenticated' });
});

test('a token source is asked before each connection, and before the token expires', async () => {
  const world = new World();
  const claims = (): string => btoa(JSON.stringify({ exp: Math.floor(world.time.now() / 1000) + 300 }));
  assert.equal(tokenExpiry(`a.${btoa('{"exp":5}')}.c`), 5_000);
  assert.equal(tokenExpiry('dev:ann'), undefined);
  assert.equal(tokenExpiry('a.%.c'), undefined);
  let asked = 0;
  const client = clientOf(world, 'ann', { token: async () => `dev:ann.${claims()}.${++asked}` });
  await world.time.advance(10);
  assert.equal(asked, 1);
  await world.time.advance(241_000);
  assert.equal(asked, 2);
  assert.equal(onlySession(world).frames.filter((frame) => frame.t === 'auth').length, 1);
  assert.equal(client.state.is, 'online');
});

test('all conversations are paged, and only then is the new cursor kept', async () => {
  const world = new World();
  const client = clientOf(world, 'ann');
  world.server.welcomeEntriesMax = 3;
  for (let i = 0; i < 450; i++) {
    await until(world, client.create('group', ['bob'], `g${i}`));
  }
  let synced = 0;
  const bob = clientOf(world, 'bob');
  bob.on('synced', () => synced++);
  await world.time.advance(3);
  assert.equal(synced, 0);
  await world.time.advance(50);
  assert.equal(synced, 1);
  assert.equal(bob.conversations.length, 450);
  const session = [...world.server.sessions].find((candidate) => candidate.user === 'bob') as Session;
  assert.equal((session.frames[0] as Hello).cursor, undefined);
  session.cut();
  await world.time.advance(2_000);
  const again = [...world.server.sessions].find((candidate) => candidate.user === 'bob') as Session;
  assert.match((again.frames[0] as Hello).cursor ?? '', /^cursor-/);
});

test('unread counts others, is cleared by reading and by an own send, and follows the server', async () => {
  const world = new World();
  const ann = clientOf(world, 'ann');
  const conv = await until(world, ann.create('group', ['bob'], 'g'));
  await world.time.advance(10);
  assert.equal(ann.conversation(conv)?.unread, 0);
  for (let i = 0; i < 3; i++) world.server.post(conv, 'bob', `m${i}`);
  await world.time.advance(10);
  assert.equal(ann.conversation(conv)?.unread, 3);
  assert.equal(ann.unread, 3);
  ann.read(conv, 3); // the event 1 is the creation
  assert.equal(ann.conversation(conv)?.read, 3);
  ann.timeline(conv);
  await world.time.advance(10);
  ann.read(conv, 3);
  ann.read(conv, 4);
  assert.equal(ann.unread, 0);
  await world.time.advance(300);
  assert.equal(world.server.conversations.get(conv)?.read.get('ann'), 4);
  world.server.post(conv, 'bob', 'again');
  await world.time.advance(10);
  assert.equal(ann.unread, 1);
  await until(world, ann.send(conv, 'mine'));
  assert.equal(ann.unread, 0);
  assert.equal(ann.conversation(conv)?.preview?.text, 'mine');
  world.server.post(conv, 'bob', 'and again');
  await world.time.advance(10);
  assert.equal(ann.unread, 1);
  onlySession(world).peer.send({ t: 'head', conv, seq: 9, n: 8, unread: 3 });
  await world.time.advance(10);
  assert.equal(ann.unread, 3);
  onlySession(world).peer.send({ t: 'head', conv, seq: 10, n: 9, unread: 9 }); // of a cursor from before the own message
  await world.time.advance(10);
  assert.equal(ann.unread, 4);
  const entry = ann.conversation(conv);
  onlySession(world).peer.send({ ...entry, t: 'conversation', conv, head: 3, n: 2, read: 1, unread: 2 }); // a former owner's
  await world.time.advance(10);
  assert.deepEqual(ann.conversation(conv), entry, 'neither heads nor cursors fall');
});

test('members change, and a removed one loses the conversation from its list', async () => {
  const world = new World();
  const ann = clientOf(world, 'ann');
  const bob = clientOf(world, 'bob');
  const conv = await until(world, ann.create('group', [], 'g'));
  assert.equal(await until(world, ann.changeMembers(conv, { add: ['bob'] })), 2);
  await world.time.advance(10);
  assert.deepEqual(
    bob.conversations.map((entry) => entry.conv),
    [conv],
  );
  const list = await until(world, bob.members(conv));
  assert.deepEqual(list.members, [
    ['ann', 'owner'],
    ['bob', 'member'],
  ]);
  const timeline = bob.timeline(conv);
  await until(world, bob.changeMembers(conv, { leave: true }));
  await world.time.advance(10);
  assert.equal(bob.conversations.length, 0);
  await assert.rejects(until(world, bob.history(conv)), { code: 'not_member' });
  await until(world, ann.changeMembers(conv, { add: ['bob'] }));
  await world.time.advance(10);
  assert.equal(bob.conversations.length, 1);
  await world.time.advance(3_000);
  assert.equal(timeline.last, 4);
});

test('a request outlives its connection, a refusal for now, and not its time', async () => {
  const world = new World();
  const ann = clientOf(world, 'ann', { requestTimeoutMs: 10_000 });
  const conv = await until(world, ann.create('group', ['bob'], 'g'));
  const page = ann.history(conv);
  onlySession(world).cut();
  await world.time.advance(3_000);
  assert.deepEqual(
    (await page).messages.map((message) => message.seq),
    [1],
  );

  const session = onlySession(world);
  world.silent = true;
  const refused = ann.history(conv);
  const { id } = await lastFrame(world, session);
  session.peer.send({ t: 'error', id, code: 'overloaded', message: 'm', retryable: true, retryAfterMs: 500 });
  world.silent = false;
  await world.time.advance(400);
  const asked = (): number => session.frames.filter((frame) => frame.t === 'history').length;
  assert.equal(asked(), 2, 'the one after the cut, and the one refused');
  await world.time.advance(200);
  assert.equal((await refused).head, 1);
  assert.equal(asked(), 3);

  world.reachable = false;
  session.cut();
  const late = ann.history(conv);
  await assert.rejects(until(world, late), { code: 'timed_out' });
});

/** The id of the request that just left the client, which the silent world kept from the server. */
async function lastFrame(world: World, session: Session): Promise<{ id: number }> {
  world.silent = false;
  await world.time.advance(1);
  const frame = session.frames.at(-1);
  world.silent = true;
  await world.time.advance(1);
  assert.ok(frame !== undefined && 'id' in frame);
  return { id: frame.id };
}

test('at most four reads are unanswered at one time', async () => {
  const world = new World();
  const ann = clientOf(world, 'ann');
  const conv = await until(world, ann.create('group', [], 'g'));
  const pages = Array.from({ length: 10 }, () => ann.history(conv));
  await world.time.advance(1);
  assert.equal(onlySession(world).frames.filter((frame) => frame.t === 'history').length, 4);
  await world.time.advance(10);
  assert.equal((await Promise.all(pages)).length, 10);
});

test('own messages of another device, found when a gap is closed, count as read', async () => {
  const world = new World();
  const ann = clientOf(world, 'ann');
  const conv = await until(world, ann.create('group', ['bob'], 'g'));
  ann.timeline(conv);
  await world.time.advance(10);
  world.server.faults = { ...world.server.faults, event: () => 'lose' };
  for (let i = 0; i < 3; i++) world.server.post(conv, 'bob', `lost ${i}`);
  world.server.post(conv, 'ann', 'from my phone');
  world.server.faults = { ...world.server.faults, event: () => 'deliver' };
  world.server.post(conv, 'bob', 'seen');
  await world.time.advance(20);
  assert.equal(ann.conversation(conv)?.read, 5);
  assert.equal(ann.unread, 1);
});

test('of several addresses each new connection is to the next', async () => {
  const world = new World();
  const client = clientOf(world, 'ann', { url: ['http://one:1', 'https://two:2'] });
  const seen: string[] = [];
  for (let i = 0; i < 3; i++) {
    await world.time.advance(10);
    seen.push(world.lastUrl);
    onlySession(world).cut();
    await world.time.advance(100); // noticed
    client.connect();
  }
  assert.deepEqual(seen, ['ws://one:1/v1/connect', 'wss://two:2/v1/connect', 'ws://one:1/v1/connect']);
  client.close();
  assert.throws(() => clientOf(world, 'ann', { url: [] }), /url: give one address at least/);
});
