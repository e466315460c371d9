import { type ChildProcess, fork } from 'node:child_process';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import type { Outcome } from './world/run-seed.ts';

export interface SeedRange {
  readonly from: number;
  readonly count: number;
  readonly jobs: number;
  readonly profile?: string | undefined;
  /** Of the repository whose sources run. */
  readonly root: string;
}

/** Runs seeds over processes; `seen` hears of each outcome and says whether to go on. Rejects if a process fails. */
export async function runSeeds(range: SeedRange, seen: (outcome: Outcome) => boolean): Promise<void> {
  const script = await bundled(range.root);
  const jobs = Math.max(1, Math.min(range.jobs, range.count));
  const workers: ChildProcess[] = [];
  let goesOn = true;
  const stop = (): void => {
    goesOn = false;
    for (const worker of workers) worker.kill();
  };
  const work = (job: number): Promise<void> =>
    new Promise((resolve, reject) => {
      const worker = startWorker(script, range, job, jobs);
      workers.push(worker);
      worker.on('message', (outcome: Outcome) => {
        if (goesOn && !seen(outcome)) stop();
      });
      worker.on('error', reject);
      worker.on('exit', (code) => {
        if (code === 0 || !goesOn) resolve();
        else reject(new Error(`a process that ran seeds ended with ${code}`));
      });
    });
  try {
    await Promise.all(Array.from({ length: jobs }, (_, job) => work(job)));
  } finally {
    stop();
    rmSync(script, { force: true });
  }
}

/** One file of all the sources: it starts, and gets warm, sooner than they do one by one. */
async function bundled(root: string): Promise<string> {
  const outfile = join(root, `test-results/sim-${process.pid}-${Math.random().toString(36).slice(2)}.mjs`);
  await build({
    entryPoints: [join(root, 'test/sim/worker.ts')],
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    logLevel: 'warning',
    sourcemap: 'inline',
  });
  return outfile;
}

function startWorker(
  script: string,
  { from, count, profile, root }: SeedRange,
  job: number,
  jobs: number,
): ChildProcess {
  const args = [from + job, from + count - 1, jobs].map(String);
  return fork(script, [...args, profile ?? ''], {
    cwd: root,
    execArgv: ['--enable-source-maps'],
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  });
}
