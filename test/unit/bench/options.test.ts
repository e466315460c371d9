import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import test from 'node:test';
import { parseOptions, UsageError } from '../../../bench/options.ts';
import { median, slope } from '../../../bench/statistics.ts';

test('defaults follow the scenario', () => {
  const direct = parseOptions(['direct']);
  assert.deepEqual(
    [direct.connections, direct.conversations, direct.window, direct.rounds],
    [256, 128, 1, 1],
  );
  assert.equal(parseOptions(['direct', '--compare']).rounds, 3);
  assert.equal(parseOptions(['direct', '--rate', '5000']).window, 64);
  const idle = parseOptions(['idle', '--connections', '400']);
  assert.equal((2 * idle.conversations) / idle.connections, 20);
});

const wrong: [string[], RegExp][] = [
  [[], /name a scenario/],
  [['dirct'], /unknown scenario "dirct"; there are direct, group/],
  [['direct', 'group'], /one scenario at a time/],
  [['direct', '--speed', '3'], /'--speed'/],
  [['direct', '--seconds', 'long'], /--seconds: a number from 0.5 to 3600, not "long"/],
  [['direct', '--seconds='], /--seconds: a number/],
  [['direct', '--window', '1.5'], /--window: an integer from 1 to 1024, not "1.5"/],
  [['direct', '--connections', '3'], /--connections: an even number/],
  [
    ['direct', '--connections', '4', '--conversations', '7'],
    /--conversations: 4 connections make up to 6 pairs/,
  ],
  [['group', '--connections', '257'], /--connections: a group has up to 256 members/],
  [['group', '--connections', '4', '--senders', '5'], /--senders: up to the 4 connections/],
  [['echo', '--compare'], /--compare has no meaning for echo; it is for direct, group/],
  [['direct', '--body', '20000'], /--body: an integer from 8 to 16384/],
  [['direct', '--dir', '/no/such/folder'], /--dir: there is no folder/],
];
for (const [args, expected] of wrong) {
  test(`refused: bench ${args.join(' ')}`, () => {
    assert.throws(
      () => parseOptions(args),
      (error) => error instanceof UsageError && expected.test(error.message),
    );
  });
}

test('the program exits with 2 and says what was wrong', () => {
  const main = fileURLToPath(new URL('../../../bench/main.ts', import.meta.url));
  const run = spawnSync(process.execPath, ['--import', 'tsx', main, 'direct', '--windw', '4'], {
    encoding: 'utf8',
  });
  assert.equal(run.status, 2);
  assert.match(run.stderr, /Unknown option '--windw'/);
});

test('median and slope', () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 2, 3]), 2.5);
  assert.ok(Number.isNaN(median([])));
  assert.equal(
    slope([
      [1, 10],
      [2, 13],
      [3, 16],
    ]),
    3,
  );
});
