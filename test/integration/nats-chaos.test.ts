import assert from 'node:assert/strict';
import test from 'node:test';
import { ClusterFindings } from '../../src/adapters/scylla/check.ts';
import { LogCheck } from '../../src/adapters/scylla/check-log.ts';
import type { StoredRow } from '../../src/core/rows.ts';
import { encodeMessage } from '../../src/protocol/message-frame.ts';
import { cassandraMissing } from '../support/scylla.ts';
import { sizeOf } from '../chaos/cluster/main.ts';
import { CLUSTER_FAULTS } from '../chaos/cluster/faults.ts';
import { foreseen, plan } from '../chaos/cluster/plan.ts';
import { total } from '../chaos/cluster/report.ts';
import { runChaos } from '../chaos/cluster/run.ts';
import { Site } from '../chaos/cluster/site.ts';
import { lacking } from '../services/lacking.ts';

const skip = lacking('go', 'redis-server') || cassandraMissing() || false;
/** What a small machine bears beside all the processes. */
const RATE = 100;
const MINUTES = 2;

test('a plan of faults is the same for the same seed, and each fault comes before any comes again', () => {
  const size = sizeOf(false);
  const names = (seed: number): string[] => foreseen(plan(seed, size), 3_600);
  assert.deepEqual(names(7), names(7));
  assert.notDeepEqual(names(7), names(8));
  const firsts = names(7)
    .slice(0, CLUSTER_FAULTS.length)
    .map((name) => name.split(' + ')[0]);
  assert.equal(new Set(firsts).size, CLUSTER_FAULTS.length);
});

test('two minutes of faults in any order: no acked message is lost, doubled, reordered or missing', {
  skip,
}, async (t) => {
  const seed = Math.floor(Math.random() * 2 ** 32);
  t.diagnostic(`seed ${seed}: npm run chaos -- --minutes ${MINUTES} --seed ${seed} --small --rate ${RATE}`);
  const progress = (line: string): void => t.diagnostic(line);
  const site = await Site.start({ ...sizeOf(true), program: 'sources', progress });
  try {
    const report = await runChaos(site, {
      minutes: MINUTES,
      seed,
      only: [],
      rate: RATE,
      program: 'sources',
      progress,
    });
    t.diagnostic(total(report));
    assert.deepEqual(report.findings, []);
    assert.ok(report.verdict.acked > 1_000, `only ${report.verdict.acked} messages were acked`);
    assert.ok(report.store.rows >= report.verdict.acked);
    assert.ok(report.removals > 0);
  } finally {
    await site.stop();
  }
});

const CONV = '11111111-1111-4111-8111-111111111111';

/** A message as it should be in the log, save what a case spoils. */
function row(
  seq: number,
  spoilt: { fence?: number; c?: number; x?: number; cmid?: number; ts?: number; n?: number } = {},
): StoredRow {
  const { fence = 1, c = seq - 1, x = 0, cmid = seq, ts = seq, n = seq } = spoilt;
  const env = encodeMessage({
    ...{ conv: CONV, seq, n, ts, from: 'ann', device: 'd', kind: 'text', text: true },
    cmid: `00000000-0000-4000-8000-${String(cmid).padStart(12, '0')}`,
    body: new Uint8Array(1),
  });
  return { seq, fence, c, m: 0, x, env };
}

test('the walk over a store finds each kind of damage in a log, and none in a sound one', () => {
  const look = (rows: readonly StoredRow[], head = 0): string[] => {
    const findings = new ClusterFindings();
    const check = new LogCheck(CONV, { owner: CONV, fence: 2, head }, { head, n: head, ts: head }, findings);
    rows.forEach((each) => check.row(each));
    check.finish();
    return findings.damages.map(({ what }) => what);
  };
  assert.deepEqual(look([row(1), row(2), row(3, { fence: 2 })], 3), []);
  const spoilt: readonly (readonly [RegExp, readonly StoredRow[], number?])[] = [
    [/^missing: the log goes on at 3/, [row(1), row(3)]],
    [/^missing: its owner row says head 3/, [row(1), row(2)], 3],
    [/^missing: conv_head says head 3/, [row(1), row(2)], 3],
    [/has seq 1 too$/, [row(1), row(2, { cmid: 1 })]],
    [/^its fence is 3/, [row(1, { fence: 3 })]],
    [/^it was written when 2 was committed/, [row(1), row(2, { c: 2 })]],
    [/^it was written when 2 was indexed/, [row(1), row(2, { x: 2 })]],
    [/^its time 1 is before 5/, [row(1, { ts: 5 }), row(2, { ts: 1 })]],
    [/^n is 3, not 2/, [row(1), row(2, { n: 3 })]],
    [/^its frame says seq 2/, [{ ...row(2), seq: 1, c: 0 }]],
  ];
  for (const [what, rows, head] of spoilt) {
    const found = look(rows, head);
    assert.ok(
      found.some((each) => what.test(each)),
      `${what}: ${found.join('; ')}`,
    );
  }
});
