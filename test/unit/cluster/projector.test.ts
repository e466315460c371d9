import assert from 'node:assert/strict';
import test from 'node:test';
import {
  CONV,
  cmid,
  createDirect,
  createGroup,
  delivered,
  members,
  prefs,
  read,
  send,
} from '../actors/requests.ts';
import { HostRig } from './host-rig.ts';

/** A direct with one message, or a group, all of it written. */
async function settled(kind: 'direct' | 'group'): Promise<HostRig> {
  const rig = new HostRig();
  if (kind === 'direct') await rig.ask(createDirect(['ann', 'bob']), send('ann', cmid(0)));
  else await rig.ask(createGroup(['ann', 'bob', 'cat']));
  await rig.system.advance(10_000);
  assert.equal(rig.host.projector.pending, 0);
  rig.store.writes.length = 0;
  return rig;
}

const headOf = async (rig: HostRig, user: string): Promise<number | undefined> =>
  (await rig.store.inboxRow(user, CONV))?.entry.head;

test('an inbox row is written once per second for a direct and once per 5 s for a group, whatever comes meanwhile', async () => {
  for (const [kind, everyMs] of [
    ['direct', 1_000],
    ['group', 5_000],
  ] as const) {
    const rig = await settled(kind);
    const writesPer = async (ms: number): Promise<number> => {
      const before = rig.store.writes.length;
      for (let at = 0; at < ms; at += 100) {
        await rig.ask(send('ann', cmid(1_000 + at + rig.system.monotonic())));
        await rig.system.advance(100);
      }
      return rig.store.writes.length - before;
    };
    const writes = await writesPer(10 * everyMs);
    assert.ok(writes >= 8 && writes <= 10, `${kind}: ${writes} writes in 10 intervals`);
    await rig.system.advance(everyMs + 100);
    assert.equal(await headOf(rig, 'bob'), await rig.store.head(CONV));
  }
});

test('nothing is written before its time, and all of it by then', async () => {
  const rig = await settled('group');
  await rig.ask(send('ann', cmid(1)));
  await rig.system.advance(4_800);
  assert.equal(await headOf(rig, 'bob'), 1);
  await rig.system.advance(400);
  assert.deepEqual([await headOf(rig, 'ann'), await headOf(rig, 'bob'), await headOf(rig, 'cat')], [2, 2, 2]);
  assert.equal(rig.store.writes.length, 1);
});

test('what concerns one user alone is written about that one alone, soon, and its devices are told of it then', async () => {
  const rig = await settled('group');
  await rig.ask(send('ann', cmid(1)));
  await rig.system.advance(6_000);
  rig.store.writes.length = 0;
  const from = rig.deliveries.length;
  rig.submit(read('bob', 2));
  await rig.system.advance(900);
  assert.deepEqual([rig.store.writes.length, rig.toldTo('bob', from)], [0, []]);
  await rig.system.advance(200);
  const [write] = rig.store.writes[0] ?? [];
  assert.deepEqual(
    write?.inbox.map(({ user, entry }) => [user, entry.read]),
    [['bob', 2]],
  );
  const receipt = 'receipt bob,2,2';
  assert.deepEqual(
    [rig.toldTo('bob', from), rig.toldTo('ann', from)],
    [['entry head 2', receipt], [receipt]],
  );
});

test('S14.2: cursors are told once they are written, together, once a second, and cost no inbox row', async () => {
  const rig = await settled('group');
  for (const i of [1, 2, 3, 4]) await rig.ask(send('ann', cmid(i)));
  await rig.system.advance(6_000);
  rig.store.writes.length = 0;
  const from = rig.deliveries.length;
  for (let seq = 2; seq <= 5; seq++) {
    rig.submit(delivered('bob', seq));
    rig.submit(delivered('cat', seq));
    await rig.system.advance(500);
  }
  await rig.system.advance(1_100);
  assert.deepEqual(rig.toldTo('ann', from), ['receipt bob,3,1 cat,3,1', 'receipt bob,5,1 cat,5,1']);
  const writes = rig.store.writes.flat();
  assert.deepEqual(
    writes.map(({ members, inbox }) => [members.map(({ user }) => user).join(), inbox.length]),
    [
      ['bob,cat', 0],
      ['bob,cat', 0],
    ],
  );
  rig.store.available = false;
  rig.submit(read('bob', 4));
  await rig.system.advance(10_000);
  assert.equal(rig.toldTo('ann', from).length, 2, 'nothing that may be lost yet is told');
  rig.store.available = true;
  await rig.system.advance(6_000);
  assert.deepEqual(rig.toldTo('ann', from).slice(2), ['receipt bob,5,4']);
});

test('a group’s rows come late although one member’s cursor is written before', async () => {
  const rig = await settled('group');
  await rig.ask(send('ann', cmid(1)));
  rig.submit(read('bob', 2));
  await rig.system.advance(1_100);
  assert.deepEqual([await headOf(rig, 'bob'), await headOf(rig, 'cat')], [2, 1]);
  const from = rig.deliveries.length;
  rig.host.announce('cat');
  assert.deepEqual(rig.toldTo('cat', from), ['entry head 2'], 'who connects meanwhile is told');
  await rig.system.advance(4_000);
  assert.equal(await headOf(rig, 'cat'), 2);
  assert.equal(rig.host.projector.pending, 0);
});

test('a store that is away is asked again after 200 ms, then after twice as long each time, up to 5 s; nothing is lost', async () => {
  const rig = await settled('group');
  await rig.ask(send('ann', cmid(1)), members('ann', { op: 'remove', users: ['cat'] }), read('bob', 1));
  rig.store.available = false;
  const tries: number[] = [];
  const before = rig.store.calls.length;
  for (let at = 0; at < 40_000; at += 100) {
    const asked = rig.store.calls.length;
    await rig.system.advance(100);
    if (rig.store.calls.slice(asked).includes('write')) tries.push(at);
  }
  assert.ok(rig.store.calls.length > before);
  const gaps = tries.slice(1).map((at, i) => at - (tries[i] as number));
  assert.deepEqual(gaps.slice(0, 7), [200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
  rig.store.available = true;
  await rig.system.advance(5_100);
  assert.deepEqual([await headOf(rig, 'bob'), rig.host.projector.pending], [3, 0]);
  assert.equal((await rig.store.inboxRow('cat', CONV))?.entry.removed, 3);
  const rows = await rig.store.members(CONV);
  assert.deepEqual(
    rows.map(({ user, left }) => [user, left]),
    [
      ['ann', 0],
      ['bob', 0],
      ['cat', 3],
    ],
  );
});

test('what changes while a write is under way is written by the next one', async () => {
  const rig = await settled('direct');
  await rig.ask(send('ann', cmid(1)));
  rig.store.hold('write');
  await rig.system.advance(1_100);
  assert.equal(rig.store.waiting('write'), 1);
  await rig.ask(send('bob', cmid(2)));
  rig.store.release('write');
  await rig.system.settle();
  assert.deepEqual([await headOf(rig, 'bob'), rig.host.projector.pending], [2, 1]);
  assert.deepEqual(rig.announced('bob'), ['entry head 3']);
  await rig.system.advance(1_100);
  assert.deepEqual([await headOf(rig, 'bob'), rig.host.projector.pending], [3, 0]);
});

test('S8.6: who connects before a write is told of what it will hold; after it, nothing', async () => {
  const rig = await settled('group');
  await rig.ask(send('ann', cmid(1)));
  for (const user of ['ann', 'bob', 'cat']) assert.deepEqual(rig.announced(user), ['entry head 2']);
  assert.deepEqual(rig.announced('eve'), []);
  await rig.system.advance(6_000);
  for (const user of ['ann', 'bob', 'cat']) assert.deepEqual(rig.announced(user), []);
});

test('S8.6, S8.8: who is added or removed and connects before the write is told of that', async () => {
  const rig = await settled('group');
  await rig.ask(
    members('ann', { op: 'remove', users: ['cat'] }),
    members('ann', { op: 'add', users: ['dan'] }),
  );
  assert.deepEqual([rig.announced('cat'), rig.announced('dan')], [['entry removed 2'], ['entry head 3']]);
  rig.store.hold('write');
  await rig.system.advance(6_000);
  assert.deepEqual([rig.announced('cat'), rig.announced('dan')], [['entry removed 2'], ['entry head 3']]);
  rig.store.release('write');
  await rig.system.advance(1_000);
  assert.deepEqual([rig.announced('cat'), rig.announced('dan')], [[], []]);
  assert.equal((await rig.store.inboxRow('cat', CONV))?.entry.removed, 2);
});

test('nobody is remembered once all is written, whatever happened during a write', async () => {
  const rig = await settled('group');
  await rig.ask(members('ann', { op: 'remove', users: ['cat'] }));
  rig.store.hold('write');
  await rig.system.advance(6_000);
  await rig.ask(send('ann', cmid(1)));
  rig.store.release('write');
  await rig.system.advance(6_000);
  assert.deepEqual([rig.host.projector.pending, rig.host.projector.remembered], [0, 0]);
});

test('S3.3: a direct’s peer who connects before its first message is told nothing, also after a restart', async () => {
  const rig = new HostRig();
  await rig.ask(createDirect(['ann', 'bob']));
  assert.deepEqual([rig.announced('bob'), rig.announced('ann')], [[], ['entry head 0']]);
  rig.crash();
  rig.host.dirtyWalk.start(await rig.store.dirty());
  const from = rig.deliveries.length;
  await rig.system.settle();
  assert.deepEqual([rig.announced('bob'), rig.toldTo('bob', from)], [[], []]);
  assert.deepEqual(rig.announced('ann'), ['entry head 0']);
  await rig.system.advance(2_000);
  assert.deepEqual(
    [(await rig.store.inbox('bob')).rows.length, (await rig.store.inbox('ann')).rows.length],
    [0, 1],
  );
  assert.equal(rig.host.projector.remembered, 0);
});

test('S3.2: a peer who creates a direct that a restart shows anew has it in the inbox', async () => {
  const rig = new HostRig();
  await rig.ask(createDirect(['ann', 'bob']));
  rig.crash();
  rig.host.dirtyWalk.start(await rig.store.dirty());
  await rig.system.settle();
  await rig.ask(createDirect(['bob', 'ann']));
  await rig.system.advance(2_000);
  assert.deepEqual(
    [(await rig.store.inbox('bob')).rows.length, (await rig.store.inbox('ann')).rows.length],
    [1, 1],
  );
});

test('a flush writes what is not due yet, and ends when all is written, however long the store is away', async () => {
  const rig = await settled('group');
  await rig.ask(send('ann', cmid(1)), read('bob', 1));
  rig.store.available = false;
  let done = false;
  const flushed = rig.host.projector.flush().then(() => {
    done = true;
  });
  await rig.system.advance(3_000);
  assert.ok(!done);
  rig.store.available = true;
  await rig.system.advance(5_000);
  await flushed;
  assert.deepEqual([await headOf(rig, 'bob'), rig.host.projector.pending], [2, 0]);
  await rig.host.projector.flush(); // with nothing to write it ends at once
});

test('S14.2, S14.7: a cursor of a term that ended while it was written is told to nobody: it is sent again', async () => {
  const rig = await settled('group');
  await rig.ask(send('ann', cmid(1)));
  await rig.system.advance(6_000);
  const from = rig.deliveries.length;
  rig.store.hold('write');
  rig.submit(read('bob', 2));
  await rig.system.advance(1_100);
  assert.equal(rig.store.waiting('write'), 1);
  rig.host.sealAll();
  await rig.system.settle();
  rig.store.release('write');
  await rig.system.advance(100);
  assert.deepEqual(
    rig.toldTo('bob', from).filter((told) => told.startsWith('receipt')),
    [],
  );
  rig.submit(read('bob', 2));
  await rig.system.advance(6_000);
  assert.ok(rig.toldTo('ann', from).includes('receipt bob,2,2'), `${rig.toldTo('ann', from)}`);
});

test('S14.2: a cursor is told only by a node that still owns after it was written', async () => {
  const rig = await settled('group');
  await rig.ask(send('ann', cmid(1)));
  await rig.system.advance(6_000);
  const from = rig.deliveries.length;
  let isOwner = false;
  rig.store.confirmed = () => Promise.resolve(isOwner) as never;
  rig.submit(read('bob', 2));
  await rig.system.advance(2_000);
  assert.deepEqual(rig.toldTo('ann', from), []);
  isOwner = true;
  rig.submit(delivered('bob', 2));
  rig.submit(read('cat', 2));
  await rig.system.advance(2_000);
  assert.deepEqual(rig.toldTo('ann', from), ['receipt bob,2,2 cat,2,2'], 'then all of them');
});

test('S16.2: what is set is answered, and told to the user’s devices, as soon as it is written', async () => {
  const rig = await settled('group');
  await rig.ask(send('ann', cmid(1)));
  rig.store.hold('write');
  const from = rig.deliveries.length;
  const asked = [prefs('bob', { pin: true }), prefs('bob', { mute: 9 }), prefs('cat', { archive: true })];
  for (const request of asked) rig.submit(request);
  await rig.system.advance(60);
  assert.deepEqual([rig.store.waiting('write'), asked.some((each) => rig.answers.has(each))], [1, false]);
  rig.store.release('write');
  await rig.system.advance(0);
  assert.deepEqual(
    asked.map((each) => rig.answers.get(each)),
    asked.map(() => ({ t: 'ok', seq: undefined, members: undefined })),
  );
  assert.deepEqual(
    rig.deliveries.slice(from).flatMap((each) => {
      if (each.t !== 'conversation') return [];
      const { mute, pin, archive } = each.entry;
      return [[each.user, mute, pin, archive]];
    }),
    [
      ['bob', 9, true, undefined],
      ['cat', undefined, undefined, true],
    ],
  );
  const [write] = rig.store.writes.flat();
  assert.deepEqual(
    write?.inbox.map(({ user }) => user),
    ['bob', 'cat'],
    'no row of anybody else',
  );
  rig.crash();
  assert.deepEqual(await rig.ask(prefs('bob', { pin: false })), ['nothing']);
  await rig.system.advance(100);
  const entry = (await rig.store.inboxRow('bob', CONV))?.entry;
  assert.deepEqual([entry?.mute, entry?.pin], [9, undefined], 'a later term goes on from there');
});

test('S16.2: what a term that ended had still to write is refused, and one that is not confirmed waits', async () => {
  const rig = await settled('group');
  rig.store.hold('write');
  const late = rig.submit(prefs('bob', { pin: true }));
  await rig.system.advance(60);
  rig.host.sealAll();
  await rig.system.settle();
  rig.store.release('write');
  await rig.system.advance(0);
  assert.equal(rig.said(late), 'unavailable');
  let isOwner = false;
  rig.store.confirmed = () => Promise.resolve(isOwner) as never;
  const waits = rig.submit(prefs('bob', { pin: true }));
  await rig.system.advance(3_000);
  assert.ok(!rig.answers.has(waits));
  isOwner = true;
  await rig.system.advance(3_000);
  assert.equal(rig.answers.get(waits)?.t, 'ok');
});
