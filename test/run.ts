/**
 * `npm test`: lint, format and types side by side, then the tests. Arguments name the test files or folders
 * to run (`npm test -- test/unit`). The test runner's own closing lines are the last that is printed.
 */
import { spawn } from 'node:child_process';
import { join, posix } from 'node:path';
import { listFiles, ROOT } from './tidy/tree.ts';

interface Check {
  readonly name: string;
  readonly command: readonly string[];
}

/** Bins are called by their files: no shell, no npx, the same on every system. */
const CHECKS: readonly Check[] = [
  { name: 'lint', command: ['oxlint/bin/oxlint', '--type-aware', '--deny-warnings'] },
  { name: 'format', command: ['@biomejs/biome/bin/biome', 'format'] },
  { name: 'types', command: ['typescript/bin/tsc', '--noEmit'] },
];

/** The heavy tests start processes of their own, and some compare times: side by side they would disturb one another. */
const FILES_AT_ONCE = 1;
/** No test takes so long: one that does hangs. */
const TEST_TIMEOUT_MS = 240_000;

/** They start Cassandra, NATS and Redis: `npm run test:services` names them. */
const OF_SERVICES =
  /^test\/(contract|integration|unit\/services)\/.*(scylla|cassandra|nats|redis).*\.test\.ts$/;

process.exitCode = (await runChecks()) ? await runTests(selectTests(process.argv.slice(2))) : 1;

/** Prints each check's outcome and time, and what it said if it failed. */
async function runChecks(): Promise<boolean> {
  const outcomes = await Promise.all(CHECKS.map(runCheck));
  return outcomes.every(Boolean);
}

async function runCheck({ name, command: [bin, ...args] }: Check): Promise<boolean> {
  const start = performance.now();
  const { code, output } = await run([join(ROOT, 'node_modules', bin as string), ...args], 'pipe');
  const seconds = ((performance.now() - start) / 1000).toFixed(1);
  console.log(`${code === 0 ? 'ok    ' : 'FAILED'} ${name} (${seconds} s)`);
  if (code !== 0) console.log(output);
  return code === 0;
}

function selectTests(args: readonly string[]): string[] {
  const ofServices = args.includes('--services');
  const wanted = args.filter((arg) => arg !== '--services');
  const all = listFiles().filter(
    (path) => /^test\/.*\.test\.ts$/.test(path) && OF_SERVICES.test(path) === ofServices,
  );
  if (wanted.length === 0) return all;
  const chosen = wanted.map((each) => posix.normalize(each).replace(/\/$/, ''));
  return all.filter((path) => chosen.some((each) => path === each || path.startsWith(`${each}/`)));
}

async function runTests(files: readonly string[]): Promise<number> {
  if (files.length === 0) {
    console.error('No test file matches.');
    return 1;
  }
  const options = [`--test-concurrency=${FILES_AT_ONCE}`, `--test-timeout=${TEST_TIMEOUT_MS}`];
  const { code } = await run(
    ['--import', 'tsx', '--test', '--test-reporter=spec', ...options, ...files],
    'inherit',
  );
  return code;
}

/** Runs node with `args` in the root of the repository; a child ended by a signal counts as code 1. */
function run(args: readonly string[], output: 'pipe' | 'inherit'): Promise<{ code: number; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ['ignore', output, output] });
    const chunks: Buffer[] = [];
    child.stdout?.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.stderr?.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.on('error', reject);
    child.on('close', (code) => resolve({ code: code ?? 1, output: Buffer.concat(chunks).toString() }));
  });
}
