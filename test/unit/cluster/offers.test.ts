import assert from 'node:assert/strict';
import test from 'node:test';
import { Offers } from '../../../cluster/offers.ts';
import type { HandOver } from '../../../src/core/rows.ts';
import { VirtualSystem } from '../../sim/virtual-system.ts';
import { send, cmid } from '../actors/requests.ts';
import { Stage } from '../actors/stage.ts';

const CONV = 'c1';
const FROM = 'node 1';

/** Of a conversation that reaches to `head`. */
function state(head: number): HandOver {
  const stage = Stage.group('ann', 'bob');
  for (let i = 1; i < head; i++) stage.settle(send('ann', cmid(i)));
  return stage.actor.handOver();
}

const FIVE = state(5);

function world() {
  const system = new VirtualSystem();
  const offers = new Offers(system);
  let number = 0;
  const add = (conv: string, fence: number, bytes = 100): void =>
    offers.add({ conv, fence, state: FIVE, bytes, from: FROM, number: ++number });
  const take = (conv: string, fence: number, head: number) => offers.take(conv, fence, head, () => true);
  return { system, offers, add, take };
}

test('an offer is taken for just its term and head, once', () => {
  const { offers, add, take } = world();
  add(CONV, 3);
  assert.equal(take('c2', 3, 5), undefined);
  assert.equal(take(CONV, 3, 5), FIVE);
  assert.equal(take(CONV, 3, 5), undefined);
  assert.equal(offers.size, 0);
});

for (const [fence, head] of [
  [2, 5],
  [4, 5],
  [3, 4],
  [3, 6],
] as const)
  test(`asked for at fence ${fence} and head ${head}, the offer of fence 3 and head 5 is gone`, () => {
    const { add, take } = world();
    add(CONV, 3);
    assert.equal(take(CONV, fence, head), undefined);
    assert.equal(take(CONV, 3, 5), undefined);
  });

test('a later offer of a conversation takes the place of the earlier', () => {
  const { offers, add, take } = world();
  add(CONV, 3);
  add(CONV, 5);
  assert.equal(offers.size, 1);
  assert.equal(take(CONV, 5, 5), FIVE);
});

test('an offer is kept for 10 s', async () => {
  const { system, offers, add, take } = world();
  add(CONV, 3);
  add('c2', 3);
  await system.advance(9_999);
  assert.equal(take(CONV, 3, 5), FIVE);
  await system.advance(1);
  assert.equal(take('c2', 3, 5), undefined);
  add('c3', 1);
  await system.advance(10_000);
  add('c4', 1);
  assert.equal(offers.size, 1, 'what is over goes when another comes');
});

test('at most 4,096 offers and 64 MiB are kept, the newest', () => {
  const { offers, add, take } = world();
  for (let i = 0; i < 5_000; i++) add(`c${i}`, 1);
  assert.equal(offers.size, 4_096);
  assert.deepEqual([take('c903', 1, 5), take('c904', 1, 5)], [undefined, FIVE]);
  offers.clear();
  for (let i = 0; i < 100; i++) add(`c${i}`, 1, 1024 * 1024);
  assert.equal(offers.size, 64);
  for (let i = 36; i < 100; i++) assert.equal(take(`c${i}`, 1, 5), FIVE);
  add('large', 1, 65 * 1024 * 1024);
  assert.equal(offers.size, 0, 'not even one that is larger alone');
  for (let i = 0; i < 64; i++) add(`c${i}`, 1, 1024 * 1024);
  assert.equal(offers.size, 64, 'what was dropped counts no more');
});

test('what is dropped or cleared can not be taken', () => {
  const { offers, add, take } = world();
  add(CONV, 3);
  add('c2', 3);
  offers.drop(CONV);
  offers.drop('c9');
  assert.equal(take(CONV, 3, 5), undefined);
  offers.clear();
  assert.equal(take('c2', 3, 5), undefined);
});

test('an offer that comes twice, or behind a later one of its sender, is none', () => {
  const { offers, take } = world();
  const offer = { conv: CONV, fence: 3, state: FIVE, bytes: 100, from: FROM };
  offers.add({ ...offer, number: 2 });
  assert.equal(take(CONV, 3, 5), FIVE);
  offers.add({ ...offer, number: 2 });
  offers.add({ ...offer, number: 1 });
  assert.equal(take(CONV, 3, 5), undefined);
  offers.add({ ...offer, number: 1, from: 'node 2' });
  assert.equal(take(CONV, 3, 5), FIVE, 'each sender has numbers of its own');
  offers.clear();
  offers.add({ ...offer, number: 2 });
  assert.equal(take(CONV, 3, 5), undefined, 'what was cleared is still known to have come');
});

test('an offer of one who cannot have released it is none', () => {
  const { offers, add } = world();
  add(CONV, 3);
  assert.equal(
    offers.take(CONV, 3, 5, (from) => from !== FROM),
    undefined,
  );
});
