import assert from 'node:assert/strict';
import test from 'node:test';
import { Routes } from '../../../cluster/peer/routes.ts';

const CONV = 'c1';

/** Rings that name one node for all. */
function rings(now: string | undefined, former?: string) {
  const ring = { now, former };
  const routes = new Routes(
    () => ring.now,
    () => ring.former,
    3,
  );
  routes.useLive(new Set(['a', 'b', 'c']));
  return { ring, routes };
}

test('requests go to whom the ring names, while that one lives', () => {
  const { ring, routes } = rings('a');
  assert.equal(routes.ownerOf(CONV), 'a');
  ring.now = 'gone';
  assert.equal(routes.ownerOf(CONV), undefined);
  ring.now = undefined;
  assert.equal(routes.ownerOf(CONV), undefined);
});

test('after a change of the ring they go where it named before, while that one lives', () => {
  const { ring, routes } = rings('a', 'b');
  assert.equal(routes.ownerOf(CONV), 'b');
  routes.useLive(new Set(['a', 'c']));
  assert.equal(routes.ownerOf(CONV), 'a');
  routes.useLive(new Set(['a', 'b', 'c']));
  ring.former = undefined; // its time is over
  assert.equal(routes.ownerOf(CONV), 'a');
});

test('a redirect counts more than either ring, until its node is gone', () => {
  const { routes } = rings('a', 'b');
  assert.ok(routes.redirect(CONV, 'c'));
  assert.deepEqual([routes.ownerOf(CONV), routes.ownerOf('c2')], ['c', 'b']);
  routes.useLive(new Set(['a', 'b']));
  assert.equal(routes.ownerOf(CONV), 'b');
  routes.useLive(new Set(['a', 'b', 'c']));
  assert.equal(routes.ownerOf(CONV), 'b', 'it is forgotten');
});

test('a redirect to a node that is not known to live changes nothing', () => {
  const { routes } = rings('a');
  routes.redirect(CONV, 'b');
  assert.equal(routes.redirect(CONV, 'd'), false);
  assert.equal(routes.ownerOf(CONV), 'b');
});

test('a redirect back takes the place of the one before', () => {
  const { ring, routes } = rings('a');
  assert.ok(routes.redirect(CONV, 'b'));
  assert.ok(routes.redirect(CONV, 'a'));
  assert.equal(routes.ownerOf(CONV), 'a');
  ring.now = 'c';
  assert.equal(routes.ownerOf(CONV), 'c', 'what the ring says anyway is not kept');
});

test('one to whom the new ring names is kept while the former one would say another', () => {
  const { ring, routes } = rings('a', 'b');
  assert.ok(routes.redirect(CONV, 'a'));
  assert.deepEqual([routes.ownerOf(CONV), routes.ownerOf('c2')], ['a', 'b']);
  ring.former = undefined;
  assert.equal(routes.ownerOf(CONV), 'a');
});

test('one back to whom the former ring names outlives that ring', () => {
  const { ring, routes } = rings('a', 'b');
  assert.ok(routes.redirect(CONV, 'b'));
  ring.former = undefined;
  assert.equal(routes.ownerOf(CONV), 'b', 'it has not moved yet');
});

test('redirects are bounded: the oldest is forgotten, and said again when need be', () => {
  const { routes } = rings('a');
  for (const conv of ['c1', 'c2', 'c3', 'c4']) routes.redirect(conv, 'b');
  assert.deepEqual(
    ['c1', 'c2', 'c3', 'c4'].map((conv) => routes.ownerOf(conv)),
    ['a', 'b', 'b', 'b'],
  );
  routes.redirect('c2', 'c'); // said again: the newest now
  routes.redirect('c5', 'b');
  assert.deepEqual(
    ['c2', 'c3', 'c4', 'c5'].map((conv) => routes.ownerOf(conv)),
    ['c', 'a', 'b', 'b'],
  );
});
