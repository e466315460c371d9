import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { SessionOrdinals } from '../../../actors/session-ordinals.ts';
import { Lanes } from '../../../src/edge/lanes.ts';
import { convId, Rig } from './rig.ts';

const conv = convId(1);

test('ordinals rise from 1, base is the lowest unanswered, an idle lane is forgotten', () => {
  const lanes = new Lanes(10);
  assert.deepEqual(lanes.enter(conv), { ordinal: 1, base: 1 });
  assert.deepEqual(lanes.enter(conv), { ordinal: 2, base: 1 });
  assert.deepEqual(lanes.enter(conv), { ordinal: 3, base: 1 });
  lanes.answered(conv, 2, undefined, 0, 0); // out of order
  assert.deepEqual(lanes.enter(conv), { ordinal: 4, base: 1 });
  lanes.answered(conv, 1, undefined, 0, 0);
  assert.deepEqual(lanes.enter(conv), { ordinal: 5, base: 3 });
  for (const ordinal of [3, 4, 5]) lanes.answered(conv, ordinal, undefined, 0, 0);
  assert.equal(lanes.size, 0);
  const { ordinal, base } = lanes.enter(conv);
  assert.equal(ordinal, base);
  assert.ok(ordinal > 5, 'no number is used twice');
});

test('S4.5 a refusal holds back the later ones until its time is over', () => {
  const lanes = new Lanes(10);
  for (let i = 0; i < 3; i++) lanes.enter(conv);
  lanes.answered(conv, 1, 'timed_out_unknown', 500, 1_000);
  assert.deepEqual(lanes.refusal(conv, 1_100), { code: 'unavailable', retryAfterMs: 400 });
  assert.equal(lanes.refusal(convId(2), 1_100), undefined, 'others go on');
  lanes.answered(conv, 2, 'unavailable', 200, 1_200);
  lanes.answered(conv, 3, 'unavailable', 200, 1_450);
  assert.deepEqual(lanes.refusal(conv, 1_500), { code: 'unavailable', retryAfterMs: 150 });
  assert.equal(lanes.refusal(conv, 1_650), undefined);
  const { ordinal, base } = lanes.enter(conv);
  assert.equal(ordinal, base);
});

test('S4.5 at the end of a hold nobody passes by one who came a moment too early', () => {
  const lanes = new Lanes(10);
  lanes.enter(conv);
  lanes.answered(conv, 1, 'unavailable', 500, 1_000);
  assert.equal(lanes.refusal(conv, 1_499.9)?.retryAfterMs, 20, 'the first comes too early');
  assert.notEqual(lanes.refusal(conv, 1_500.1), undefined, 'the second, right behind it, waits too');
  assert.equal(lanes.refusal(conv, 1_521), undefined);
});

test('a refusal by the edge holds back the lane, but not for answers under way', () => {
  const lanes = new Lanes(10);
  lanes.enter(conv);
  lanes.hold(conv, 'rate_limited', 100, 0);
  assert.deepEqual(lanes.refusal(conv, 40), { code: 'rate_limited', retryAfterMs: 60 });
  assert.equal(lanes.refusal(conv, 100), undefined);
  assert.deepEqual(lanes.enter(conv), { ordinal: 2, base: 1 });
});

test('lanes are bounded, and beyond the bound nothing overtakes a refused send', () => {
  const lanes = new Lanes(2);
  lanes.enter(convId(1));
  lanes.hold(convId(2), 'rate_limited', 100, 0);
  assert.equal(lanes.refusal(convId(3), 0)?.code, 'overloaded');
  lanes.hold(convId(3), 'overloaded', 200, 0);
  lanes.answered(convId(1), 1, undefined, 0, 50);
  assert.equal(lanes.refusal(convId(3), 60)?.code, 'overloaded');
  assert.equal(lanes.refusal(convId(3), 200), undefined);
});

test('S4.5 against the sequencer: what is taken keeps the order of sending, whatever is refused where', () => {
  /** In each step a send arrives, or the oldest under way meets the owner, who may refuse it. */
  const step = fc.record({
    op: fc.constantFrom('send', 'owner'),
    fault: fc.integer({ min: 0, max: 9 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const lanes = new Lanes(8);
      const owner = new SessionOrdinals(4);
      const toSend = Array.from({ length: 300 }, (_, i) => i); // refused ones come first again, in order
      const underWay: { message: number; ordinal: number; base: number }[] = [];
      const taken: number[] = [];
      let now = 0;
      const refused = (message: number): void => {
        toSend.push(message);
        toSend.sort((a, b) => a - b);
      };
      const atOwner = (fault: number): void => {
        const send = underWay.shift();
        if (send === undefined) return;
        const { message, ordinal, base } = send;
        // 0: a full mailbox, before the actor sees it. 1: the store refuses, after it was taken.
        let ok = fault !== 0 && owner.take('e', 1, ordinal, base);
        if (ok && fault === 1) {
          owner.giveBack('e', 1, ordinal);
          ok = false;
        }
        if (ok) taken.push(message);
        else refused(message);
        lanes.answered(conv, ordinal, ok ? undefined : 'unavailable', 20, now);
      };
      for (const { op, fault } of steps) {
        now += 10;
        if (op === 'owner') {
          atOwner(fault);
          continue;
        }
        const message = toSend.shift() as number;
        if (lanes.refusal(conv, now) !== undefined) refused(message);
        else if (fault === 2) {
          lanes.hold(conv, 'rate_limited', 30, now);
          refused(message);
        } else underWay.push({ message, ...lanes.enter(conv) });
      }
      while (underWay.length > 0) atOwner(9);
      for (let rounds = 0; rounds < 20; rounds++) {
        now += 100;
        if (lanes.refusal(conv, now) !== undefined) continue;
        underWay.push({ message: toSend.shift() as number, ...lanes.enter(conv) });
        atOwner(9);
      }
      assert.deepEqual(
        taken,
        taken.map((_, i) => i),
      );
      assert.ok(taken.length >= 19, 'it goes on in the end');
    }),
    { numRuns: 1_000 },
  );
});

test('S4.5 on a connection: refused by the owner, then by the edge, then it goes on', async () => {
  const rig = new Rig();
  const client = await rig.join('ann');
  client.say(conv);
  client.say(conv);
  const [first, second] = rig.owners.sends;
  assert.deepEqual([second?.ordinal, second?.base], [2, 1]);
  const refusal = { t: 'error', code: 'overloaded', message: 'full', retryAfterMs: 300 } as const;
  rig.answer(first!, refusal);
  client.say(conv);
  client.say(convId(2));
  rig.answer(second!, { ...refusal, code: 'unavailable', retryAfterMs: 200 });
  await rig.settle();
  assert.equal(rig.owners.sends.length, 3, 'the other conversation goes on');
  assert.deepEqual(
    client.all('error').map(({ id, code, retryAfterMs }) => [id, code, retryAfterMs]),
    [
      [1, 'overloaded', 300],
      [3, 'overloaded', 300],
      [2, 'unavailable', 200],
    ],
  );
  await rig.system.advance(300);
  client.say(conv);
  const again = rig.owners.sends[3];
  assert.equal(again?.ordinal, again?.base);
});
