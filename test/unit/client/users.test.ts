import assert from 'node:assert/strict';
import test from 'node:test';
import type { Client } from '../../../src/client/client.ts';
import { ClientError } from '../../../src/client/errors.ts';
import { LIMITS } from '../../../src/protocol/limits.ts';
import type { ClientFrame } from '../../../src/protocol/frames.ts';
import type { Session } from './model-server.ts';
import { clientOf, World } from './virtual-world.ts';

/** Ann is connected; what her client says of others is kept. */
async function world(): Promise<{ world: World; ann: Client; heard: string[] }> {
  const made = new World();
  const ann = clientOf(made, 'ann');
  const heard: string[] = [];
  ann.on('presence', ({ user, online }) => heard.push(`${user} ${online}`));
  ann.on('settings', ({ receipts, presence }) => heard.push(`settings ${receipts} ${presence}`));
  ann.on('error', ({ code }) => heard.push(`error ${code}`));
  await made.time.advance(10);
  return { world: made, ann, heard };
}

function sessionOf(from: World, user: string): Session {
  const found = [...from.server.sessions].filter((session) => session.user === user);
  assert.equal(found.length, 1);
  return found[0] as Session;
}

/** What of these ann's present connection has said. */
function said(from: World, ...types: ClientFrame['t'][]): string[] {
  return sessionOf(from, 'ann').frames.flatMap((frame) => {
    if (!types.includes(frame.t)) return [];
    return [`${frame.t} ${'users' in frame ? frame.users.join() : ''}`];
  });
}

/** `done`, an error's code, or `open`. */
async function outcome(from: World, promise: Promise<void>, ms = 100): Promise<string> {
  let is = 'open';
  promise.then(
    () => (is = 'done'),
    (error: unknown) => (is = error instanceof ClientError ? error.code : 'no ClientError'),
  );
  await from.time.advance(ms);
  return is;
}

async function reconnect(from: World): Promise<void> {
  sessionOf(from, 'ann').cut();
  await from.time.advance(35_000);
}

const numbered = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => `u${from + i}`);

test('a watch tells how each is, then what changes', async () => {
  const { world: w, ann, heard } = await world();
  const bob = clientOf(w, 'bob');
  await w.time.advance(10);
  assert.equal(ann.users.of('bob'), undefined);
  assert.equal(await outcome(w, ann.users.watch(['bob', 'cat'])), 'done');
  assert.deepEqual(heard.splice(0), ['bob true', 'cat false']);
  assert.deepEqual(ann.users.of('bob'), { t: 'presence', user: 'bob', online: true });
  bob.close();
  await w.time.advance(10);
  assert.deepEqual(heard.splice(0), ['bob false']);
  assert.deepEqual(ann.users.of('bob')?.online, false);
  sessionOf(w, 'ann').peer.send({ t: 'presence', user: 'bob', online: false, lastSeen: 77 });
  await w.time.advance(10);
  assert.deepEqual(ann.users.of('bob')?.lastSeen, 77);
  assert.equal(await outcome(w, ann.users.watch([])), 'done');
  assert.deepEqual(said(w, 'watch'), ['watch bob,cat'], 'nobody is no request');
});

test('of one who is watched no more nothing is known or told', async () => {
  const { world: w, ann, heard } = await world();
  await outcome(w, ann.users.watch(['bob', 'cat']));
  heard.length = 0;
  assert.equal(await outcome(w, ann.users.unwatch(['bob', 'zoe'])), 'done');
  assert.equal(await outcome(w, ann.users.unwatch(['bob'])), 'done');
  assert.deepEqual(said(w, 'unwatch'), ['unwatch bob'], 'only of those who were');
  assert.equal(ann.users.of('bob'), undefined);
  sessionOf(w, 'ann').peer.send({ t: 'presence', user: 'bob', online: true }); // it was on its way
  clientOf(w, 'bob');
  clientOf(w, 'cat');
  await w.time.advance(10);
  assert.deepEqual([heard, ann.users.of('bob')], [['cat true'], undefined]);
});

test('with the connection what was known is gone, and a new one brings it again', async () => {
  const { world: w, ann, heard } = await world();
  clientOf(w, 'bob');
  await w.time.advance(10);
  await outcome(w, ann.users.watch(['bob', 'cat', 'dan']));
  await outcome(w, ann.users.unwatch(['dan']));
  heard.length = 0;
  sessionOf(w, 'ann').cut();
  await w.time.advance(5);
  assert.equal(ann.state.is, 'waiting');
  assert.deepEqual([ann.users.of('bob'), ann.users.of('cat')], [undefined, undefined]);
  assert.equal(await outcome(w, ann.users.unwatch(['cat']), 0), 'open');
  await w.time.advance(35_000);
  assert.deepEqual(said(w, 'watch'), ['watch bob']);
  assert.deepEqual(
    [ann.users.of('bob')?.online, ann.users.of('cat'), heard],
    [true, undefined, ['bob true']],
  );
});

test('a watch that is asked for without a connection holds from the next one on', async () => {
  const { world: w, ann } = await world();
  clientOf(w, 'bob');
  sessionOf(w, 'ann').cut();
  await w.time.advance(5);
  assert.equal(await outcome(w, ann.users.watch(['bob']), 35_000), 'done');
  assert.equal(ann.users.of('bob')?.online, true);
});

test('and is sent once', async () => {
  const { world: w, ann, heard } = await world();
  sessionOf(w, 'ann').cut();
  await w.time.advance(5);
  assert.equal(await outcome(w, ann.users.watch(['bob']), 35_000), 'done');
  assert.deepEqual([said(w, 'watch'), heard], [['watch bob'], ['bob false']]);
});

test('a client that was closed knows of nobody', async () => {
  const { world: w, ann } = await world();
  await outcome(w, ann.users.watch(['bob']));
  ann.close();
  await w.time.advance(10);
  assert.equal(ann.users.of('bob'), undefined);
});

test('200 users can be watched at a time', async () => {
  const { world: w, ann } = await world();
  assert.equal(LIMITS.watchedUsersMax, 200);
  assert.equal(await outcome(w, ann.users.watch(numbered(0, 199))), 'done');
  assert.equal(await outcome(w, ann.users.watch(['u199', 'u200'])), 'too_large');
  assert.equal(said(w, 'watch').length, 1, 'it is not even asked');
  assert.equal(await outcome(w, ann.users.watch(['u0', 'u199'])), 'done', 'known ones are no more');
  assert.equal(await outcome(w, ann.users.watch(['u200'])), 'too_large');
  await outcome(w, ann.users.unwatch(['u5']));
  assert.equal(await outcome(w, ann.users.watch(['u200'])), 'done');
  await reconnect(w);
  const [again] = said(w, 'watch');
  assert.equal(again, `watch ${[...numbered(0, 5), ...numbered(6, 201)].join()}`, 'in one frame');
});

test('one named twice counts once', async () => {
  const { world: w, ann } = await world();
  await outcome(w, ann.users.watch(numbered(0, 199)));
  assert.equal(await outcome(w, ann.users.watch(['u199', 'u199'])), 'done');
});

test('who was refused is not watched, nor asked for again', async () => {
  const { world: w, ann, heard } = await world();
  await outcome(w, ann.users.watch(['bob']));
  const watch = w.server.users.watch.bind(w.server.users);
  w.server.users.watch = (session, frame) => {
    const refused = { t: 'error', id: frame.id, code: 'too_large', message: 'no', retryable: false } as const;
    if (frame.users.includes('cat')) session.peer.send(refused);
    else watch(session, frame);
  };
  heard.length = 0;
  assert.equal(await outcome(w, ann.users.watch(['bob', 'cat'])), 'too_large');
  clientOf(w, 'cat');
  sessionOf(w, 'ann').peer.send({ t: 'presence', user: 'cat', online: true });
  await w.time.advance(10);
  assert.deepEqual([ann.users.of('cat'), ann.users.of('bob')?.online, heard], [undefined, false, []]);
  await reconnect(w);
  assert.deepEqual(said(w, 'watch'), ['watch bob']);
});

test('a server that is overloaded is asked again', async () => {
  const { world: w, ann, heard } = await world();
  const watch = w.server.users.watch.bind(w.server.users);
  let refusals = 2;
  w.server.users.watch = (session, frame) => {
    const { id } = frame;
    const busy = {
      t: 'error',
      id,
      code: 'overloaded',
      message: 'busy',
      retryable: true,
      retryAfterMs: 200,
    } as const;
    if (refusals-- > 0) session.peer.send(busy);
    else watch(session, frame);
  };
  assert.equal(await outcome(w, ann.users.watch(['bob']), 390), 'open');
  await w.time.advance(50);
  assert.deepEqual([said(w, 'watch').length, heard], [3, ['bob false']]);
});

test('a watch that cannot be renewed is an error of the client', async () => {
  const { world: w, ann, heard } = await world();
  await outcome(w, ann.users.watch(['bob']));
  heard.length = 0;
  w.server.users.watch = (session, { id }) =>
    session.peer.send({ t: 'error', id, code: 'too_large', message: 'no', retryable: false });
  await reconnect(w);
  assert.deepEqual(heard, ['error too_large']);
});

test('what the user has set comes with the `welcome`', async () => {
  const w = new World();
  w.server.users.of = () => ({ receipts: false, presence: 'contacts' });
  const ann = clientOf(w, 'ann');
  const heard: unknown[] = [];
  ann.on('settings', (settings) => heard.push(settings));
  assert.deepEqual(ann.users.settings, { receipts: true, presence: 'everyone' });
  await w.time.advance(10);
  assert.deepEqual(ann.users.settings, { receipts: false, presence: 'contacts' });
  assert.deepEqual(heard, [{ receipts: false, presence: 'contacts' }]);
  await reconnect(w);
  assert.equal(heard.length, 1, 'nothing has changed');
});

test('a change is told on all devices, once each, and what is not named stays', async () => {
  const { world: w, ann, heard } = await world();
  const tablet = clientOf(w, 'ann', { device: 'tablet' });
  const other: string[] = [];
  tablet.on('settings', ({ receipts, presence }) => other.push(`settings ${receipts} ${presence}`));
  await w.time.advance(10);
  assert.equal(await outcome(w, ann.users.set({ presence: 'nobody' })), 'done');
  assert.equal(await outcome(w, ann.users.set({ receipts: false })), 'done');
  assert.equal(await outcome(w, ann.users.set({ receipts: false })), 'done');
  const told = ['settings true nobody', 'settings false nobody'];
  assert.deepEqual([heard, other], [told, told]);
  for (const client of [ann, tablet])
    assert.deepEqual(client.users.settings, { receipts: false, presence: 'nobody' });
  const frames = [...w.server.sessions].flatMap((session) => session.frames);
  assert.deepEqual(
    frames.filter(({ t }) => t === 'prefs').map((frame) => Object.keys(frame).toSorted()),
    [
      ['id', 'presence', 't'],
      ['id', 'receipts', 't'],
      ['id', 'receipts', 't'],
    ],
    'of no conversation',
  );
});

test('a change made elsewhere while away is told at the next `welcome`; one refused changes nothing', async () => {
  const { world: w, ann, heard } = await world();
  sessionOf(w, 'ann').cut();
  const prefs = { receipts: false, presence: 'everyone' } as const;
  w.server.users.of = () => prefs;
  await w.time.advance(35_000);
  assert.deepEqual([heard.splice(0), ann.users.settings], [['settings false everyone'], prefs]);
  w.server.users.set = (session, id) =>
    session.peer.send({ t: 'error', id, code: 'invalid', message: 'no', retryable: false });
  assert.equal(await outcome(w, ann.users.set({ presence: 'nobody' })), 'invalid');
  assert.deepEqual([heard, ann.users.settings], [[], prefs]);
});
