import assert from 'node:assert/strict';
import test from 'node:test';
import { add, cmid, members, prefs, remove, send } from './requests.ts';
import { inShort, Stage } from './stage.ts';

function asking(): Stage {
  const stage = Stage.group('ann', 'bob');
  stage.edgesAnswer = false;
  return stage;
}

test('S3.25: a change is done once its edge says that it waits for it, and not if it does not', () => {
  const stage = asking();
  for (const change of [members('ann', add('cat')), prefs('bob', { pin: true })]) {
    stage.settle(change);
    assert.deepEqual([stage.asked, stage.settling, stage.actor.head], [[change], [], 1]);
    stage.confirmAll(false);
    stage.settle();
    assert.equal(inShort(stage.answers.get(change)), 'unavailable');
    assert.deepEqual([stage.settling, stage.actor.head], [[], 1]);
  }
  const [again, set] = [members('ann', add('cat')), prefs('bob', { pin: true })];
  stage.settle(again, set);
  stage.confirmAll();
  stage.settle();
  assert.equal(inShort(stage.answers.get(again)), 'ok 2');
  assert.deepEqual(stage.settling, [set]);
});

test('S2.17: what a session asks behind a change waits for it, in order; other sessions go on', () => {
  const stage = asking();
  const change = members('ann', add('cat'));
  const behind = send('ann', cmid(1));
  const next = members('ann', remove('cat'));
  const other = send('bob', cmid(2));
  stage.settle(change, behind, next, other);
  assert.deepEqual(stage.asked, [change, next], 'both are asked for at once');
  assert.equal(inShort(stage.answers.get(other)), 'ack 2');
  stage.confirmAll();
  stage.settle();
  assert.deepEqual(
    [change, behind, next].map((each) => inShort(stage.answers.get(each))),
    ['ok 3', 'ack 4', 'ok 5'],
  );
});

test('S2.6: a term that ends while its edges are asked refuses the changes, once', () => {
  const stage = asking();
  const change = members('ann', add('cat'));
  stage.settle(change);
  stage.actor.seal(stage);
  assert.equal(inShort(stage.answers.get(change)), 'unavailable');
  assert.equal(stage.actor.head, 1);
});
