import assert from 'node:assert/strict';
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { Report } from './sim/report.ts';
import { runSeeds } from './sim/runner.ts';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');
const SEEDS = 500;

test(`${SEEDS} simulated clusters under faults lose, double and reorder nothing`, async () => {
  const report = new Report();
  const range = { from: 1, count: SEEDS, jobs: availableParallelism(), root: ROOT };
  await runSeeds(range, (outcome) => {
    report.add(outcome);
    return true;
  });
  assert.equal(report.seeds, SEEDS);
  assert.ok(
    report.acked > SEEDS * 20 && report.takeovers > SEEDS && report.crashes > SEEDS / 4,
    report.text(),
  );
  assert.equal(report.failed.length, 0, report.text());
});
