import assert from 'node:assert/strict';
import test from 'node:test';
import { CONV, cmid, createGroup, history, members, send } from './requests.ts';
import { Stage } from './stage.ts';

test('S4.2, S9.2: a batch that was certainly not written gives its seqs, ids and n back', () => {
  const stage = Stage.group('ann', 'bob');
  const first = [send('ann', cmid(1)), send('bob', cmid(2)), members('ann', { op: 'add', users: ['cat'] })];
  stage.turn(...first);
  stage.commit('unavailable');
  for (const each of first) {
    const answer = stage.answers.get(each);
    assert.ok(answer?.t === 'error' && answer.code === 'unavailable' && (answer.retryAfterMs ?? 0) > 0);
  }
  assert.deepEqual([stage.spoken, stage.projected, stage.actor.head], [[], [], 1]);
  assert.deepEqual(stage.actor.users, ['ann', 'bob']);
  const other = send('ann', cmid(1), { text: 'another body' });
  stage.settle(other, send('bob', cmid(2)));
  assert.equal(stage.said(other), 'ack 2', 'the id was never used');
  assert.deepEqual([stage.actor.head, stage.actor.entryFor('ann')?.n], [3, 2]);
});

test('S4.5: of a failed batch each session begins again at its own first send', () => {
  const stage = Stage.group('ann', 'bob');
  const sends = [
    send('ann', cmid(1), { ordinal: 1, base: 1 }),
    send('bob', cmid(2), { ordinal: 1, base: 1 }),
    send('ann', cmid(3), { ordinal: 2, base: 1 }),
  ];
  stage.turn(...sends);
  stage.commit('unavailable');
  const overtaking = send('ann', cmid(4), { ordinal: 3, base: 1 });
  stage.settle(overtaking);
  assert.equal(stage.said(overtaking), 'unavailable');
  const again = [
    send('ann', cmid(1), { ordinal: 1, base: 1 }),
    send('ann', cmid(3), { ordinal: 2, base: 1 }),
    send('ann', cmid(4), { ordinal: 3, base: 1 }),
    send('bob', cmid(2), { ordinal: 1, base: 1 }),
  ];
  stage.settle(...again);
  assert.deepEqual(
    again.map((each) => stage.said(each)),
    ['ack 2', 'ack 3', 'ack 4', 'ack 5'],
  );
});

test('S4.4: a copy in a batch that fails does not let its session begin before what was given back', () => {
  const stage = Stage.group('ann', 'bob');
  stage.settle(send('ann', cmid(1), { ordinal: 3, base: 3 }));
  const again = send('ann', cmid(2), { ordinal: 5, base: 5 });
  const copy = send('ann', cmid(2), { ordinal: 2, base: 1 }); // of a request that was refused before
  stage.turn(again, copy);
  stage.commit('unavailable');
  const later = send('ann', cmid(4), { ordinal: 2, base: 2 });
  stage.settle(later);
  assert.deepEqual(
    [again, copy, later].map((each) => stage.said(each)),
    ['unavailable', 'unavailable', 'unavailable'],
  );
  const good = send('ann', cmid(2), { ordinal: 5, base: 5 });
  stage.settle(good);
  assert.equal(stage.said(good), 'ack 3');
});

test('S4.4: a copy in the same batch is answered like the first, once that is committed', () => {
  const stage = Stage.group('ann', 'bob');
  const both = [1, 1].map((ordinal) => send('ann', cmid(1), { ordinal, base: 1, retry: true }));
  stage.settle(...both);
  assert.deepEqual(
    both.map((each) => stage.said(each)),
    ['ack 2', 'ack 2 again'],
  );
});

test('S4.4: a refusal that no resend mends does not hold its session up', () => {
  const stage = Stage.group('ann', 'bob');
  stage.settle(send('ann', cmid(1), { text: 'x', ordinal: 1, base: 1 }));
  const sends = [
    send('ann', cmid(1), { text: 'y', ordinal: 2, base: 2 }),
    send('ann', cmid(2), { ordinal: 3, base: 2 }),
  ];
  stage.settle(...sends);
  assert.deepEqual(
    sends.map((each) => stage.said(each)),
    ['conflict', 'ack 3'],
  );
});

test('S2.6: a create that fails is refused, what the session asked behind it finds nothing, and it can be tried again', () => {
  const stage = new Stage();
  const create = createGroup(['ann', 'bob']);
  stage.turn(create);
  stage.commit('unavailable');
  assert.deepEqual([stage.said(create), stage.actor.exists, stage.actor.idle], ['unavailable', false, true]);
  assert.equal(stage.passivations, 1);
  const early = history('ann');
  stage.turn(early);
  assert.equal(stage.said(early), 'not_found');
  const again = createGroup(['ann', 'bob']);
  stage.settle(again);
  assert.deepEqual([stage.said(again), stage.log.length], ['created', 1]);
});

test('S2.6, S9.2: after a write of unknown outcome, and after a lost term, the actor is sealed and asks to go', () => {
  for (const outcome of ['timedOutUnknown', 'fenced'] as const) {
    const stage = Stage.group('ann', 'bob');
    const asked = [send('ann', cmid(1)), members('ann', { op: 'add', users: ['cat'] }), history('ann')];
    stage.turn(...asked);
    stage.commit(outcome);
    assert.deepEqual(
      asked.map((each) => stage.said(each)),
      ['timed_out_unknown', 'timed_out_unknown', 'unavailable'],
    );
    for (const each of asked) {
      const answer = stage.answers.get(each);
      assert.ok(answer?.t === 'error' && (answer.retryAfterMs ?? 0) > 0);
    }
    assert.deepEqual([stage.actor.sealed, stage.passivations, stage.spoken], [true, 1, []]);
    assert.deepEqual([stage.actor.head, stage.actor.users], [1, ['ann', 'bob']], 'nothing of it is believed');
  }
});

test('S4.2: a batch is closed at 256 events or 48 KiB; the rest goes into the next one, in order', () => {
  const stage = Stage.group('ann', 'bob');
  const sends = Array.from({ length: 257 }, (_, i) => send('ann', cmid(i), { ordinal: i + 1, base: 1 }));
  stage.turn(...sends);
  assert.ok(stage.actor.busy);
  assert.equal(stage.batches.at(-1)?.rows.length, 256);
  stage.commit();
  assert.deepEqual([stage.batches.at(-1)?.rows.length, stage.batches.at(-1)?.c], [1, 257]);
  stage.commit();
  assert.deepEqual(
    sends.map((each) => stage.said(each)),
    sends.map((_, i) => `ack ${i + 2}`),
  );

  const large = Stage.group('ann', 'bob');
  const bodies = Array.from({ length: 4 }, (_, i) =>
    send('ann', cmid(i), { text: 'x'.repeat(16 * 1024), ordinal: i + 1, base: 1 }),
  );
  large.turn(...bodies.slice(0, 3));
  assert.ok(large.actor.busy, 'the third of 16 KiB did not fit, and waits');
  assert.equal(large.batches.at(-1)?.rows.length, 2);
  large.commit();
  assert.equal(large.batches.at(-1)?.rows.length, 1);
  large.commit();
  assert.deepEqual(
    bodies.slice(0, 3).map((each) => large.said(each)),
    ['ack 2', 'ack 3', 'ack 4'],
  );
});

test('a batch ends where its bucket of 4,096 seqs does', () => {
  const stage = Stage.group('ann', 'bob');
  for (let i = 0; stage.log.length < 4_090; i++) {
    const sends = Array.from({ length: Math.min(255, 4_090 - stage.log.length) }, (_, j) =>
      send('ann', cmid(i * 256 + j), { session: j }),
    );
    stage.settle(...sends);
  }
  const sends = Array.from({ length: 7 }, (_, i) => send('bob', cmid(0x100000 + i), { session: 1_000 + i }));
  stage.turn(...sends);
  assert.deepEqual(
    stage.batches.at(-1)?.rows.map((row) => row.seq),
    [4_091, 4_092, 4_093, 4_094, 4_095, 4_096],
  );
  stage.commit();
  assert.deepEqual(
    stage.batches.at(-1)?.rows.map((row) => row.seq),
    [4_097],
  );
});

test('a group of which only the rows were written is created by who began it, and does not exist for others', () => {
  const begun = Stage.group('ann', 'bob').actor.handOver();
  const activation = { ...begun, conv: CONV, fence: 2, head: 0, tail: [], unprojected: [] };
  const stage = new Stage(activation);
  const sent = send('ann', cmid(1));
  stage.turn(sent);
  assert.equal(stage.said(sent), 'not_found');
  const other = createGroup(['cat', 'ann']);
  stage.turn(other);
  assert.equal(stage.said(other), 'conflict');
  const again = createGroup(['ann', 'bob']);
  stage.turn(again);
  stage.commit();
  assert.equal(stage.said(again), 'created');
  assert.equal(stage.actor.head, 1, 'with its first event');
});
