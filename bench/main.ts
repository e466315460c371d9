/** `npm run bench -- SCENARIO`: measures, checks while it measures, and exits with 1 if a promise was broken. */
import { type Options, parseOptions, UsageError, usage } from './options.ts';
import { placeBench } from './processes.ts';
import { asJson, asTable, problemsOf, type Report } from './report.ts';
import { writeResults } from './results.ts';
import { runAppend } from './scenarios/append.ts';
import { runClusterLoad } from './scenarios/cluster-load.ts';
import { runIdle } from './scenarios/idle.ts';
import { runLoad } from './scenarios/load.ts';
import { runPresence } from './scenarios/presence.ts';
import { runReads } from './scenarios/reads.ts';
import { runRestart } from './scenarios/restart.ts';
import { runScale } from './scenarios/scale.ts';
import { runSync } from './scenarios/sync.ts';

function progress(text: string): void {
  process.stderr.write(`${text}\n`);
}

async function run(options: Options): Promise<Report> {
  placeBench(options.mode === 'cluster' ? 'anywhere' : 'generator');
  switch (options.scenario) {
    case 'append':
      return runAppend(options, progress);
    case 'idle':
      return runIdle(options, progress);
    case 'reads':
      return runReads(options, progress);
    case 'presence':
      return runPresence(options, progress);
    case 'sync':
      return runSync(options, progress);
    case 'restart':
      return runRestart(options, progress);
    case 'scale':
      return runScale(options, progress);
    default:
      return options.mode === 'cluster' ? runClusterLoad(options, progress) : runLoad(options, progress);
  }
}

async function main(args: readonly string[]): Promise<number> {
  if (args.includes('--help')) {
    console.log(usage());
    return 0;
  }
  let options: Options;
  try {
    options = parseOptions(args);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(`bench: ${error.message}\n\n${usage()}`);
    return 2;
  }
  try {
    if (options.scenario === 'results') return await writeResults(options, run, progress);
    const report = await run(options);
    console.log(options.json ? JSON.stringify(asJson(report), undefined, 2) : asTable(report));
    return problemsOf(report).count === 0 ? 0 : 1;
  } catch (error) {
    console.error(`bench: ${error instanceof Error ? error.message : String(error)}`);
    return error instanceof UsageError ? 2 : 1;
  }
}

process.exitCode = await main(process.argv.slice(2));
