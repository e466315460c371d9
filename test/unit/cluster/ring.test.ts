import assert from 'node:assert/strict';
import test from 'node:test';
import { PARTITIONS, Ring, ringNodes } from '../../../cluster/ring.ts';
import { deadLease, type LeaseRow, NO_BEAT } from '../../../src/core/cluster-ports.ts';
import { cmid } from '../actors/requests.ts';

const CONVS = Array.from({ length: 4_000 }, (_, i) => cmid(i));
const node = (i: number): string => `0000000${i}-0000-7000-8000-000000000000`;
const names = (count: number): string[] => Array.from({ length: count }, (_, i) => node(i + 1));

function lease(name: string, draining: boolean): LeaseRow {
  return { ...deadLease(name), ...NO_BEAT, state: 'live', draining };
}

test('all who know the same nodes name the same owner, in whatever order they know them', () => {
  const [one, other] = [new Ring(names(5)), new Ring(names(5).reverse())];
  for (const conv of CONVS) assert.equal(one.ownerOf(conv), other.ownerOf(conv));
  assert.ok(one.isOf(names(5).reverse()));
  assert.deepEqual(
    [one.isOf(names(4)), one.isOf(names(6)), one.isOf([node(9), ...names(4)])],
    [false, false, false],
  );
});

test('every partition has an owner, and each node about its share', () => {
  for (const count of [1, 2, 3, 8]) {
    const { shares, nodes } = new Ring(names(count));
    assert.equal(nodes.length, count);
    assert.equal(
      shares.reduce((sum, share) => sum + share, 0),
      PARTITIONS,
    );
    const fair = PARTITIONS / count;
    for (const share of shares) assert.ok(share > fair * 0.6 && share < fair * 1.4, `${share} of ${fair}`);
  }
});

test('a node more takes about 1/n, and nothing moves between the others; a node less gives its own alone', () => {
  const [before, after] = [new Ring(names(4)), new Ring(names(5))];
  const moved = CONVS.filter((conv) => before.ownerOf(conv) !== after.ownerOf(conv));
  for (const conv of moved) assert.equal(after.ownerOf(conv), node(5));
  const share = moved.length / CONVS.length;
  assert.ok(share > 0.12 && share < 0.28, `${share}`);
});

test('without nodes nobody owns', () => {
  const ring = new Ring([]);
  assert.equal(ring.ownerOf(CONVS[0] as string), undefined);
  assert.deepEqual([ring.shares, ring.isOf([]), ring.isOf(names(1))], [[], true, false]);
});

test('a draining node is left out, unless all are', () => {
  const [a, b, c] = [lease(node(1), false), lease(node(2), true), lease(node(3), false)];
  assert.deepEqual(ringNodes([a, b, c]), [node(1), node(3)]);
  assert.deepEqual(ringNodes([b, { ...a, draining: true }]), [node(2), node(1)]);
  assert.deepEqual(ringNodes([]), []);
});

test('who has just come to others owns nothing for some heartbeats; those who start together share at once', () => {
  const at = (i: number, hb: number): LeaseRow => ({ ...lease(node(i), false), hb });
  for (const hb of [0, 3, 5]) assert.deepEqual(ringNodes([at(1, 900), at(2, hb)]), [node(1)], `${hb}`);
  assert.deepEqual(ringNodes([at(1, 900), at(2, 6)]), [node(1), node(2)]);
  for (let eldest = 4; eldest < 20; eldest++)
    assert.deepEqual(ringNodes([at(1, eldest), at(2, eldest - 4)]), [node(1), node(2)], `${eldest}`);
  assert.deepEqual(ringNodes([at(1, 2)]), [node(1)]);
  assert.deepEqual(ringNodes([{ ...at(1, 900), draining: true }, at(2, 1)]), [node(2)]);
});
