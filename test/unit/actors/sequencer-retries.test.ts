import assert from 'node:assert/strict';
import test from 'node:test';
import type { LookUpOutcome } from '../../../src/core/actor.ts';
import type { SendRequest } from '../../../src/core/requests.ts';
import { payloadHash } from '../../../src/protocol/message-frame.ts';
import { cmid, history, members, send } from './requests.ts';
import { NOW, Stage } from './stage.ts';

/** A group with `count` messages of bob's behind its creation. */
function longGroup(count: number): Stage {
  const stage = Stage.group('ann', 'bob');
  for (let i = 0; i < count; i++) stage.settle(send('bob', cmid(0x10000 + i)));
  return stage.quiet();
}

/** A UUIDv7 whose time is `ageMs` before NOW. */
function aged(ageMs: number): string {
  const time = (NOW - ageMs).toString(16).padStart(12, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-7000-8000-000000000001`;
}

const DAY_MS = 24 * 3_600_000;

test('S5.2: an unflagged repeat among the last 1,024 events gets the original ack, and nothing is appended', () => {
  const stage = Stage.group('ann', 'bob');
  const first = send('ann', cmid(1));
  stage.settle(first);
  for (let i = 0; i < 1_023; i++) stage.settle(send('bob', cmid(0x10000 + i)));
  const within = send('ann', cmid(1));
  stage.settle(within);
  assert.equal(stage.log.length, 1_025);
  assert.deepEqual(stage.answers.get(within), { ...stage.answers.get(first), duplicate: true });
  stage.settle(send('bob', cmid(2)));
  const beyond = send('ann', cmid(1));
  stage.settle(beyond);
  assert.equal(stage.said(beyond), 'ack 1027', 'one more event, and the unflagged repeat is a new message');
});

test('S5.2: an owner that starts from a few rows looks each send up, until it has recalled the others', () => {
  const stage = longGroup(1_500); // the creation, and bob's from seq 2 on
  const later = new Stage({ ...stage.activation(stage.rows), tail: stage.log.slice(-128) });
  later.log.unshift(...stage.log.slice(0, -128));
  const bobs = (seq: number) => send('bob', cmid(0x10000 + seq - 2));
  const [known, repeat, fresh] = [bobs(1_400), bobs(1_002), send('ann', cmid(1))];
  later.turn(known, repeat, fresh);
  assert.equal(later.said(known), 'ack 1400 again');
  assert.deepEqual([later.lookUps, later.recalls], [[repeat, fresh], [[478, 1_373]]]);
  const hash = stage.batches[1_001]?.rows[0]?.hash as number;
  later.lookedUp({ t: 'found', hit: { seq: 1_002, ts: 5, hash } });
  later.lookedUp({ t: 'none' });
  later.commit();
  assert.deepEqual([later.said(repeat), later.said(fresh)], ['ack 1002 again', 'ack 1502']);
  later.recalled(false);
  later.turn(send('ann', cmid(2)));
  assert.deepEqual(later.recalls, [[479, 1_373]], 'what could not be read is asked for again');
  later.lookedUp({ t: 'none' });
  later.commit();
  later.recalled();
  const [again, next] = [bobs(600), send('ann', cmid(3))];
  later.settle(again, next);
  assert.deepEqual([later.said(again), later.said(next)], ['ack 600 again', 'ack 1504']);
  assert.deepEqual([later.lookUps.length, later.recalls.length], [0, 0]);
});

test('a copy that an edge sends again needs no look-up when all that came since the first is in the window', () => {
  const stage = longGroup(1_100);
  const later = new Stage({ ...stage.activation(stage.rows), tail: stage.log.slice(-128) });
  later.log.unshift(...stage.log.slice(0, -128)); // the window is from 974 on
  const [before, behind] = [972, 973].map((after) =>
    send('ann', cmid(after), { session: after, retry: true, after }),
  );
  later.settle(before as SendRequest, behind as SendRequest);
  assert.deepEqual([later.lookUps, later.recalls], [[before], [[78, 973]]]);
  assert.equal(later.said(behind as SendRequest), 'ack 1102');
});

test('S5.1: a flagged retry beyond the window is looked up, and gets the seq and ts that were committed', () => {
  const stage = longGroup(1_100);
  const retry = send('ann', cmid(1), { retry: true, text: 'x' });
  stage.turn(retry);
  assert.deepEqual([stage.lookUps, stage.said(retry)], [[retry], 'nothing']);
  const original = Stage.group('ann', 'bob');
  original.turn(send('ann', cmid(1), { text: 'x' }));
  const hash = original.batches[1]?.rows[0]?.hash as number;
  stage.lookedUp({ t: 'found', hit: { seq: 7, ts: 5, hash } });
  assert.deepEqual(stage.answers.get(retry), { t: 'ack', seq: 7, ts: 5, duplicate: true });
  assert.equal(stage.log.length, 1_101);
});

test('a flagged retry needs no look-up while the window reaches back to the first event', () => {
  const stage = longGroup(20);
  const retry = send('ann', cmid(1), { retry: true });
  stage.settle(retry);
  assert.deepEqual([stage.lookUps.length, stage.said(retry)], [0, 'ack 22']);
});

test('S5.3: the same id with another kind or body is a conflict, in the window and beyond it', () => {
  const stage = longGroup(0);
  stage.settle(send('ann', cmid(1), { text: 'x' }));
  const body = send('ann', cmid(1), { text: 'y' });
  const kind = send('ann', cmid(1), { text: 'x', kind: 'note' });
  const bytes: SendRequest = { ...send('ann', cmid(1), { text: 'x' }), text: false };
  stage.settle(body, kind, bytes);
  assert.deepEqual(
    [body, kind, bytes].map((each) => stage.said(each)),
    ['conflict', 'conflict', 'conflict'],
  );
  const long = longGroup(1_100);
  const late = send('ann', cmid(1), { retry: true });
  long.turn(late);
  long.lookedUp({ t: 'found', hit: { seq: 7, ts: 5, hash: 1 } });
  assert.equal(long.said(late), 'conflict');
});

test('S5.3: a conflict with a send of the same batch is told only once that is committed', () => {
  const stage = longGroup(0);
  const first = send('ann', cmid(1), { text: 'x' });
  const other = send('ann', cmid(1), { text: 'y' });
  stage.turn(first, other);
  assert.equal(stage.said(other), 'nothing');
  stage.commit();
  assert.deepEqual([stage.said(first), stage.said(other)], ['ack 2', 'conflict']);

  const failing = longGroup(0);
  failing.turn(first, other);
  failing.commit('unavailable');
  assert.equal(failing.said(first), 'unavailable');
  failing.commit();
  assert.equal(failing.said(other), 'ack 2', 'what it clashed with was never written');
});

test('S5.4, S5.5: an id whose UUIDv7 is over 30 days back is too_old, flagged or not, and advances the session', () => {
  const stage = longGroup(0);
  const fresh = send('ann', aged(30 * DAY_MS), { ordinal: 1, base: 1 });
  const old = send('bob', aged(30 * DAY_MS + 1), { ordinal: 1, base: 1 });
  const retry = send('bob', aged(31 * DAY_MS), { retry: true, ordinal: 2, base: 1 });
  const next = send('bob', cmid(2), { ordinal: 3, base: 1 });
  stage.settle(fresh, old, retry, next);
  assert.deepEqual(
    [fresh, old, retry, next].map((each) => stage.said(each)),
    ['ack 2', 'too_old', 'too_old', 'ack 3'],
  );
});

test('S5.4: a flagged retry that was committed is found before its age is looked at', () => {
  const stage = longGroup(0);
  const id = aged(29 * DAY_MS);
  stage.settle(send('ann', id));
  stage.now += 2 * DAY_MS;
  const retry = send('ann', id, { retry: true });
  stage.settle(retry);
  assert.equal(stage.said(retry), 'ack 2 again');
});

test('S5.7: one id of another user or another device is another message', () => {
  const stage = longGroup(0);
  const sends = [
    send('ann', cmid(1)),
    send('bob', cmid(1), { text: 'other' }),
    send('ann', cmid(1), { device: 'tablet', text: 'third' }),
  ];
  stage.settle(...sends);
  assert.deepEqual(
    sends.map((each) => stage.said(each)),
    ['ack 2', 'ack 3', 'ack 4'],
  );
});

test('S5.8: copies of one send get one seq: in one batch, behind it, and while both are looked up', () => {
  const stage = longGroup(0);
  const copies = [send('ann', cmid(1), { session: 1 }), send('ann', cmid(1), { session: 2 })];
  stage.settle(...copies);
  assert.deepEqual(
    copies.map((each) => stage.said(each)),
    ['ack 2', 'ack 2 again'],
  );
  const long = longGroup(1_100);
  const retries = [1, 2].map((session) => send('ann', cmid(1), { session, retry: true }));
  long.turn(...retries);
  long.lookedUp({ t: 'none' });
  long.lookedUp({ t: 'none' });
  long.commit();
  assert.deepEqual(
    retries.map((each) => long.said(each)),
    ['ack 1102', 'ack 1102 again'],
  );
});

test('a copy in a batch that fails is refused with it', () => {
  const stage = longGroup(0);
  const copies = [send('ann', cmid(1), { session: 1 }), send('ann', cmid(1), { session: 2 })];
  stage.turn(...copies);
  stage.commit('unavailable');
  assert.deepEqual(
    copies.map((each) => stage.said(each)),
    ['unavailable', 'unavailable'],
  );
});

test('S5.8: a look-up that took longer than the window reaches is made again', () => {
  const stage = longGroup(1_100);
  const one = send('ann', cmid(1), { session: 1, retry: true });
  const two = send('ann', cmid(1), { session: 2, retry: true });
  stage.turn(one, two);
  stage.lookedUp({ t: 'none' }, one);
  stage.commit();
  assert.equal(stage.said(one), 'ack 1102');
  for (let i = 0; i < 1_100; i++) stage.settle(send('bob', cmid(0x20000 + i)));
  const asked = stage.lookUps.length;
  stage.lookedUp({ t: 'none' }, two); // as of when it was asked
  assert.equal(stage.said(two), 'nothing');
  assert.equal(stage.lookUps.length, asked + 1, 'it is looked up again');
  stage.lookedUp({ t: 'none' }, two);
  stage.commit();
  assert.equal(stage.said(two), 'ack 2203', 'a look-up no older than the window decides');
});

test('S2.17: what a session asks behind its look-up waits, in order; other sessions go on', () => {
  const stage = longGroup(1_100);
  const retry = send('ann', cmid(1), { retry: true, ordinal: 1, base: 1 });
  const behind = [
    send('ann', cmid(2), { ordinal: 2, base: 1 }),
    history('ann', { after: 1_100 }),
    members('ann'),
    send('ann', cmid(3), { ordinal: 3, base: 1, retry: true }),
    send('ann', cmid(4), { ordinal: 4, base: 1 }),
  ];
  const other = send('bob', cmid(5));
  stage.turn(retry, ...behind, other);
  stage.commit();
  assert.equal(stage.said(other), 'ack 1102');
  assert.deepEqual(stage.lookUps, [retry, behind[3]], 'all that need it are looked up at once');
  stage.lookedUp({ t: 'none' }, behind[3] as SendRequest);
  assert.ok([retry, ...behind].every((each) => stage.said(each) === 'nothing'));
  stage.lookedUp({ t: 'none' }, retry);
  stage.commit();
  stage.commit();
  assert.deepEqual(
    [retry, ...behind].map((each) => stage.said(each)),
    ['ack 1103', 'ack 1104', 'page of 4', 'ok 1', 'ack 1105', 'ack 1106'],
  );
  assert.ok(stage.actor.idle);
});

test('S2.17: retries of one session are looked up together, and written together, in order', () => {
  const stage = longGroup(1_100);
  const retries = Array.from({ length: 8 }, (_, i) =>
    send('ann', cmid(1 + i), { retry: true, ordinal: 1 + i, base: 1 }),
  );
  stage.turn(...retries);
  assert.deepEqual(stage.lookUps, retries);
  const hash = payloadHash('text', new TextEncoder().encode('hi'), true);
  const found = (seq: number): LookUpOutcome => ({ t: 'found', hit: { seq, ts: 5, hash } });
  for (const [i, retry] of [...retries.entries()].reverse())
    stage.lookedUp(i === 2 ? found(9) : i === 3 ? found(9_999) : { t: 'none' }, retry);
  stage.commit();
  assert.deepEqual(
    retries.map((each) => stage.said(each)),
    [1102, 1103, '9 again', 1104, 1105, 1106, 1107, 1108].map((seq) => `ack ${seq}`),
  );
  assert.equal(stage.batches.at(-1)?.rows.length, 7);
});

test('S4.5: of retries that are looked up together, none passes one whose look-up failed', () => {
  const stage = longGroup(1_100);
  const retries = [1, 2, 3].map((i) => send('ann', cmid(i), { retry: true, ordinal: i, base: 1 }));
  const [first, second, third] = retries as [SendRequest, SendRequest, SendRequest];
  stage.turn(...retries);
  stage.lookedUp({ t: 'unavailable' }, second);
  stage.lookedUp({ t: 'none' }, third);
  stage.lookedUp({ t: 'none' }, first);
  stage.commit();
  assert.deepEqual(
    retries.map((each) => stage.said(each)),
    ['ack 1102', 'unavailable', 'unavailable'],
  );
  assert.ok(stage.actor.idle);
});

test('what comes behind answered look-ups is looked up in its turn: a busy session goes on', () => {
  const stage = longGroup(1_100);
  const [first, second, third] = [1, 2, 3].map((i) =>
    send('ann', cmid(i), { retry: true, ordinal: i, base: 1 }),
  ) as [SendRequest, SendRequest, SendRequest];
  stage.turn(first, second);
  stage.lookedUp({ t: 'none' }, second);
  stage.turn(third);
  assert.deepEqual(stage.lookUps, [first, second], 'the third waits');
  stage.lookedUp({ t: 'none' }, first);
  stage.commit();
  assert.deepEqual(
    [first, second, third].map((each) => stage.said(each)),
    ['ack 1102', 'ack 1103', 'nothing'],
  );
  stage.lookedUp({ t: 'none' }, third);
  stage.commit();
  assert.equal(stage.said(third), 'ack 1104');
});

test('S4.5: a look-up that fails refuses its send, and all of the session behind it', () => {
  const stage = longGroup(1_100);
  const retry = send('ann', cmid(1), { retry: true, ordinal: 1, base: 1 });
  const next = send('ann', cmid(2), { ordinal: 2, base: 1 });
  stage.turn(retry, next);
  stage.lookedUp({ t: 'unavailable' });
  assert.deepEqual([stage.said(retry), stage.said(next)], ['unavailable', 'unavailable']);
  const again = [send('ann', cmid(1), { ordinal: 1 }), send('ann', cmid(2), { ordinal: 2, base: 1 })];
  stage.settle(...again);
  assert.deepEqual(
    again.map((each) => stage.said(each)),
    ['ack 1102', 'ack 1103'],
  );
});

test('S4.5: a retry that is looked up does not overtake a send of its session that failed meanwhile', () => {
  const stage = longGroup(1_100);
  const first = send('ann', cmid(1), { ordinal: 1, base: 1 });
  const retry = send('ann', cmid(2), { ordinal: 2, base: 1, retry: true });
  stage.turn(first, retry);
  stage.commit('unavailable');
  stage.lookedUp({ t: 'none' });
  assert.deepEqual([stage.said(first), stage.said(retry)], ['unavailable', 'unavailable']);
  const again = [first, retry].map(({ cmid: id, ordinal }) => send('ann', id, { ordinal, base: 1 }));
  stage.settle(...again);
  assert.deepEqual(
    again.map((each) => stage.said(each)),
    ['ack 1102', 'ack 1103'],
  );
});

test('S2.6: sealing answers what is held and what waits behind it, once', () => {
  const stage = longGroup(1_100);
  const retry = send('ann', cmid(1), { retry: true, ordinal: 1, base: 1 });
  const behind = [send('ann', cmid(2), { ordinal: 2, base: 1 }), history('ann')];
  const writer = send('bob', cmid(3));
  stage.turn(retry, ...behind, writer);
  stage.commit('timedOutUnknown');
  assert.deepEqual(
    [writer, retry, ...behind].map((each) => stage.said(each)),
    ['timed_out_unknown', 'unavailable', 'unavailable', 'unavailable'],
  );
});

test('S9.4: only so many sends wait for look-ups, and so much behind them; beyond, overloaded', () => {
  const stage = longGroup(1_100);
  const retries = Array.from({ length: 1_100 }, (_, i) =>
    send('ann', cmid(i), { session: 100 + i, retry: true }),
  );
  stage.turn(...retries);
  assert.equal(stage.lookUps.length, 1_024);
  assert.deepEqual(
    [stage.said(retries[1_023] as SendRequest), stage.said(retries[1_024] as SendRequest)],
    ['nothing', 'overloaded'],
  );
  const again = send('ann', cmid(1_024), { session: 100 + 1_024, retry: true });
  for (let i = 0; i < 1_024; i++) stage.lookedUp({ t: 'unavailable' });
  stage.turn(again);
  assert.deepEqual([stage.said(again), stage.lookUps.length], ['nothing', 1]);
});

test('S9.4: what waits behind look-ups is bounded in bytes too', () => {
  const stage = longGroup(1_100);
  const retry = send('ann', cmid(1), { retry: true, ordinal: 1, base: 1 });
  const before = stage.actor.bytes;
  const behind = Array.from({ length: 70 }, (_, i) =>
    send('ann', cmid(2 + i), { ordinal: 2 + i, base: 1, bytes: 16 * 1024 }),
  );
  stage.turn(retry, ...behind);
  const refused = behind.filter((each) => stage.said(each) === 'overloaded').length;
  assert.ok(refused >= 6 && refused < 12, `1 MiB holds 64 of them; refused ${refused}`);
  assert.ok(stage.actor.bytes - before > 900_000, 'and counts as memory of the actor');
});
