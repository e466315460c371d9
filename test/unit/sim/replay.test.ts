import assert from 'node:assert/strict';
import test from 'node:test';
import { runSeed } from '../../sim/run.ts';
import { PROFILES } from '../../sim/world/profile-list.ts';

test('a seed runs the same way twice, byte for byte, whatever ran before', async () => {
  const owners = PROFILES.filter(({ owners: isOwners }) => isOwners === true);
  for (const { name } of [...PROFILES.slice(0, 3), ...owners]) {
    const first = await runSeed(7, true, name);
    await runSeed(8, false, name);
    const second = await runSeed(7, true, name);
    assert.ok((first.trace?.length ?? 0) > 100, 'there is something to compare');
    assert.deepEqual(second.trace, first.trace);
    assert.deepEqual(second.tally, first.tally);
  }
});

test('seeds differ', async () => {
  const [one, other] = [await runSeed(1, true, 'anything'), await runSeed(2, true, 'anything')];
  assert.notDeepEqual(one.trace, other.trace);
});
