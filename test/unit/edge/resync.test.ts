import assert from 'node:assert/strict';
import test from 'node:test';
import type { Entry } from '../../../src/core/entry.ts';
import type { Inbox } from '../../../src/core/rows.ts';
import { audience, type Client, convId, entryOf, Rig } from './rig.ts';

const range = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, i) => from + i);
const entries = (to: number, fields: Partial<Entry> = {}) =>
  range(1, to).map((i) => entryOf(convId(i), { head: 3, n: 3, unread: 1, ts: i, ...fields }));

/** What was received of conversations, as [type, conversation's number, seq]. */
function told(client: Client): [string, number, number | undefined][] {
  return client.received.flatMap((frame): [string, number, number | undefined][] => {
    if (frame.t === 'head' || frame.t === 'message') return [[frame.t, numberOf(frame.conv), frame.seq]];
    return frame.t === 'conversation' ? [[frame.t, numberOf(frame.conv), frame.head]] : [];
  });
}
const numberOf = (conv: string) => Number.parseInt(conv.slice(-12), 16);

async function resync(rig: Rig, ...users: string[]): Promise<void> {
  for (const user of users) rig.edge.resync(user);
  await rig.settle();
}

/** Counts the reads of inboxes, and lets each wait for `until`. */
function watchReads(rig: Rig, until: () => Promise<void> = () => Promise.resolve()) {
  const reads = { all: [] as string[], running: 0, most: 0 };
  const inbox = rig.store.inbox.bind(rig.store);
  rig.store.inbox = async (user: string): Promise<Inbox> => {
    reads.all.push(user);
    reads.most = Math.max(reads.most, ++reads.running);
    try {
      const rows = await inbox(user);
      await until();
      return rows;
    } finally {
      reads.running--;
    }
  };
  return reads;
}

function gate(): { readonly opened: Promise<void>; open(): void } {
  let open = (): void => undefined;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open: () => open() };
}

test('a resync tells each session a head of what moved, once, and announces nobody', async () => {
  const rig = new Rig();
  await rig.inbox('ann', entries(8));
  const clients = [await rig.join('ann', 'phone'), await rig.join('ann', 'desk', 'json')];
  await rig.inbox('ann', [entryOf(convId(2), { head: 7, n: 6, unread: 4 })]);
  await resync(rig, 'ann');
  for (const client of clients) {
    const moved = client.all('head').find(({ conv }) => conv === convId(2));
    assert.deepEqual(moved, { t: 'head', conv: convId(2), seq: 7, n: 6, unread: 4 });
    assert.deepEqual(client.all('conversation'), []);
    assert.ok(client.received.length <= 3, 'those in its bucket, at most');
    client.clear();
  }
  await resync(rig, 'ann', 'ann', 'nobody');
  for (const client of clients) assert.deepEqual(client.received, []);
  assert.deepEqual(rig.owners.announced, ['ann', 'ann'], 'each session at its hello');
});

test('a resync shows what is new, removed or changed', async () => {
  const rig = new Rig();
  await rig.inbox('ann', entries(4));
  const client = await rig.join('ann');
  await rig.inbox('ann', [
    entryOf(convId(1), { head: 3, n: 3, title: 'named' }),
    entryOf(convId(2), { head: 5, n: 5, role: 'admin' }),
    entryOf(convId(3), { head: 3, n: 3, removed: 4 }),
    entryOf(convId(9), { head: 1, n: 0 }),
  ]);
  await resync(rig, 'ann');
  const shown = new Map(client.all('conversation').map((entry) => [numberOf(entry.conv), entry]));
  assert.equal(shown.get(1)?.title, 'named');
  assert.equal(shown.get(2)?.role, 'admin');
  assert.equal(shown.get(3)?.removed, 4);
  assert.equal(shown.get(9)?.head, 1);
  const heads = client.all('head').map(({ conv }) => numberOf(conv));
  assert.ok(heads.includes(2) && !heads.includes(3), 'no head of what one left');
  client.clear();
  await resync(rig, 'ann');
  assert.deepEqual(client.received, []);
});

test('what was forwarded is not told again, also where the inbox is behind', async () => {
  const rig = new Rig();
  await rig.inbox('ann', entries(1));
  const client = await rig.join('ann');
  for (const seq of [4, 5]) rig.event(audience(convId(1), ['ann', 'bob']), seq);
  await rig.settle();
  client.clear();
  for (const head of [4, 5]) {
    await rig.inbox('ann', [entryOf(convId(1), { head, n: head })]);
    await resync(rig, 'ann');
    assert.deepEqual(client.received, []);
  }
  const late = await rig.join('ann', 'late');
  assert.deepEqual(late.received, [], 'its welcome showed it');
});

test('a change in a row that is behind is shown, and the head put right after it', async () => {
  const rig = new Rig();
  await rig.inbox('ann', entries(1));
  const client = await rig.join('ann');
  for (const seq of [4, 5, 6]) rig.event(audience(convId(1), ['ann', 'bob']), seq);
  await rig.settle();
  client.clear();
  await rig.inbox('ann', [entryOf(convId(1), { head: 4, n: 4, unread: 1, role: 'admin' })]);
  await resync(rig, 'ann');
  assert.deepEqual(told(client), [
    ['conversation', 1, 4],
    ['head', 1, 6],
  ]);
  assert.equal(client.all('head')[0]?.unread, 3);
});

test('what a session that came later was not told, it is told, whatever others were', async () => {
  const rig = new Rig();
  await rig.inbox('ann', entries(1));
  const first = await rig.join('ann', 'first');
  rig.event(audience(convId(1), ['ann', 'bob']), 4);
  await rig.settle();
  const later = await rig.join('ann', 'later'); // the inbox did not show 4 yet
  first.clear();
  await rig.inbox('ann', [entryOf(convId(1), { head: 4, n: 4 })]);
  await resync(rig, 'ann');
  assert.deepEqual(told(later), [['head', 1, 4]]);
  assert.deepEqual(first.received, []);
});

test('a row of before a removal or a return that was told is left out', async () => {
  const rig = new Rig();
  await rig.inbox('ann', entries(2));
  await rig.inbox('bob', entries(2));
  const [ann, bob] = [await rig.join('ann'), await rig.join('bob')];
  const entry = (user: string, fields: Partial<Entry>) =>
    rig.edge.deliver({ t: 'conversation', user, entry: entryOf(convId(1), fields) });
  entry('ann', { head: 3, removed: 4 });
  rig.event(audience(convId(1), ['bob'], 4), 4);
  await rig.settle();
  ann.clear();
  await rig.inbox('ann', [entryOf(convId(1), { head: 3, n: 3, role: 'owner' })]);
  await resync(rig, 'ann');
  assert.ok(told(ann).every(([, conv]) => conv !== 1));
  entry('ann', { head: 4 });
  rig.event(audience(convId(1), ['ann', 'bob'], 5), 5);
  await rig.settle();
  ann.clear();
  bob.clear();
  await rig.inbox('ann', [entryOf(convId(1), { head: 3, n: 3, removed: 4 })]);
  await resync(rig, 'ann');
  assert.ok(told(ann).every(([, conv]) => conv !== 1));
  rig.event(audience(convId(1), ['ann', 'bob'], 5), 6);
  await rig.settle();
  assert.deepEqual(told(ann).at(-1), ['message', 1, 6]);
  assert.deepEqual(told(bob), [['message', 1, 6]]);
});

test('of conversations beyond the first page those that moved are shown', async () => {
  const rig = new Rig();
  await rig.inbox('ann', entries(300));
  const client = await rig.join('ann');
  await rig.inbox('ann', [
    entryOf(convId(1), { head: 9, n: 9, unread: 7 }),
    entryOf(convId(300), { head: 8, n: 8 }),
  ]);
  await resync(rig, 'ann');
  const of = (conv: number) => told(client).filter(([, each]) => each === conv);
  assert.deepEqual(of(1), [
    ['conversation', 1, 9],
    ['head', 1, 9],
  ]);
  assert.deepEqual(of(300), [['head', 300, 8]]);
  assert.ok(client.received.length < 20, `${client.received.length} frames`);
});

test('a session that reads too slowly is told when it reads again; bursts stay bounded', async () => {
  const rig = new Rig();
  await rig.inbox('ann', entries(3_000));
  const client = await rig.join('ann');
  for (const entry of entries(3_000, { head: 4, n: 4 })) await rig.inbox('ann', [entry]);
  client.socket.isStuck = true;
  await resync(rig, 'ann');
  const known = () => new Set(told(client).flatMap(([, conv, head]) => (head === 4 ? [conv] : [])));
  for (let turns = 0; turns < 40 && known().size < 3_000; turns++) {
    assert.ok(client.socket.bufferedBytes() < 400 * 1024, `${client.socket.bufferedBytes()} bytes`);
    client.socket.unstick();
    client.socket.isStuck = true;
    await rig.settle();
  }
  assert.equal(known().size, 3_000);
  assert.equal(client.closeCode(), undefined);
});

test('at most one read of a user at a time: calls during it make one more', async () => {
  const rig = new Rig();
  const client = await rig.join('ann');
  const first = gate();
  const reads = watchReads(rig, () => first.opened);
  for (let i = 0; i < 3; i++) rig.edge.resync('ann');
  await rig.settle();
  assert.equal(reads.all.length, 1);
  await rig.inbox('ann', entries(1));
  for (let i = 0; i < 3; i++) rig.edge.resync('ann'); // the read under way does not show it
  await rig.settle();
  assert.deepEqual([reads.all.length, client.received.length], [1, 0]);
  first.open();
  await rig.settle();
  assert.equal(reads.all.length, 2);
  assert.deepEqual(told(client), [
    ['conversation', 1, 3],
    ['head', 1, 3],
  ]);
});

test('many at once: a bounded number reads, and a hello need not wait for all', async () => {
  const rig = new Rig({ bounds: { inboxReadsMax: 4, resyncReadsMax: 3 } });
  const users = range(1, 50).map((i) => `u${i}`);
  for (const user of users) await rig.join(user);
  const hold = gate();
  const reads = watchReads(rig, () => hold.opened);
  await resync(rig, ...users);
  assert.equal(reads.running, 3);
  rig.connect().send({ t: 'hello', token: 'dev:newcomer', device: 'd1' });
  await rig.settle();
  assert.equal(reads.all.at(-1), 'newcomer');
  hold.open();
  await rig.settle();
  assert.equal(reads.most, 4);
  assert.deepEqual(reads.all.filter((user) => user !== 'newcomer').sort(), [...users].sort());
});

test('a session that is being greeted is resynced after its welcome', async () => {
  const rig = new Rig();
  await rig.inbox('ann', entries(2));
  const waits = [gate(), gate()];
  let count = 0;
  const reads = watchReads(rig, () => waits[count++]?.opened ?? Promise.resolve());
  const client = rig.connect();
  client.send({ t: 'hello', token: 'dev:ann', device: 'd1' }); // has read its rows, and waits
  await rig.settle();
  await rig.inbox('ann', [entryOf(convId(1), { head: 6, n: 6, unread: 4 })]);
  rig.edge.resync('ann');
  waits[1]?.open();
  await rig.settle();
  assert.deepEqual(client.received, []);
  waits[0]?.open();
  await rig.settle();
  assert.deepEqual(
    client.received.slice(0, 2).map(({ t }) => t),
    ['welcome', 'head'],
  );
  assert.equal(client.all('head').find(({ conv }) => conv === convId(1))?.seq, 6);
  assert.deepEqual(reads.all, ['ann', 'ann', 'ann']);
  assert.deepEqual(rig.owners.announced, ['ann']);
});

test('while the store is away one inbox is tried, seldom; then all that are still wanted', async () => {
  const rig = new Rig({ bounds: { badgeReadsPerTickMax: 0 } });
  const users = range(1, 250).map((i) => `u${i}`);
  const clients = new Map<string, Client>();
  for (const user of users) clients.set(user, await rig.join(user));
  for (const user of users) await rig.inbox(user, entries(1));
  const reads = watchReads(rig);
  rig.store.available = false;
  await resync(rig, ...users);
  const atFirst = reads.all.length;
  assert.ok(atFirst <= 250);
  await rig.system.advance(20_000);
  for (const client of clients.values()) rig.edge.handlers.alive(client.session);
  await resync(rig, ...users);
  const tries = reads.all.length - atFirst;
  assert.ok(tries >= 8 && tries <= 16, `${tries} tries`);
  clients.get('u7')?.socket.hangUp(1000);
  const untilThen = reads.all.length;
  rig.store.available = true;
  await rig.system.advance(2_500);
  for (const [user, client] of clients)
    assert.equal(client.all('conversation').length, user === 'u7' ? 0 : 1, user);
  assert.deepEqual(
    rig.logged.map(({ level }) => level),
    ['warn', 'info'],
  );
  assert.ok(reads.all.length - atFirst - tries <= 250);
  assert.ok(!reads.all.slice(untilThen).includes('u7'), 'nothing is read for who left');
});

test('an inbox that cannot be read for another reason: the sessions are sent to begin anew', async () => {
  const rig = new Rig();
  const client = await rig.join('ann');
  rig.store.inbox = () => Promise.reject(new Error('a fault'));
  await resync(rig, 'ann');
  assert.equal(client.closeCode(), 4002);
  assert.equal(client.all('bye')[0]?.reconnect, true);
  assert.deepEqual(
    rig.logged.map(({ level }) => level),
    ['error'],
  );
});

test('after stop nothing is tried any more', async () => {
  const rig = new Rig();
  await rig.join('ann');
  const reads = watchReads(rig);
  rig.store.available = false;
  await resync(rig, 'ann');
  rig.edge.stop();
  await rig.system.advance(20_000);
  assert.equal(reads.all.length, 1);
});
