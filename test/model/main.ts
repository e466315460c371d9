/** `npm run model`: searches all behaviours of the ownership protocol's model, and has its mutants refuted. */
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { hasTool } from '../services/service-process.ts';
import { RUNS, type Run } from './runs.ts';
import { type Searched, search, TOOLS } from './spin.ts';

/** Each takes up to 1 GB in the sizes of every day. */
const SEARCHES_AT_ONCE = 2;

const USAGE = `npm run model [-- options]: the model of the ownership protocol, searched by spin

  --large       larger sizes too; they take many minutes and several GB
  --only NAME   one of: ${RUNS.map(({ name }) => name).join(', ')}
  --trail       how a promise was broken, step by step
  --json        the results for scripts
  --help

Exits with 1 if the protocol breaks a promise, a search was not exhaustive, or a mutant is not refuted.`;

interface Result extends Searched {
  readonly run: Run;
  readonly good: boolean;
}

function parse(): { runs: readonly Run[]; trail: boolean; json: boolean } | string {
  const flag = { type: 'boolean', default: false } as const;
  const { values } = parseArgs({
    options: { large: flag, only: { type: 'string' }, trail: flag, json: flag, help: flag },
  });
  const { only, large, trail, json } = values;
  if (values.help) return USAGE;
  const runs = RUNS.filter((run) => (only === undefined ? large || !run.large : run.name === only));
  if (runs.length === 0) throw new Error(`--only: there is no ${only}`);
  return { runs, trail, json };
}

/** In the order of `runs`, whichever ends first; a large one by itself. */
async function searchAll(runs: readonly Run[]): Promise<Result[]> {
  const results: Result[] = [];
  const waiting = [...runs.entries()];
  async function work(): Promise<void> {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const [index, run] = next;
      const at = `${index + 1}/${runs.length} ${run.name}`;
      const searched = await search(run, (states) => progress(`${at}: ${asCount(states)} states`));
      const good = run.mutant ? searched.broken !== undefined : searched.exhaustive;
      const result = { ...searched, run, good };
      results[index] = result;
      progress(`${at}: ${verdict(result)} (${searched.seconds.toFixed(1)} s)`);
    }
  }
  const workers = runs.some(({ large }) => large) ? 1 : Math.min(SEARCHES_AT_ONCE, availableParallelism());
  await Promise.all(Array.from({ length: workers }, work));
  return results;
}

function progress(line: string): void {
  process.stderr.write(`${line}\n`);
}

function verdict({ run, good, broken, exhaustive }: Result): string {
  if (run.mutant && broken !== undefined)
    return `refuted at depth ${broken.depth}, ${broken.trail.length} steps`;
  if (run.mutant) return exhaustive ? 'NOT REFUTED' : 'NOT REFUTED, and not exhaustive';
  if (broken !== undefined) return `BROKEN: ${broken.assertion}`;
  return good ? 'holds' : 'NOT EXHAUSTIVE';
}

function asCount(n: number): string {
  return Math.round(n).toLocaleString('en-US');
}

function asTable(results: readonly Result[]): string {
  const rows = results.map((result) => [
    result.run.name,
    asCount(result.states),
    result.seconds.toFixed(1),
    asCount(result.memoryMb),
    verdict(result),
    result.run.what,
  ]);
  const lines = [['name', 'states', 'seconds', 'MB', 'result', 'what'], ...rows];
  const widths = lines.reduce<number[]>(
    (max, line) => line.map((cell, i) => Math.max(cell.length, max[i] ?? 0)),
    [],
  );
  const pad = (cell: string, i: number): string =>
    i >= 1 && i <= 3 ? cell.padStart(widths[i] ?? 0) : cell.padEnd(widths[i] ?? 0);
  return lines.map((line) => line.map(pad).join('  ').trimEnd()).join('\n');
}

function asJson(results: readonly Result[]): string {
  return JSON.stringify(
    results.map(({ run: { name, what, mutant }, ...result }) => ({ name, what, mutant, ...result })),
    null,
    2,
  );
}

async function main(): Promise<number> {
  const options = parse();
  if (typeof options === 'string') {
    console.log(options);
    return 0;
  }
  const missing = TOOLS.filter((tool) => !hasTool(tool));
  if (missing.length > 0) {
    console.error(`model: ${missing.join(' and ')} missing: apt-get install spin gcc`);
    return 1;
  }
  const results = await searchAll(options.runs);
  console.log(options.json ? asJson(results) : asTable(results));
  if (options.trail && !options.json) {
    for (const { run, broken } of results) {
      if (broken !== undefined)
        console.log(
          ['', `${run.name}: ${run.what}`, ...broken.trail, `broken: ${broken.assertion}`].join('\n'),
        );
    }
  }
  return results.every(({ good }) => good) ? 0 : 1;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(`model: ${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
  process.exitCode = 2;
}
