import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import { randomUUID } from 'node:crypto';
import test from 'node:test';
import { directConversationId } from '../../../src/core/direct-id.ts';
import { uuidVersion } from '../../../src/core/ids.ts';
import type { CreateRequest, HistoryRequest } from '../../../src/core/requests.ts';
import { convId, Rig, type Client } from './rig.ts';

const conv = convId(1);
const other = convId(2);

function codes(client: Client): string[] {
  return client.all('error').map(({ code }) => code);
}

test('a send becomes a request with a body of its own, and its ack comes back', async () => {
  const rig = new Rig();
  for (const subprotocol of ['binary', 'json'] as const) {
    const client = await rig.join('ann', subprotocol, subprotocol);
    const cmid = randomUUID();
    const bytes = Buffer.from(
      JSON.stringify({ t: 'send', id: 7, conv, cmid, body: 'héllo', kind: 'note', retry: true }),
    );
    if (subprotocol === 'json') client.raw(bytes, false);
    else client.send({ t: 'send', id: 7, conv, cmid, body: 'héllo', kind: 'note', retry: true });
    const request = rig.owners.sends.at(-1);
    assert.ok(request);
    bytes.fill(0); // the socket's buffer is used again
    assert.equal(Buffer.from(request.body).toString(), 'héllo');
    const { user, device, kind, retry, text, ordinal, base } = request;
    assert.deepEqual(
      { user, device, kind, retry, text, ordinal, base },
      { user: 'ann', device: subprotocol, kind: 'note', retry: true, text: true, ordinal: 1, base: 1 },
    );
    rig.edge.answer(request, { t: 'ack', seq: 3, ts: 5, duplicate: true });
    assert.equal(client.received.length, 0, 'only queued');
    await rig.settle();
    assert.deepEqual(client.received, [{ t: 'ack', id: 7, conv, cmid, seq: 3, ts: 5, duplicate: true }]);
  }
});

test('S2.8 an id that is still unanswered: 4103; once answered it is free', async () => {
  const rig = new Rig();
  const client = await rig.join('ann');
  const send = (id: number) => client.send({ t: 'send', id, conv, cmid: randomUUID(), body: 'x' });
  send(1);
  rig.ack(rig.owners.requests[0]!, 1);
  send(1);
  assert.equal(client.closeCode(), undefined);
  client.send({ t: 'history', id: 1, conv: other });
  assert.equal(client.closeCode(), 4103);
  rig.ack(rig.owners.requests[1]!, 2); // nobody waits any more
  await rig.settle();
  assert.equal(client.all('bye').length, 1);
});

test('S2.8 an invalid frame under an unanswered id: 4103 too', async () => {
  const rig = new Rig();
  const client = await rig.join('ann', 'd1', 'json');
  client.send({ t: 'history', id: 5, conv });
  client.raw(Buffer.from(JSON.stringify({ t: 'history', id: 5, conv: 'x' })), false);
  assert.equal(client.closeCode(), 4103);
});

test('S2.6 an owner that answers twice is heard once', async () => {
  const rig = new Rig();
  const client = await rig.join('ann');
  const id = client.say(conv);
  rig.ack(rig.owners.requests[0]!, 1);
  rig.ack(rig.owners.requests[0]!, 1);
  await rig.settle();
  assert.equal(client.answerTo(id).length, 1);
  assert.equal(rig.logged.filter(({ level }) => level === 'error').length, 1);
});

test('S1.9 S2.9 pong with the time; errors with id, or with re and conv', async () => {
  const rig = new Rig();
  const client = await rig.join('ann', 'd1', 'json');
  client.send({ t: 'ping', id: 9 });
  client.raw(Buffer.from(JSON.stringify({ t: 'history', id: 3, conv: 'nonsense' })), false);
  client.send({ t: 'read', conv, seq: 4 });
  const [read] = rig.owners.requests;
  assert.equal(read?.id, 0);
  rig.answer(read!, { t: 'error', code: 'not_member', message: 'no', retryAfterMs: undefined });
  await rig.settle();
  const [pong, invalid, notMember] = client.received;
  assert.deepEqual(pong, { t: 'pong', id: 9, now: rig.system.now() });
  assert.ok(invalid?.t === 'error' && invalid.id === 3 && /conv/.test(invalid.message));
  assert.deepEqual(notMember, {
    t: 'error',
    code: 'not_member',
    message: 'no',
    retryable: false,
    re: 'read',
    conv,
  });
});

test('S3.2 S3.4 create: the id of a direct is computed, a group gets a v7, the creator comes first', async () => {
  const rig = new Rig();
  const client = await rig.join('ann');
  client.send({ t: 'create', id: 1, kind: 'direct', members: ['bob', 'ann'] });
  client.send({ t: 'create', id: 2, kind: 'group', members: ['bob', 'cy', 'bob'], title: 'T' });
  const picked = randomUUID();
  client.send({ t: 'create', id: 3, kind: 'group', members: [], conv: picked });
  const [direct, group, own] = rig.owners.requests as CreateRequest[];
  assert.equal(direct?.conv, directConversationId('ann', 'bob'));
  assert.deepEqual(direct?.members, ['ann', 'bob']);
  assert.equal(uuidVersion(group?.conv ?? ''), 7);
  assert.deepEqual(group?.members, ['ann', 'bob', 'cy']);
  assert.equal(group?.title, 'T');
  assert.equal(own?.conv, picked);
  rig.answer(group!, { t: 'created' });
  await rig.settle();
  assert.deepEqual(client.received, [{ t: 'created', id: 2, conv: group?.conv }]);
});

test('S3.1 S3.2 S3.6 create: what is wrong is named', async () => {
  const rig = new Rig();
  const client = await rig.join('ann');
  client.send({ t: 'create', id: 1, kind: 'direct', members: ['ann'] });
  client.send({ t: 'create', id: 2, kind: 'direct', members: ['bob', 'cy'] });
  client.send({ t: 'create', id: 3, kind: 'supergroup', members: [] });
  const many = Array.from({ length: 256 }, (_, i) => `u${i}`);
  client.send({ t: 'create', id: 4, kind: 'group', members: many });
  client.send({ t: 'create', id: 5, kind: 'group', members: ['ann', ...many.slice(1)] });
  await rig.settle();
  assert.deepEqual(codes(client), ['invalid', 'invalid', 'unsupported', 'too_large']);
  for (const error of client.all('error').filter(({ id }) => id !== 3))
    assert.match(error.message, /^members/);
  assert.equal(rig.owners.requests.length, 1, 'the creator among 256 is fine');
});

test('members and history become what was asked', async () => {
  const rig = new Rig();
  const client = await rig.join('ann');
  client.send({ t: 'members', id: 1, conv, add: ['bob'] });
  client.send({ t: 'members', id: 2, conv, role: [['bob', 'admin']] });
  client.send({ t: 'members', id: 3, conv, leave: true });
  client.send({ t: 'members', id: 4, conv });
  client.send({ t: 'history', id: 5, conv, after: 0 });
  client.send({ t: 'history', id: 6, conv, before: 9, limit: 3 });
  const changes = rig.owners.requests.map((request) =>
    request.t === 'members' ? request.change : undefined,
  );
  assert.deepEqual(changes.slice(0, 4), [
    { op: 'add', users: ['bob'] },
    { op: 'role', roles: [['bob', 'admin']] },
    { op: 'leave' },
    undefined,
  ]);
  const [after, before] = rig.owners.requests.slice(4) as HistoryRequest[];
  assert.deepEqual([after?.after, after?.before, after?.limit], [0, undefined, 50]);
  assert.deepEqual([before?.after, before?.before, before?.limit], [undefined, 9, 3]);
  rig.answer(rig.owners.requests[3]!, { t: 'ok', seq: 2, members: [['ann', 'owner']] });
  await rig.settle();
  assert.deepEqual(client.received, [{ t: 'ok', id: 4, seq: 2, members: [['ann', 'owner']] }]);
});

test('S9.5 a connection has at most 4,096 unanswered requests', async () => {
  const rig = new Rig({ settings: { sendsPerSecond: 100_000, burst: 100_000 } });
  const client = await rig.join('ann');
  for (let i = 0; i < 4_096; i++) client.say(convId(i % 7));
  assert.equal(rig.owners.requests.length, 4_096);
  const id = client.say(conv);
  await rig.settle();
  const [error] = client.all('error');
  assert.equal(error?.id, id);
  assert.equal(error?.code, 'overloaded');
  assert.ok((error?.retryAfterMs ?? 0) > 0);
  for (const request of rig.owners.requests) rig.ack(request, 1);
  await rig.system.advance(1_000);
  client.say(conv, 'hi', true);
  assert.equal(rig.owners.requests.length, 4_097);
});

test('S6.8 at most 4 unanswered history and conversations of a connection', async () => {
  const rig = new Rig();
  const client = await rig.join('ann');
  for (let id = 1; id <= 5; id++) client.send({ t: 'history', id, conv });
  client.send({ t: 'conversations', id: 6 });
  await rig.settle();
  assert.deepEqual(codes(client), ['overloaded', 'overloaded']);
  assert.equal(rig.owners.requests.length, 4);
  rig.answer(rig.owners.requests[0]!, { t: 'page', head: 0, frames: [], more: false });
  rig.answer(rig.owners.requests[1]!, {
    t: 'error',
    code: 'not_member',
    message: '-',
    retryAfterMs: undefined,
  });
  client.send({ t: 'conversations', id: 7 });
  client.send({ t: 'conversations', id: 8 });
  await rig.settle();
  assert.equal(client.all('conversations').length, 2);
  assert.equal(client.all('error').length, 3);
});

test('S9.1 the send rate is of the user over all devices; refusals say when to come back', async () => {
  const rig = new Rig({ settings: { sendsPerSecond: 10, burst: 5 } });
  const one = await rig.join('ann', 'd1');
  const two = await rig.join('ann', 'd2');
  const bob = await rig.join('bob');
  for (let i = 0; i < 4; i++) one.say(conv);
  for (let i = 0; i < 3; i++) two.say(conv);
  bob.say(conv);
  await rig.settle();
  assert.equal(rig.owners.sends.length, 6);
  assert.deepEqual(codes(two), ['rate_limited', 'rate_limited']);
  const wait = Math.max(...two.all('error').map(({ retryAfterMs }) => retryAfterMs ?? 0));
  assert.ok(wait > 0 && wait <= 1_000);
  await rig.system.advance(wait);
  two.say(conv, 'hi', true);
  assert.equal(rig.owners.sends.length, 7);
});

test('a new connection does not restore the send rate', async () => {
  const rig = new Rig({ settings: { sendsPerSecond: 1, burst: 3 } });
  const client = await rig.join('ann');
  for (let i = 0; i < 3; i++) client.say(conv);
  client.socket.hangUp(1000);
  const again = await rig.join('ann');
  again.say(conv);
  await rig.settle();
  assert.deepEqual(codes(again), ['rate_limited']);
  again.socket.hangUp(1000);
  await rig.system.advance(10_000);
  const later = await rig.join('ann');
  for (let i = 0; i < 3; i++) later.say(conv);
  await rig.settle();
  assert.deepEqual(codes(later), []);
});

test('frames of all kinds are limited per connection', async () => {
  const rig = new Rig({ settings: { sendsPerSecond: 5, burst: 5 } });
  const client = await rig.join('ann');
  for (let id = 1; id <= 25; id++) client.send({ t: 'ping', id });
  client.send({ t: 'read', conv, seq: 1 });
  await rig.settle();
  assert.equal(client.all('pong').length, 20);
  const errors = client.all('error');
  assert.equal(errors.length, 6);
  assert.ok(errors.every(({ code, retryAfterMs }) => code === 'rate_limited' && (retryAfterMs ?? 0) > 0));
  assert.equal(errors[5]?.re, 'read');
  assert.equal(errors[5]?.conv, conv);
});
