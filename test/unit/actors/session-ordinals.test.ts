import assert from 'node:assert/strict';
import test from 'node:test';
import { SessionOrdinals } from '../../../actors/session-ordinals.ts';

test('S4.4: a known session’s sends are taken in sequence alone', () => {
  const ordinals = new SessionOrdinals(8);
  assert.equal(ordinals.take('e', 1, 1, 1), 'next');
  assert.equal(ordinals.take('e', 1, 2, 1), 'next');
  assert.equal(ordinals.take('e', 1, 4, 1), 'early', 'a jump');
  assert.equal(ordinals.take('e', 1, 2, 1), 'past', 'a step back');
  assert.equal(ordinals.take('e', 1, 3, 1), 'next', 'what was not taken changed nothing');
});

test('of a session that is not known only the lowest unanswered send is taken', () => {
  const ordinals = new SessionOrdinals(8);
  assert.equal(ordinals.take('e', 1, 7, 5), 'early');
  assert.equal(ordinals.take('e', 1, 6, 5), 'early');
  assert.equal(ordinals.take('e', 1, 5, 5), 'next');
  assert.equal(ordinals.take('e', 1, 6, 5), 'next');
});

test('the lowest unanswered send is taken whatever was expected: nothing before it can come any more', () => {
  const ordinals = new SessionOrdinals(8);
  assert.equal(ordinals.take('e', 1, 1, 1), 'next');
  assert.equal(ordinals.take('e', 1, 9, 9), 'next');
  assert.equal(ordinals.take('e', 1, 10, 9), 'next');
});

test('S4.5: sends given back are expected again, from the first of them on', () => {
  const ordinals = new SessionOrdinals(8);
  for (const ordinal of [1, 2, 3]) assert.equal(ordinals.take('e', 1, ordinal, 1), 'next');
  for (const ordinal of [2, 3]) ordinals.giveBack('e', 1, ordinal);
  assert.equal(ordinals.take('e', 1, 4, 2), 'early', 'nothing overtakes what was refused');
  assert.equal(ordinals.take('e', 1, 3, 2), 'early');
  assert.equal(ordinals.take('e', 1, 2, 2), 'next');
  assert.equal(ordinals.take('e', 1, 3, 2), 'next');
  ordinals.giveBack('e', 77, 1); // never seen: nothing to give back
  assert.equal(ordinals.take('e', 77, 2, 1), 'early');
});

test('sessions of one number on two edges are two', () => {
  const ordinals = new SessionOrdinals(8);
  assert.equal(ordinals.take('e', 1, 1, 1), 'next');
  assert.equal(ordinals.take('f', 1, 2, 1), 'early');
  assert.equal(ordinals.take('e', 1, 2, 1), 'next');
});

test('when too many are known, the session longest untouched is forgotten, not a busy one', () => {
  const ordinals = new SessionOrdinals(3);
  for (const session of [1, 2, 3]) assert.equal(ordinals.take('e', session, 1, 1), 'next');
  assert.equal(ordinals.take('e', 1, 2, 1), 'next'); // session 2 is now the longest untouched
  assert.equal(ordinals.take('e', 4, 1, 1), 'next');
  assert.equal(ordinals.take('e', 1, 3, 1), 'next', 'the busy session is known still');
  assert.equal(ordinals.take('e', 3, 2, 1), 'next');
  assert.equal(ordinals.take('e', 2, 2, 1), 'early', 'the one forgotten starts at its base again');
  assert.equal(ordinals.take('e', 2, 2, 2), 'next');
});

test('the bound holds over edges, and forgetting an edge’s last session loses no new one', () => {
  const ordinals = new SessionOrdinals(2);
  assert.equal(ordinals.take('e', 1, 1, 1), 'next');
  assert.equal(ordinals.take('f', 1, 1, 1), 'next');
  for (let session = 2; session < 50; session++) {
    assert.equal(ordinals.take('e', session, 1, 1), 'next');
    assert.equal(ordinals.take('e', session, 2, 1), 'next', `session ${session} is known once it was taken`);
  }
  assert.equal(ordinals.size, 2);
});

test('what was decided is never taken again, by its base neither', () => {
  const ordinals = new SessionOrdinals(8);
  for (const ordinal of [1, 2, 3]) assert.equal(ordinals.take('e', 1, ordinal, 1), 'next');
  for (const ordinal of [1, 2, 3]) assert.equal(ordinals.take('e', 1, ordinal, ordinal), 'past');
  assert.equal(ordinals.take('e', 1, 9, 9), 'next');
  assert.equal(ordinals.take('e', 1, 5, 5), 'past', 'all below a base was answered');
  ordinals.giveBack('e', 1, 9);
  assert.equal(ordinals.take('e', 1, 9, 1), 'next');
});

test('a refusal for good is unheard until the session’s base is above it', () => {
  const ordinals = new SessionOrdinals(8);
  assert.ok(!ordinals.isRefusalUnheard('e', 1, 1));
  for (const ordinal of [1, 2]) {
    assert.equal(ordinals.take('e', 1, ordinal, 1), 'next');
    ordinals.refused('e', 1, ordinal);
  }
  assert.ok(ordinals.isRefusalUnheard('e', 1, 1));
  assert.ok(ordinals.isRefusalUnheard('e', 1, 2));
  assert.ok(!ordinals.isRefusalUnheard('e', 1, 3));
  assert.ok(!ordinals.isRefusalUnheard('e', 2, 1), 'another session’s');
  assert.equal(ordinals.take('e', 1, 3, 1), 'next', 'it stands in the way of what is new alone');
});
