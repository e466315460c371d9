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

test('a cluster has two edges and one of all else; appending is the same in any mode', () => {
  const direct = parseOptions(['direct', '--mode', 'cluster', '--compare']);
  assert.deepEqual(
    [direct.mode, direct.edges, direct.nodes, direct.storeNodes, direct.heat, direct.rounds],
    ['cluster', 2, 1, 1, 60, 3],
  );
  const other = ['--edges', '1', '--nodes', '2', '--store-nodes', '3', '--heat', '0'];
  const group = parseOptions(['group', '--mode', 'cluster', ...other]);
  assert.deepEqual([group.edges, group.nodes, group.storeNodes, group.heat], [1, 2, 3, 0]);
  const append = parseOptions(['append', '--store-nodes', '3']);
  assert.deepEqual(
    [append.mode, append.rows, append.conversations, append.warmup, append.storeNodes],
    ['cluster', 64, 32, 4, 3],
  );
  assert.equal(parseOptions(['direct']).mode, 'embedded');
  assert.equal(parseOptions(['results']).cluster, 'auto');
});

test('scale has three sequencers, and a rate of its own with one send unanswered in its closed loops', () => {
  const scale = parseOptions(['scale']);
  assert.deepEqual(
    [scale.mode, scale.nodes, scale.edges, scale.storeNodes, scale.rate, scale.window],
    ['cluster', 3, 2, 1, 250, 1],
  );
  assert.deepEqual([scale.rounds, scale.seconds, scale.warmup, scale.heat], [3, 10, 4, 60]);
  const other = parseOptions(['scale', '--rate', '90', '--window', '2', '--rounds', '1', '--heat', '0']);
  assert.deepEqual([other.rate, other.window, other.rounds, other.heat], [90, 2, 1, 0]);
});

test('presence and sync have sizes and rates of their own', () => {
  const presence = parseOptions(['presence']);
  assert.deepEqual(
    [presence.users, presence.rate, presence.visits, presence.seconds],
    [200_000, 10_000, 300, 10],
  );
  const sync = parseOptions(['sync']);
  assert.deepEqual([sync.conversations, sync.unread, sync.rounds, sync.body], [2_000, 300, 5, 140]);
  assert.equal(parseOptions(['sync', '--conversations', '100000']).conversations, 100_000);
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
  [['echo', '--compare'], /--compare has no meaning for echo; it is for direct, group, append/],
  [['direct', '--mode', 'clustered'], /--mode: embedded or cluster, not "clustered"/],
  [['echo', '--mode', 'cluster'], /--mode has no meaning for echo/],
  [['append', '--mode', 'cluster'], /--mode has no meaning for append/],
  [['direct', '--edges', '1'], /--edges is for --mode cluster, and this is --mode embedded/],
  [['direct', '--mode', 'cluster', '--edges', '0'], /--edges: an integer from 1 to 8, not "0"/],
  [['direct', '--mode', 'cluster', '--store-nodes', '2'], /--store-nodes: 1 or 3, not "2"/],
  [
    ['group', '--mode', 'cluster', '--dir', '/tmp'],
    /--dir is for --mode embedded, and this is --mode cluster/,
  ],
  [
    ['direct', '--mode', 'cluster', '--connections', '4', '--conversations', '5'],
    /--conversations: 4 connections make up to 4 pairs whose two sides are on different edges, not 5/,
  ],
  [['append', '--connections', '4'], /--connections has no meaning for append/],
  [['scale', '--connections', '5'], /--connections: an even number/],
  [['scale', '--nodes', '5'], /--nodes has no meaning for scale/],
  [['scale', '--rate', '0'], /--rate: a number from 1 to 10000000, not "0"/],
  [['append', '--rows', '257'], /--rows: an integer from 1 to 256/],
  [['append', '--rows', '250'], /--rows: up to 223 rows with --body 140/],
  [['append', '--profile', '/no/such/folder'], /--profile: there is no folder/],
  [['results', '--cluster', 'maybe'], /--cluster: auto or yes or no, not "maybe"/],
  [['direct', '--body', '20000'], /--body: an integer from 8 to 16384/],
  [['direct', '--compare-with', '/no/such/folder'], /--compare-with: there is no file .*main\.js/],
  [['echo', '--compare-with', '/'], /--compare-with has no meaning for echo; it is for direct, group/],
  [['sync', '--unread', '-1'], /--unread/],
  [['presence', '--users', '10'], /--users: an integer from 100 to 5000000/],
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
