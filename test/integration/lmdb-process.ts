import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import type { TestContext } from 'node:test';
import { fileURLToPath } from 'node:url';

const CHILD = fileURLToPath(new URL('./lmdb-child.ts', import.meta.url));

export interface StoreProcess {
  readonly child: ChildProcessByStdio<null, Readable, null>;
  /** What it said, by line; all of it once it has ended. */
  readonly lines: string[];
  /** Resolves with its first line. */
  readonly first: Promise<string>;
  /** Ends it with SIGKILL if need be; resolves once it is gone and all that it said was read. */
  kill(): Promise<void>;
  /** Resolves with the exit code. */
  readonly ended: Promise<number | null>;
}

/** Starts lmdb-child.ts; `wrapper` is a command that it is run by. */
export function startStoreProcess(
  t: TestContext,
  mode: 'hold' | 'load',
  dir: string,
  wrapper: readonly string[] = [],
): StoreProcess {
  const command = [...wrapper, process.execPath, '--import', 'tsx', CHILD, mode, dir];
  const child = spawn(command[0] as string, command.slice(1), { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines: string[] = [];
  let rest = '';
  const first = new Promise<string>((resolve) => {
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      const parts = (rest + text).split('\n');
      rest = parts.pop() as string;
      lines.push(...parts);
      if (lines.length > 0) resolve(lines[0] as string);
    });
    child.on('close', () => resolve(lines[0] ?? 'ended without a word'));
  });
  const ended = once(child, 'close').then(([code]) => code as number | null);
  const kill = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    await ended;
  };
  t.after(kill);
  return { child, lines, first, kill, ended };
}

export function temporaryDirectory(t: TestContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'carillon-lmdb-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

/** What a test needs of the machine: without it the test is skipped, or fails where a skip is a failure. */
export function missing(t: TestContext, what: string): void {
  if (process.env.CARILLON_REQUIRE_SERVICES === '1') throw new Error(what);
  t.skip(what);
}
