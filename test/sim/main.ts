/**
 * The deterministic simulation: `npm run sim -- --seeds 1000`, `--seed N` for one with its trace, `--mutants` to see that
 * the checkers catch what they should.
 */
import { availableParallelism } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { runMutants } from './mutants/run.ts';
import { Report } from './report.ts';
import { runSeed } from './run.ts';
import { runSeeds } from './runner.ts';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '../..');
const PROGRESS_MS = 10_000;
const HELP = `npm run sim -- [options]
  --seeds N      run N seeds (default 100)
  --from N       from this one on (default 1)
  --jobs N       over so many processes (default: one per core)
  --profile NAME all of them of this kind
  --json         the outcome as JSON
  --seed N       run one, and print its trace
  --mutants      break the protocol in ways that the checkers must catch
  --only NAME    of the mutants, this one`;

const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '100' },
    from: { type: 'string', default: '1' },
    jobs: { type: 'string', default: String(availableParallelism()) },
    profile: { type: 'string' },
    json: { type: 'boolean', default: false },
    seed: { type: 'string' },
    mutants: { type: 'boolean', default: false },
    only: { type: 'string' },
    help: { type: 'boolean', default: false },
  },
});

process.exitCode = (await main()) ? 0 : 1;

async function main(): Promise<boolean> {
  if (values.help) {
    console.log(HELP);
    return true;
  }
  if (values.mutants) return runMutants(ROOT, values.only, integer('jobs'));
  if (values.seed !== undefined) return replay(integer('seed'));
  return runMany();
}

async function replay(seed: number): Promise<boolean> {
  const { trace = [], findings, profile } = await runSeed(seed, true, values.profile);
  console.log(`seed ${seed}, profile ${profile}`);
  for (const line of trace) console.log(line);
  for (const { checker, words } of findings) console.log(`FAILED ${checker}: ${words}`);
  return findings.length === 0;
}

async function runMany(): Promise<boolean> {
  const report = new Report();
  const count = integer('seeds');
  let shownAt = performance.now();
  const range = { from: integer('from'), count, jobs: integer('jobs'), profile: values.profile, root: ROOT };
  await runSeeds(range, (outcome) => {
    report.add(outcome);
    if (!values.json && performance.now() - shownAt > PROGRESS_MS) {
      shownAt = performance.now();
      console.error(`${report.seeds} of ${count} seeds, ${report.failed.length} failed`);
    }
    return true;
  });
  console.log(values.json ? JSON.stringify(report.json(), undefined, 2) : report.text());
  return report.failed.length === 0;
}

function integer(name: 'seeds' | 'from' | 'jobs' | 'seed'): number {
  const number = Number(values[name]);
  if (Number.isSafeInteger(number) && number >= 0) return number;
  console.error(`--${name}: ${values[name]} should be an integer from 0`);
  process.exit(2);
}
