/** The smallest searches of `npm run model`: the runner tells what holds from what does not. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { RUNS, type Run } from '../model/runs.ts';
import { search, TOOLS } from '../model/spin.ts';
import { lacking } from '../services/lacking.ts';

const skip = lacking(...TOOLS);

function mutant(name: string): Run {
  const run = RUNS.find((each) => each.name === name);
  assert.ok(run !== undefined);
  return run;
}

test('model: the ownership protocol keeps its promises over two claims and releases', { skip }, async () => {
  const run: Run = { name: 'small', what: '', defines: ['FENCES=3'], mutant: false, large: false };
  const { broken, exhaustive, states } = await search(run, () => undefined);
  assert.equal(broken, undefined);
  assert.ok(exhaustive);
  assert.ok(states > 100_000, `${states} states are too few`);
});

for (const name of ['no-barrier', 'release-in-flight']) {
  test(`model: the mutant ${name} is refuted, and the trail told`, { skip }, async () => {
    const { broken } = await search(mutant(name), () => undefined);
    assert.ok(broken !== undefined);
    assert.match(broken.trail.join('\n'), /^node 0: sends seq 1 at fence 1$/m);
  });
}
