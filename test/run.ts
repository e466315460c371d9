/**
 * `npm test`: lint, format and types side by side, then the tests. Arguments name the test files or folders
 * to run (`npm test -- test/unit`). The test runner's own closing lines are the last that is printed.
 */
import { spawn } from 'node:child_process';
import { join, posix } from 'node:path';
import { type SharedServices, startShared } from './services/shared.ts';
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
const TEST_TIMEOUT_MS = 480_000;

/** They need Cassandra, NATS or Redis: `npm run test:services` runs them alone, CI runs them with the others. */
const OF_SERVICES = /^test\/.*(scylla|cassandra|nats|redis).*\.test\.ts$/;
const MUST_USE_SERVICES = process.env['CARILLON_REQUIRE_SERVICES'] === '1';

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
  const servicesAlone = args.includes('--services');
  const wanted = args
    .filter((arg) => arg !== '--services')
    .map((each) => posix.normalize(each).replace(/\/$/, ''));
  const all = listFiles().filter((path) => /^test\/.*\.test\.ts$/.test(path));
  if (wanted.length > 0)
    return all.filter((path) => wanted.some((each) => path === each || path.startsWith(`${each}/`)));
  if (servicesAlone) return all.filter((path) => OF_SERVICES.test(path));
  return MUST_USE_SERVICES ? all : all.filter((path) => !OF_SERVICES.test(path));
}

async function runTests(files: readonly string[]): Promise<number> {
  if (files.length === 0) {
    console.error('No test file matches.');
    return 1;
  }
  const services = files.some((path) => OF_SERVICES.test(path)) ? await startServices() : undefined;
  const options = [`--test-concurrency=${FILES_AT_ONCE}`, `--test-timeout=${TEST_TIMEOUT_MS}`];
  const { code } = await run(
    ['--import', 'tsx', '--test', '--test-reporter=spec', ...options, ...files],
    'inherit',
    services?.env,
  );
  await services?.stop();
  return code;
}

/** Where they can't be had, each test that needs them says so: a skip, or in CI a failure. */
async function startServices(): Promise<SharedServices | undefined> {
  const start = performance.now();
  try {
    const services = await startShared();
    console.log(`ok    Cassandra, NATS and Redis (${((performance.now() - start) / 1000).toFixed(1)} s)`);
    return services;
  } catch (error) {
    console.log(
      `FAILED Cassandra, NATS and Redis: ${error instanceof Error ? error.message : String(error)}`,
    );
    return undefined;
  }
}

/** Runs node with `args` in the root of the repository; a child ended by a signal counts as code 1. */
function run(
  args: readonly string[],
  output: 'pipe' | 'inherit',
  env: Readonly<Record<string, string>> = {},
): Promise<{ code: number; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, args, {
      cwd: ROOT,
      env: { ...process.env, ...env },
      stdio: ['ignore', output, output],
    });
    const chunks: Buffer[] = [];
    child.stdout?.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.stderr?.on('data', (chunk: Buffer) => chunks.push(chunk));
    child.on('error', reject);
    child.on('close', (code) => resolve({ code: code ?? 1, output: Buffer.concat(chunks).toString() }));
  });
}
