import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { SessionOrdinals } from '../../../actors/session-ordinals.ts';
import { Lanes } from '../../../src/edge/lanes.ts';
import { convId, Rig } from './rig.ts';

const conv = convId(1);
/** Of sends that need not be told apart. */
const ID = 'any';

test('ordinals rise from 1, base is the lowest unanswered, an idle lane is forgotten', () => {
  const lanes = new Lanes(10);
  assert.deepEqual(lanes.enter(conv, ID), { ordinal: 1, base: 1 });
  assert.deepEqual(lanes.enter(conv, ID), { ordinal: 2, base: 1 });
  assert.deepEqual(lanes.enter(conv, ID), { ordinal: 3, base: 1 });
  lanes.answered(conv, ID, 2, undefined, 0, 0); // out of order
  assert.deepEqual(lanes.enter(conv, ID), { ordinal: 4, base: 1 });
  lanes.answered(conv, ID, 1, undefined, 0, 0);
  assert.deepEqual(lanes.enter(conv, ID), { ordinal: 5, base: 3 });
  for (const ordinal of [3, 4, 5]) lanes.answered(conv, ID, ordinal, undefined, 0, 0);
  assert.equal(lanes.size, 0);
  const { ordinal, base } = lanes.enter(conv, ID);
  assert.equal(ordinal, base);
  assert.ok(ordinal > 5, 'no number is used twice');
});

test('S4.5 a refusal holds back the later ones until its time is over', () => {
  const lanes = new Lanes(10);
  for (let i = 0; i < 3; i++) lanes.enter(conv, ID);
  lanes.answered(conv, ID, 1, 'timed_out_unknown', 500, 1_000);
  assert.deepEqual(lanes.refusal(conv, ID, true, 1_100), { code: 'unavailable', retryAfterMs: 400 });
  assert.equal(lanes.refusal(convId(2), ID, true, 1_100), undefined, 'others go on');
  lanes.answered(conv, ID, 2, 'unavailable', 200, 1_200);
  lanes.answered(conv, ID, 3, 'unavailable', 200, 1_450);
  assert.deepEqual(lanes.refusal(conv, ID, true, 1_500), { code: 'unavailable', retryAfterMs: 150 });
  assert.equal(lanes.refusal(conv, ID, true, 1_650), undefined);
  const { ordinal, base } = lanes.enter(conv, ID);
  assert.equal(ordinal, base);
});

test('S4.5 at the end of a hold nobody passes by one who came a moment too early', () => {
  const lanes = new Lanes(10);
  lanes.enter(conv, ID);
  lanes.answered(conv, ID, 1, 'unavailable', 500, 1_000);
  assert.equal(lanes.refusal(conv, ID, true, 1_499.9)?.retryAfterMs, 20, 'the first comes too early');
  assert.notEqual(
    lanes.refusal(conv, ID, true, 1_500.1),
    undefined,
    'the second, right behind it, waits too',
  );
  assert.equal(lanes.refusal(conv, ID, true, 1_521), undefined);
});

test('S4.5 what is no retry waits until a refused one has come again, or its sender can have heard of nothing for long', () => {
  const lanes = new Lanes(10);
  lanes.enter(conv, ID);
  lanes.answered(conv, ID, 1, 'unavailable', 500, 1_000);
  assert.deepEqual(lanes.refusal(conv, ID, false, 2_000), { code: 'unavailable', retryAfterMs: 20 });
  assert.equal(lanes.refusal(conv, ID, true, 2_100), undefined);
  lanes.enter(conv, ID);
  assert.equal(lanes.refusal(conv, ID, false, 2_100), undefined, 'they follow it');
  lanes.answered(conv, ID, 2, 'unavailable', 500, 3_000);
  lanes.prune(10_000);
  assert.equal(lanes.size, 1);
  assert.notEqual(lanes.refusal(conv, ID, false, 32_900), undefined);
  assert.equal(lanes.refusal(conv, ID, false, 33_000), undefined);
  lanes.prune(33_000);
  assert.equal(lanes.size, 0);
});

test('a refusal by the edge holds back the lane, but not for answers under way', () => {
  const lanes = new Lanes(10);
  lanes.enter(conv, ID);
  lanes.hold(conv, ID, 'rate_limited', 100, 0);
  assert.deepEqual(lanes.refusal(conv, ID, true, 40), { code: 'rate_limited', retryAfterMs: 60 });
  assert.equal(lanes.refusal(conv, ID, true, 100), undefined);
  assert.deepEqual(lanes.enter(conv, ID), { ordinal: 2, base: 1 });
});

test('lanes are bounded, and beyond the bound nothing overtakes a refused send', () => {
  const lanes = new Lanes(2);
  lanes.enter(convId(1), ID);
  lanes.hold(convId(2), ID, 'rate_limited', 100, 0);
  assert.equal(lanes.refusal(convId(3), ID, true, 0)?.code, 'overloaded');
  lanes.hold(convId(3), ID, 'overloaded', 200, 0);
  lanes.answered(convId(1), ID, 1, undefined, 0, 50);
  assert.equal(lanes.refusal(convId(3), ID, true, 60)?.code, 'overloaded');
  assert.equal(lanes.refusal(convId(3), ID, true, 200), undefined);
});

test('S4.5: a retry that was refused behind another does not pass it by while its sender may not have heard', () => {
  const lanes = new Lanes(8);
  lanes.enter(conv, 'one');
  lanes.answered(conv, 'one', 1, 'unavailable', 20, 0);
  assert.notEqual(lanes.refusal(conv, 'two', false, 10), undefined);
  assert.equal(lanes.refusal(conv, 'one', true, 100), undefined);
  lanes.enter(conv, 'one');
  lanes.answered(conv, 'one', 2, 'unavailable', 20, 110);
  assert.notEqual(
    lanes.refusal(conv, 'two', true, 200),
    undefined,
    'it was sent before that refusal was heard',
  );
  assert.equal(lanes.refusal(conv, 'three', true, 300), undefined, 'one that never waited makes up for it');
  assert.equal(lanes.refusal(conv, 'one', true, 300), undefined);
  assert.equal(lanes.refusal(conv, 'two', true, 2_300), undefined, 'the refused one does not come again');
});

test('S4.5: of several refused the one sent first comes first, in whatever order they were answered', () => {
  const lanes = new Lanes(8);
  for (const cmid of ['one', 'two', 'three']) lanes.enter(conv, cmid);
  lanes.answered(conv, 'two', 2, 'unavailable', 20, 0);
  lanes.answered(conv, 'one', 1, 'unavailable', 20, 0);
  lanes.answered(conv, 'three', 3, 'unavailable', 20, 0);
  for (const cmid of ['two', 'three']) assert.notEqual(lanes.refusal(conv, cmid, true, 100), undefined);
  assert.equal(lanes.refusal(conv, 'one', true, 200), undefined);
});

/** One client's sends to one conversation, through the edge's lanes, to the owner. */
class Course {
  readonly #lanes = new Lanes(8);
  readonly #owner = new SessionOrdinals(4);
  /** In order; those refused come in again where they were. */
  readonly #toSend = Array.from({ length: 300 }, (_, i) => i);
  readonly #tried = new Set<number>();
  readonly #underWay: { message: number; ordinal: number; base: number }[] = [];
  /** Refused; the client does not know yet. */
  readonly #unheard: number[] = [];
  /** It has heard of a refusal: it waits for what is on its way, and then begins with the oldest. */
  #rewinding = false;
  readonly taken: number[] = [];
  now = 0;

  hear(): void {
    this.#rewinding ||= this.#unheard.length > 0;
    for (const message of this.#unheard) this.#tried.add(message);
    this.#toSend.push(...this.#unheard.splice(0));
    this.#toSend.sort((a, b) => a - b);
  }

  /** 2: refused by the edge. */
  send(fault: number): void {
    if (this.#rewinding && this.#underWay.length + this.#unheard.length > 0) return;
    this.#rewinding = false;
    const message = this.#toSend.shift() as number;
    const isHeld = this.#lanes.refusal(conv, `${message}`, this.#tried.has(message), this.now) !== undefined;
    if (!isHeld && fault === 2) this.#lanes.hold(conv, `${message}`, 'rate_limited', 30, this.now);
    if (isHeld || fault === 2) this.#unheard.push(message);
    else this.#underWay.push({ message, ...this.#lanes.enter(conv, `${message}`) });
  }

  /** The oldest under way. 0: a full mailbox, before the actor sees it. 1: the store refuses, after it was taken. */
  owner(fault: number): void {
    const send = this.#underWay.shift();
    if (send === undefined) return;
    const { message, ordinal, base } = send;
    const isTaken = fault !== 0 && this.#owner.take('e', 1, ordinal, base) === 'next';
    if (isTaken && fault === 1) this.#owner.giveBack('e', 1, ordinal);
    const isOk = isTaken && fault !== 1;
    (isOk ? this.taken : this.#unheard).push(message);
    this.#lanes.answered(conv, `${message}`, ordinal, isOk ? undefined : 'unavailable', 20, this.now);
  }

  /** Nothing fails any more. */
  calm(): void {
    while (this.#underWay.length > 0) this.owner(9);
    for (let rounds = 0; rounds < 40; rounds++) {
      this.now += 100;
      this.hear();
      this.send(9);
      this.owner(9);
    }
  }
}

test('S4.5 against the sequencer: what is taken keeps the order of sending, whatever is refused where, and heard when', () => {
  const step = fc.record({
    op: fc.constantFrom('send', 'owner', 'hear'),
    fault: fc.integer({ min: 0, max: 9 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const course = new Course();
      for (const { op, fault } of steps) {
        course.now += 10;
        course[op as 'send' | 'owner' | 'hear'](fault);
      }
      course.calm();
      assert.deepEqual(
        course.taken,
        course.taken.map((_, i) => i),
      );
      assert.ok(course.taken.length >= 19, 'it goes on in the end');
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
