import assert from 'node:assert/strict';
import test from 'node:test';
import type { Entry } from '../../../src/core/entry.ts';
import type { ConversationRequest } from '../../../src/core/requests.ts';
import type { Hello, ServerFrame } from '../../../src/protocol/frames.ts';
import { encodeServer } from '../../../src/protocol/server-codec.ts';
import type { Subprotocol } from '../../../src/edge/socket.ts';
import { audience, type Client, convId, entryOf, Rig } from './rig.ts';

type Welcome = Extract<ServerFrame, { t: 'welcome' }>;

async function greet(
  rig: Rig,
  fields: Partial<Hello> = {},
  subprotocol: Subprotocol = 'binary',
): Promise<Client> {
  const client = rig.connect(subprotocol);
  client.send({ t: 'hello', token: 'dev:ann', device: 'd1', ...fields });
  await rig.settle();
  return client;
}

function welcomeOf(client: Client): Welcome {
  const [welcome] = client.all('welcome');
  assert.ok(welcome);
  return welcome;
}

const convsOf = (frame: { conversations: readonly Entry[] }) => frame.conversations.map(({ conv }) => conv);
const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);

/** Conversation i was last active at i * 10. */
const entries = (from: number, to: number) =>
  range(from, to).map((i) => entryOf(convId(i), { ts: i * 10, unread: 2 }));

/** Closes the peer first, so that the next hello is no rival. */
async function again(rig: Rig, client: Client, fields: Partial<Hello>): Promise<Client> {
  client.socket.hangUp(1000);
  return greet(rig, fields);
}

test('S8.1 welcome lists all, most recently active first; badge is the unread of all', async () => {
  for (const subprotocol of ['binary', 'json'] as const) {
    const rig = new Rig();
    await rig.inbox('ann', [...entries(1, 5), entryOf(convId(6), { ts: 5, removed: 2, unread: 9 })]);
    const welcome = welcomeOf(await greet(rig, {}, subprotocol));
    assert.deepEqual(convsOf(welcome), [5, 4, 3, 2, 1, 6].map(convId));
    assert.equal(welcome.more, false);
    assert.equal(welcome.before, undefined);
    assert.equal(welcome.badge, 10, 'one left does not count');
    assert.equal(welcome.conversations.at(-1)?.removed, 2);
  }
});

test('S8.12 S16.3 what is muted now counts for no badge, and entries show what is set', async () => {
  for (const subprotocol of ['binary', 'json'] as const) {
    const rig = new Rig();
    const now = rig.system.now();
    await rig.inbox('ann', [
      entryOf(convId(1), { ts: 3, mute: now + 1_000, pin: true, unread: 3 }),
      entryOf(convId(2), { ts: 2, mute: now - 1, archive: true, unread: 4 }),
      entryOf(convId(3), { ts: 1, unread: 5 }),
    ]);
    const { badge, conversations } = welcomeOf(await greet(rig, {}, subprotocol));
    assert.equal(badge, 9);
    assert.deepEqual(
      conversations.map(({ mute, pin, archive }) => [mute, pin, archive]),
      [
        [now + 1_000, true, undefined],
        [now - 1, undefined, true],
        [undefined, undefined, undefined],
      ],
    );
  }
});

test('S8.2 S8.8 with a cursor: what changed, and not much else', async () => {
  const rig = new Rig();
  await rig.inbox('ann', entries(1, 100));
  const first = await greet(rig);
  const { cursor } = welcomeOf(first);
  assert.ok(cursor.length <= 2_048);
  const same = await again(rig, first, { cursor });
  assert.deepEqual(welcomeOf(same).conversations, []);
  assert.equal(welcomeOf(same).cursor, cursor);
  assert.equal(welcomeOf(same).badge, 200);
  const changes: Partial<Entry>[] = [
    { head: 2 },
    { read: 1 },
    { mute: 1 },
    { pin: true },
    { role: 'admin' },
    { removed: 2 },
    { title: 'T' },
  ];
  for (const [i, change] of changes.entries()) {
    const changed = convId(i * 7 + 1);
    await rig.inbox('ann', [entryOf(changed, { ...change, ts: 5_000 })]);
    const client = await again(rig, same, { cursor });
    const listed = convsOf(welcomeOf(client));
    assert.ok(listed.includes(changed), JSON.stringify(change));
    assert.ok(listed.length < 30, `${listed.length} listed`);
    client.socket.hangUp(1000);
  }
  const foreign = await again(rig, same, { cursor: 'something-else' });
  assert.equal(welcomeOf(foreign).conversations.length, 100, 'an unknown cursor: all');
});

test('S8.1 at most 200 entries or 128 KiB; the rest is paged, each once, in order', async () => {
  const rig = new Rig();
  await rig.inbox('ann', entries(1, 450));
  const client = await greet(rig);
  const welcome = welcomeOf(client);
  assert.equal(welcome.conversations.length, 200);
  assert.equal(welcome.more, true);
  const seen = convsOf(welcome);
  let { before } = welcome;
  for (let id = 1; before !== undefined; id++) {
    client.send({ t: 'conversations', id, before, limit: 100 });
    await rig.settle();
    const page = client.all('conversations').at(-1);
    assert.ok(page && page.id === id);
    assert.equal(page.more, page.before !== undefined);
    seen.push(...convsOf(page));
    before = page.before;
  }
  assert.deepEqual(seen, range(1, 450).reverse().map(convId));
  assert.equal(client.session.listed, undefined, 'nothing need be remembered any more');
});

test('S8.1 entries with long texts: the frame stays within its bytes', async () => {
  for (const subprotocol of ['binary', 'json'] as const) {
    const rig = new Rig();
    const preview = { seq: 1, from: 'u'.repeat(64), kind: 'text', text: '\u0001"😀'.repeat(50) };
    await rig.inbox(
      'ann',
      entries(1, 300).map((entry) => ({ ...entry, title: 'ü'.repeat(200), preview })),
    );
    const welcome = welcomeOf(await greet(rig, {}, subprotocol));
    const bytes = encodeServer(welcome, subprotocol).length;
    assert.ok(bytes < 128 * 1024 + 1_000, `${bytes} bytes`);
    assert.ok(bytes > 64 * 1024, `${bytes} bytes: it is used`);
    assert.equal(welcome.more, true);
  }
});

test('S8.7 a made-up before is invalid', async () => {
  const rig = new Rig();
  await rig.inbox('ann', entries(1, 3));
  const client = await greet(rig);
  for (const [i, before] of ['x', 'A'.repeat(38), 'MTIz'].entries())
    client.send({ t: 'conversations', id: i + 1, before });
  client.send({ t: 'conversations', id: 9, limit: 2 });
  await rig.settle();
  assert.deepEqual(
    client.all('error').map(({ id, code }) => [id, code]),
    [1, 2, 3].map((id) => [id, 'invalid']),
  );
  assert.match(client.all('error')[0]?.message ?? '', /^before/);
  const [page] = client.all('conversations');
  assert.deepEqual([page?.conversations.length, page?.more], [2, true]);
});

test('S8.3 S8.4 S8.5 have: listed where the head differs, reset, and conversation with removed', async () => {
  const rig = new Rig();
  const heads = [5, 5, 2_000, 5, 5].map((head, i) => entryOf(convId(i + 1), { head, ts: i }));
  await rig.inbox('ann', [...heads, entryOf(convId(6), { head: 3, removed: 4 })]);
  const first = await greet(rig);
  const { cursor } = welcomeOf(first);
  const have: [string, number][] = [
    [convId(1), 5],
    [convId(2), 4],
    [convId(3), 999],
    [convId(4), 6],
    [convId(6), 3],
    [convId(7), 1],
  ];
  const client = await again(rig, first, { cursor, have });
  assert.deepEqual(convsOf(welcomeOf(client)).sort(), [2, 3, 4].map(convId));
  assert.deepEqual(client.received.slice(1), [
    { t: 'reset', conv: convId(3) },
    { t: 'conversation', conv: convId(6), removed: 4 },
  ]);
  // What the inbox does not show may be newer than it: the owners are asked.
  const asked = rig.owners.requests.filter((request) => request.id === 0);
  assert.deepEqual(
    asked.map(({ t, conv }) => [t, conv]),
    [4, 7].map((i) => ['history', convId(i)]),
  );
  const page = (head: number) => ({ t: 'page', head, frames: [], more: true }) as const;
  rig.answer(asked[0] as ConversationRequest, page(5));
  const stranger = { t: 'error', code: 'not_member', message: '', retryAfterMs: undefined } as const;
  rig.answer(asked[1] as ConversationRequest, stranger);
  await rig.settle();
  assert.deepEqual(client.received.slice(3), [
    { t: 'reset', conv: convId(4) },
    { t: 'conversation', conv: convId(7), removed: 0 },
  ]);
  const near = await again(rig, client, { cursor, have: [[convId(3), 1_000]] });
  assert.equal(near.all('reset').length, 0, '1,000 behind is not too far');
});

test('S8.6 the session is announced before its inbox is read, and told what came meanwhile', async () => {
  const rig = new Rig();
  await rig.inbox('ann', [
    entryOf(convId(1), { head: 5, n: 5, unread: 3 }),
    entryOf(convId(2), { head: 9, n: 9 }),
  ]);
  rig.owners.onAnnounce = (user) => {
    assert.equal(user, 'ann');
    const members = (i: number) => audience(convId(i), ['ann']);
    for (const seq of [6, 7]) rig.event(members(1), seq);
    rig.event(members(2), 9); // the inbox shows it already
    rig.edge.deliver({ t: 'conversation', user, entry: entryOf(convId(3), { head: 4, n: 4, unread: 4 }) });
    rig.event(members(3), 5);
    rig.edge.deliver({ t: 'head', conv: convId(2), user, seq: 10, n: 10, unread: 1 });
  };
  const client = await greet(rig, { have: [[convId(3), 4]] });
  assert.deepEqual(
    client.received.map(({ t }) => t),
    ['welcome', 'head', 'head', 'head'],
  );
  assert.deepEqual(
    convsOf(welcomeOf(client)).sort(),
    [1, 2, 3].map(convId),
    'a new one that the inbox lacks',
  );
  const told = client.all('head').sort((a, b) => (a.conv < b.conv ? -1 : 1));
  assert.deepEqual(told, [
    { t: 'head', conv: convId(1), seq: 7, n: 7, unread: 5 },
    { t: 'head', conv: convId(2), seq: 10, n: 10, unread: 1 },
    { t: 'head', conv: convId(3), seq: 5, n: 5, unread: 5 },
  ]);
  client.clear();
  rig.event(audience(convId(1), ['ann']), 8);
  await rig.settle();
  assert.deepEqual(
    client.received.map(({ t }) => t),
    ['message'],
  );
});

test('more happened during the read than there is room for: the inbox is read again', async () => {
  const rig = new Rig({ bounds: { marksMax: 3 } });
  await rig.inbox(
    'ann',
    entries(1, 9).map((entry) => ({ ...entry, head: 2 })),
  );
  let reads = 0;
  rig.owners.onAnnounce = () => {
    if (++reads > 1) return;
    for (let i = 1; i <= 9; i++) rig.event(audience(convId(i), ['ann']), 2);
  };
  const client = await greet(rig);
  assert.equal(reads, 2);
  assert.equal(welcomeOf(client).conversations.length, 9);
  rig.owners.onAnnounce = () => {
    for (let i = 1; i <= 9; i++) rig.event(audience(convId(i), ['ann']), ++reads);
  };
  const unlucky = await again(rig, client, {});
  assert.equal(unlucky.all('bye')[0]?.reconnect, true, 'again and again: come back later');
});

test('S7.3 of a conversation not listed yet its conversation comes first, then a head, then events', async () => {
  const rig = new Rig();
  await rig.inbox(
    'ann',
    entries(1, 210).map((entry) => ({ ...entry, head: 3, n: 3, unread: 3 })),
  );
  const client = await greet(rig);
  client.clear();
  const members = (i: number) => audience(convId(i), ['ann']);
  rig.event(members(1), 4);
  rig.event(members(1), 5);
  rig.event(members(210), 4);
  await rig.settle();
  const of1 = client.received.filter((frame) => 'conv' in frame && frame.conv === convId(1));
  assert.deepEqual(
    of1.map(({ t }) => t),
    ['conversation', 'head'],
  );
  assert.deepEqual(of1[1], { t: 'head', conv: convId(1), seq: 5, n: 5, unread: 5 });
  assert.equal(client.all('message')[0]?.conv, convId(210), 'a listed one is just told');
  client.clear();
  rig.event(members(1), 6);
  rig.edge.deliver({ t: 'conversation', user: 'ann', entry: entryOf(convId(2), { head: 3 }) });
  rig.event(members(2), 4);
  rig.edge.deliver({ t: 'head', conv: convId(3), user: 'ann', seq: 4, n: 4, unread: 4 });
  await rig.settle();
  assert.deepEqual(
    client.received.map((frame) => [frame.t, 'conv' in frame && frame.conv]),
    [
      ['message', convId(1)],
      ['conversation', convId(2)],
      ['message', convId(2)],
      ['conversation', convId(3)],
      ['head', convId(3)],
    ],
  );
});

test('S7.3 an unlisted one whose row cannot be read is held until it can', async () => {
  const rig = new Rig();
  await rig.inbox('ann', entries(1, 210));
  const client = await greet(rig);
  client.clear();
  rig.store.available = false;
  rig.event(audience(convId(1), ['ann']), 4);
  rig.event(audience(convId(200), ['ann']), 4);
  await rig.settle();
  assert.deepEqual(
    client.received.map((frame) => 'conv' in frame && frame.conv),
    [convId(200)],
  );
  rig.store.available = true;
  await rig.system.advance(2_000);
  assert.deepEqual(
    client.received.slice(1).map(({ t }) => t),
    ['conversation', 'head'],
  );
});

test('what came during the read to a conversation beyond the first page is shown and told', async () => {
  const rig = new Rig();
  await rig.inbox('ann', entries(1, 210));
  rig.owners.onAnnounce = () => rig.event(audience(convId(1), ['ann']), 4);
  const client = await greet(rig);
  assert.deepEqual(
    client.received.map(({ t }) => t),
    ['welcome', 'conversation', 'head'],
  );
});

test('with thousands of events missed, what is written at once stays bounded', async () => {
  const rig = new Rig();
  const many = range(1, 3_000);
  const preview = { seq: 1, from: 'bob', kind: 'text', text: 'x'.repeat(200) };
  rig.owners.onAnnounce = (user) => {
    for (const i of many)
      rig.edge.deliver({ t: 'conversation', user, entry: entryOf(convId(i), { ts: i, preview }) });
  };
  const client = rig.connect();
  client.send({ t: 'hello', token: 'dev:ann', device: 'd1' });
  client.socket.isStuck = true;
  let turns = 0;
  for (; turns < 40 && client.all('conversation').length < 2_800; turns++) {
    await rig.settle();
    assert.ok(client.socket.bufferedBytes() < 400 * 1024, `${client.socket.bufferedBytes()} bytes`);
    client.socket.unstick();
    client.socket.isStuck = true;
  }
  const shown = new Set([
    ...convsOf(welcomeOf(client)),
    ...client.all('conversation').map(({ conv }) => conv),
  ]);
  assert.equal(shown.size, 3_000);
  assert.equal(client.closeCode(), undefined);
});

test('S8.4 S8.5 have: an inbox that lags behind is no reason to drop anything', async () => {
  const rig = new Rig();
  await rig.inbox('ann', [entryOf(convId(1), { head: 5 })]);
  const client = await greet(rig, {
    have: [
      [convId(1), 9],
      [convId(2), 4],
      [convId(3), 2],
    ],
  });
  const [first, second, third] = rig.owners.requests as [
    ConversationRequest,
    ConversationRequest,
    ConversationRequest,
  ];
  rig.answer(first, { t: 'page', head: 9, frames: [], more: true });
  rig.answer(second, { t: 'grant', head: 4, from: 4, to: 4, newestFirst: true, limit: 1, moreBeyond: true });
  rig.answer(third, { t: 'error', code: 'unavailable', message: '', retryAfterMs: 1 });
  await rig.settle();
  assert.deepEqual(
    client.received.map(({ t }) => t),
    ['welcome'],
  );
});
