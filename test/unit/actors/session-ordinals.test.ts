import assert from 'node:assert/strict';
import test from 'node:test';
import { SessionOrdinals } from '../../../actors/session-ordinals.ts';

test('S4.4: a known session’s sends are taken in sequence alone', () => {
  const ordinals = new SessionOrdinals(8);
  assert.ok(ordinals.take('e', 1, 1, 1));
  assert.ok(ordinals.take('e', 1, 2, 1));
  assert.ok(!ordinals.take('e', 1, 4, 1), 'a jump');
  assert.ok(!ordinals.take('e', 1, 2, 1), 'a step back');
  assert.ok(ordinals.take('e', 1, 3, 1), 'what was not taken changed nothing');
});

test('of a session that is not known only the lowest unanswered send is taken', () => {
  const ordinals = new SessionOrdinals(8);
  assert.ok(!ordinals.take('e', 1, 7, 5));
  assert.ok(!ordinals.take('e', 1, 6, 5));
  assert.ok(ordinals.take('e', 1, 5, 5));
  assert.ok(ordinals.take('e', 1, 6, 5));
});

test('the lowest unanswered send is taken whatever was expected: nothing before it can come any more', () => {
  const ordinals = new SessionOrdinals(8);
  assert.ok(ordinals.take('e', 1, 1, 1));
  assert.ok(ordinals.take('e', 1, 9, 9));
  assert.ok(ordinals.take('e', 1, 10, 9));
});

test('S4.5: sends given back are expected again, from the first of them on', () => {
  const ordinals = new SessionOrdinals(8);
  for (const ordinal of [1, 2, 3]) assert.ok(ordinals.take('e', 1, ordinal, 1));
  for (const ordinal of [2, 3]) ordinals.giveBack('e', 1, ordinal);
  assert.ok(!ordinals.take('e', 1, 4, 2), 'nothing overtakes what was refused');
  assert.ok(!ordinals.take('e', 1, 3, 2));
  assert.ok(ordinals.take('e', 1, 2, 2));
  assert.ok(ordinals.take('e', 1, 3, 2));
  ordinals.giveBack('e', 77, 1); // never seen: nothing to give back
  assert.ok(!ordinals.take('e', 77, 2, 1));
});

test('sessions of one number on two edges are two', () => {
  const ordinals = new SessionOrdinals(8);
  assert.ok(ordinals.take('e', 1, 1, 1));
  assert.ok(!ordinals.take('f', 1, 2, 1));
  assert.ok(ordinals.take('e', 1, 2, 1));
});

test('when too many are known, the session longest untouched is forgotten, not a busy one', () => {
  const ordinals = new SessionOrdinals(3);
  for (const session of [1, 2, 3]) assert.ok(ordinals.take('e', session, 1, 1));
  assert.ok(ordinals.take('e', 1, 2, 1)); // session 2 is now the longest untouched
  assert.ok(ordinals.take('e', 4, 1, 1));
  assert.ok(ordinals.take('e', 1, 3, 1), 'the busy session is known still');
  assert.ok(ordinals.take('e', 3, 2, 1));
  assert.ok(!ordinals.take('e', 2, 2, 1), 'the one forgotten starts at its base again');
  assert.ok(ordinals.take('e', 2, 2, 2));
});

test('the bound holds over edges, and forgetting an edge’s last session loses no new one', () => {
  const ordinals = new SessionOrdinals(2);
  assert.ok(ordinals.take('e', 1, 1, 1));
  assert.ok(ordinals.take('f', 1, 1, 1));
  for (let session = 2; session < 50; session++) {
    assert.ok(ordinals.take('e', session, 1, 1));
    assert.ok(ordinals.take('e', session, 2, 1), `session ${session} is known once it was taken`);
  }
  assert.equal(ordinals.size, 2);
});
