import assert from 'node:assert/strict';
import test from 'node:test';
import { cpus } from 'node:os';
import type { CpuUse, Latency } from '../../../bench/plan.ts';
import { asJson, asTable } from '../../../bench/report.ts';
import { isSettled } from '../../../bench/ring.ts';
import { scaleFigures, scaleTable } from '../../../bench/scale-report.ts';
import type { Measured, ScaleReport, ScaleRound, Sequencers } from '../../../bench/scenarios/scale.ts';
import type { RingNode } from '../../../src/core/ring-control.ts';

const CORES = 4;
const RATE = 200;

/** Cores in use, by process. */
type Use = Readonly<Record<string, number>>;

const ONE: Use = {
  'edge 1': 0.05,
  'edge 2': 0.05,
  'sequencer 1': 0.1,
  'drained sequencer 2': 0.01,
  'drained sequencer 3': 0.02,
  Cassandra: 0.2,
  NATS: 0.02,
};
const THREE: Use = {
  'edge 1': 0.15,
  'edge 2': 0.15,
  'sequencer 1': 0.12,
  'sequencer 2': 0.11,
  'sequencer 3': 0.1,
  Cassandra: 0.6,
  NATS: 0.03,
};

function measured(ackedPerSecond: number, cpu: CpuUse | undefined, p50Us = 4_000): Measured {
  const latency: Latency = { count: 1, meanUs: p50Us, p50Us, p99Us: 3 * p50Us, p999Us: 0, maxUs: 0 };
  return {
    job: 'direct',
    seconds: 1,
    acked: ackedPerSecond,
    ackedPerSecond,
    deliveries: ackedPerSecond,
    deliveriesPerSecond: ackedPerSecond,
    ackLatency: latency,
    receiveLatency: latency,
    framesPerRead: 1,
    messagesPerRead: 1,
    refused: {},
    ...(cpu !== undefined && { cpu }),
    checked: { conversations: 1, acked: ackedPerSecond, delivered: ackedPerSecond },
    problemCount: 0,
    problems: [],
  };
}

function cpuOf(use: Use, others = 0.1): CpuUse {
  const processes = Object.entries(use).map(([name, cores]) => ({ name, cores, mainCores: cores }));
  const server = processes.reduce((sum, { cores }) => sum + cores, 0);
  return { server, serverMain: server, processes, generator: 0.1, others };
}

function round(sequencers: Sequencers, changes: Partial<ScaleRound> = {}): ScaleRound {
  const ratePerSecond = RATE * sequencers;
  const result = measured(ratePerSecond, cpuOf(sequencers === 1 ? ONE : THREE));
  return { round: 1, sequencers, ratePerSecond, result, ...changes };
}

function report(rounds: readonly ScaleRound[], changes: Partial<ScaleReport> = {}): ScaleReport {
  return {
    scenario: 'scale',
    ratePerSequencer: RATE,
    window: 1,
    edges: 2,
    storeNodes: 1,
    rounds,
    closed: [
      { sequencers: 1, result: measured(1_000, cpuOf(ONE)) },
      { sequencers: 3, result: measured(900, cpuOf(THREE)) },
    ],
    checked: { acked: 2_700, delivered: 2_701 },
    problemCount: 0,
    problems: [],
    ...changes,
  };
}

function near(actual: number | undefined, expected: number): void {
  assert.ok(Math.abs((actual ?? Number.NaN) - expected) < 1e-6 * expected, `${actual}, not ${expected}`);
}

test('a message costs what sequencers and edges took for it; drained sequencers and services stand beside', () => {
  const { rounds, one, three, ratio, ratioMax, closedRatio } = scaleFigures(
    report([round(3), round(1)]),
    CORES,
  );
  near(one?.costs.sequencers, 500);
  near(one?.costs.edges, 500);
  near(one?.costs.carillon, 1_000);
  near(one?.costs.cassandra, 1_000);
  near(one?.costs.nats, 100);
  assert.equal(one?.costs.redis, undefined);
  near(three?.costs.sequencers, 550);
  near(three?.costs.carillon, 1_050);
  near(ratio, 1.05);
  assert.deepEqual([ratioMax, closedRatio], [1.15, 0.9]);
  near(rounds[1]?.drainedCores, 0.03);
  assert.equal(rounds[0]?.drainedCores, 0);
  near(one?.busy, (0.45 + 0.2) / CORES);
  assert.deepEqual([three?.ackedPerSecond, three?.p50Us, three?.p99Us], [600, 4_000, 12_000]);
});

test('the ratio is of medians over the rounds that count', () => {
  const costly = measured(RATE, cpuOf({ ...ONE, 'sequencer 1': 0.3 }));
  const rounds = [
    round(1),
    round(1, { round: 2, result: costly }),
    round(1, { round: 3 }),
    round(3),
    // Two thirds of the machine: it would have been the cheapest by far.
    round(3, { round: 2, result: measured(3 * RATE, cpuOf({ 'sequencer 1': 0.1 }, 2.5)) }),
    // Half of what was asked for.
    round(3, { round: 3, result: measured(1.5 * RATE, cpuOf(THREE)) }),
  ];
  const figures = scaleFigures(report(rounds), CORES);
  assert.deepEqual([figures.one?.rounds, figures.three?.rounds], [3, 1]);
  near(figures.ratio, 1.05);
  assert.deepEqual(
    figures.rounds.map(({ leftOut }) => leftOut !== undefined),
    [false, false, false, false, true, true],
  );
  const text = scaleTable(report(rounds), CORES);
  assert.match(
    text,
    /round 2, 3 sequencers does not count: 68 % of the machine was busy \(2\.50 cores with none of the bench's\), 60 % is the most; .*lower --rate/,
  );
  assert.match(
    text,
    /round 3, 3 sequencers does not count: 300 of 600 messages\/s were acked; .*lower --rate/,
  );
});

test('the table has the ratio beside its bar, and what closed loops brought', () => {
  const text = scaleTable(report([round(3), round(1)]), CORES);
  assert.match(text, /^2 edge\(s\), 1 store node\(s\), 200 messages\/s per sequencer/);
  assert.match(
    text,
    /median of 1, 1 sequencer +200 +4\.00 ms \/ 12\.0 ms +16 % +500 +500 +1,000 +1,000 +100\n/,
  );
  assert.match(text, /3 ÷ 1 +3\.000 +1\.100 +1\.000 +1\.050 +1\.000 +0\.500\n/);
  assert.match(text, /3 sequencers ÷ 1: 1\.050 \(bar: at most 1\.15, met\)/);
  assert.match(text, /drained, as warm as before; what they take, 0\.030 cores/);
  assert.match(text, /acked\/s +1,000 +900\n/);
  assert.match(text, /acked\/s, 3 sequencers ÷ 1: 0\.900\. All of it shares the same 4 cores/);
  const costlier = round(3, { result: measured(600, cpuOf({ ...THREE, 'sequencer 1': 0.3 })) });
  assert.match(scaleTable(report([costlier, round(1)]), CORES), /1: 1\.350 \(bar: at most 1\.15, MISSED\)/);
});

test('without a round that counts there is no ratio', () => {
  const unknown = round(3, { result: measured(600, undefined) });
  const figures = scaleFigures(report([unknown, round(1)]), CORES);
  assert.deepEqual([figures.three, figures.ratio], [undefined, undefined]);
  const text = scaleTable(report([unknown, round(1)]), CORES);
  assert.match(text, /does not count: this system does not tell/);
  assert.match(text, /not known \(bar: at most 1\.15\); no round with 3 counts/);
  assert.match(scaleTable(report([], { closed: [] }), CORES), /no round with 1 or 3 counts$/);
});

test('the report says what was checked, or what failed, and is JSON with the figures', () => {
  const whole = report([round(3), round(1)]);
  assert.match(asTable(whole), /checked: 2,700 acks and 2,701 deliveries: seqs dense/);
  const failed = report([], { closed: [], problemCount: 3, problems: ['one was lost'] });
  assert.match(asTable(failed), /FAILED: 3 fault\(s\)\n {2}one was lost$/);
  const { ok, figures } = asJson(whole) as { ok: boolean; figures: unknown };
  assert.deepEqual([ok, figures], [true, scaleFigures(whole, cpus().length)]);
  assert.equal((asJson(failed) as { ok: boolean }).ok, false);
});

test('the ring has settled when those that work are live, the others empty, and nothing moves', () => {
  const node = (id: string, state: RingNode['state'], owned: number, moving = 0): RingNode => ({
    node: id,
    state,
    beatAgeMs: 100,
    addr: '',
    partitions: 1,
    owned,
    moving,
    lag: 0,
    walked: false,
  });
  const settled = [node('a', 'live', 9), node('b', 'draining', 0)];
  assert.ok(isSettled(settled, ['a'], ['b']));
  assert.ok(isSettled([node('a', 'live', 0), node('b', 'live', 0)], ['a', 'b'], []));
  assert.ok(!isSettled(settled, ['a', 'b'], []), 'one that is to work is drained');
  assert.ok(!isSettled([node('a', 'live', 9), node('b', 'live', 0)], ['a'], ['b']), 'not drained yet');
  assert.ok(!isSettled([node('a', 'live', 9), node('b', 'draining', 1)], ['a'], ['b']), 'not empty yet');
  assert.ok(!isSettled([node('a', 'live', 9, 1), node('b', 'draining', 0)], ['a'], ['b']), 'one moves');
  assert.ok(!isSettled([node('a', 'silent', 9), node('b', 'draining', 0)], ['a'], ['b']), 'a is silent');
  assert.ok(!isSettled([...settled, node('c', 'dead', 0)], ['a'], ['b']), 'a former term is not told of');
  assert.ok(!isSettled([node('a', 'live', 9)], ['a'], ['b']), 'b is not seen yet');
});
