/** Runs spin's verifier on test/model/ownership.pml in a scratch folder. */
import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Run } from './runs.ts';

const MODEL = 'ownership.pml';
const FILES = [MODEL, 'store.pml'];
const MEMORY_MB_MAX = 3_900;
const MEMORY_MB_MAX_LARGE = 12_000;
const DEPTH_MAX = 1_000_000;
/** Prints what the search has left out, whatever the reason. */
const INCOMPLETE = /Search not completed|max search depth too small|reached -DMEMLIM|out of memory/i;

/** What a search found. */
export interface Searched {
  readonly states: number;
  readonly seconds: number;
  readonly memoryMb: number;
  /** Whether every behaviour was searched; never so when one that breaks a promise was found. */
  readonly exhaustive: boolean;
  /** The first broken promise, as the model states it, by the shortest way if the run is a mutant. */
  readonly broken?: { readonly assertion: string; readonly depth: number; readonly trail: readonly string[] };
}

/** The steps of the search need these. */
export const TOOLS = ['spin', 'gcc'] as const;

/** `progress` gets the states searched so far, now and then. Rejects when a tool fails. */
export async function search(run: Run, progress: (states: number) => void): Promise<Searched> {
  const dir = mkdtempSync(join(tmpdir(), 'carillon-model-'));
  try {
    for (const file of FILES) cpSync(join(import.meta.dirname, file), join(dir, file));
    const defines = run.defines.map((define) => `-D${define}`);
    await must(dir, 'spin', [...defines, '-a', MODEL]);
    const memory = `-DMEMLIM=${run.large ? MEMORY_MB_MAX_LARGE : MEMORY_MB_MAX}`;
    // Breadth first for a mutant: the shortest trail. Nothing is left out of a search: no partial order reduction.
    const how = ['-DSAFETY', '-DCOLLAPSE', '-DNOREDUCE', memory, ...(run.mutant ? ['-DBFS'] : [])];
    await must(dir, 'gcc', ['-O2', '-w', ...how, '-o', 'pan', 'pan.c']);
    const started = performance.now();
    const output = await must(dir, './pan', [`-m${DEPTH_MAX}`, '-w24'], (text) => {
      const states = /States=\s*([\d.e+]+)/.exec(text)?.[1];
      if (states !== undefined) progress(Number(states));
    });
    const seconds = (performance.now() - started) / 1_000;
    const figures = readFigures(output);
    const assertion = /pan:\d+: assertion violated\s+(.*) \(at depth (\d+)\)/.exec(output);
    if (assertion === null) {
      // A step that blocks half-way, say: a fault of the model's writing, which refutes nothing.
      if (!/errors: 0\b/.test(output)) throw new Error(`no broken promise, and yet: ${output.slice(0, 500)}`);
      return { ...figures, seconds, exhaustive: !INCOMPLETE.test(output) };
    }
    const trail = readTrail(await must(dir, 'spin', [...defines, '-t', MODEL]));
    const broken = { assertion: assertion[1] as string, depth: Number(assertion[2]), trail };
    return { ...figures, seconds, exhaustive: false, broken };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

function readFigures(output: string): { states: number; memoryMb: number } {
  const states = /([\d.e+]+) states, stored/.exec(output)?.[1];
  const memoryMb = /([\d.]+)\s+total actual memory usage/.exec(output)?.[1];
  if (states === undefined || memoryMb === undefined)
    throw new Error(`no figures in: ${output.slice(-2_000)}`);
  return { states: Number(states), memoryMb: Math.round(Number(memoryMb)) };
}

/** What the model prints on the way. */
function readTrail(output: string): string[] {
  return output.match(/^ *(?:node \d|edge): .*$/gm)?.map((line) => line.trim()) ?? [];
}

/** The output of a command that must succeed. */
function must(
  cwd: string,
  command: string,
  args: readonly string[],
  onText: (text: string) => void = () => undefined,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd, stdio: ['ignore', 'pipe', 'pipe'] });
    let output = '';
    const take = (chunk: Buffer): void => {
      const text = chunk.toString();
      output += text;
      onText(text);
    };
    child.stdout.on('data', take);
    child.stderr.on('data', take);
    child.on('error', reject);
    child.on('close', (code) => {
      if (code === 0) resolve(output);
      else reject(new Error(`${command} ended with ${code}: ${output.slice(-2_000)}`));
    });
  });
}
