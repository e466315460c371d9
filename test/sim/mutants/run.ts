import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runSeeds } from '../runner.ts';
import type { Outcome } from '../world/run-seed.ts';
import { type Mutant, MUTANTS } from './list.ts';

const COPIED = [
  'actors',
  'cluster',
  'src',
  'test/sim',
  'test/unit/peer',
  'test/unit/actors',
  'package.json',
  'tsconfig.json',
];
/** Of the profile in which it shows soonest, then of all. */
const SEEDS_OF_PROFILE = 400;
const SEEDS_OF_ALL = 2_000;

interface Verdict {
  readonly mutant: string;
  /** undefined: it survived. */
  readonly caught: Outcome | undefined;
  readonly seeds: number;
  /** Why the mutant could not be judged. */
  readonly error?: string;
}

/** Breaks the protocol in one way after the other; true if the checkers caught every one. */
export async function runMutants(root: string, only: string | undefined, jobs: number): Promise<boolean> {
  const mutants = MUTANTS.filter(({ name }) => only === undefined || name === only);
  if (mutants.length === 0) {
    console.error(
      `--only: there is no mutant ${only}; there are ${MUTANTS.map(({ name }) => name).join(', ')}`,
    );
    return false;
  }
  let all = true;
  for (const mutant of mutants) {
    const verdict = await judge(root, mutant, jobs);
    all &&= verdict.caught !== undefined;
    console.log(words(mutant, verdict));
  }
  return all;
}

async function judge(root: string, mutant: Mutant, jobs: number): Promise<Verdict> {
  const { name, profile } = mutant;
  const scratch = mkdtempSync(join(tmpdir(), `mutant-${name}-`));
  try {
    applyMutant(root, mutant, scratch);
    const first = await hunt(root, scratch, SEEDS_OF_PROFILE, jobs, profile);
    const { caught, seeds } =
      first.caught === undefined ? await hunt(root, scratch, SEEDS_OF_ALL, jobs, undefined) : first;
    return { mutant: name, caught, seeds };
  } catch (error) {
    return {
      mutant: name,
      caught: undefined,
      seeds: 0,
      error: error instanceof Error ? error.message : String(error),
    };
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** A copy of the sources with the mutant's patches. Throws if they do not fit any more. */
export function applyMutant(root: string, { name, patches }: Mutant, scratch: string): void {
  for (const path of COPIED) cpSync(join(root, path), join(scratch, path), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(scratch, 'node_modules'));
  for (const { file, find, replace } of patches) {
    const path = join(scratch, file);
    const parts = readFileSync(path, 'utf8').split(find);
    if (parts.length !== 2)
      throw new Error(`${name}: ${file} has its text ${parts.length - 1} times, not once: ${find.trim()}`);
    writeFileSync(path, parts.join(replace));
  }
}

/** A finding counts where the sources as they are pass: else it is not the mutant's. */
async function hunt(
  root: string,
  scratch: string,
  count: number,
  jobs: number,
  profile: string | undefined,
): Promise<{ caught: Outcome | undefined; seeds: number }> {
  let seeds = 0;
  for (let from = 1; from <= count; ) {
    const suspects: Outcome[] = [];
    await runSeeds({ from, count: count - from + 1, jobs, profile, root: scratch }, (outcome) => {
      seeds++;
      if (outcome.findings.length > 0) suspects.push(outcome);
      return suspects.length === 0;
    });
    const [suspect] = suspects;
    if (suspect === undefined) break;
    let passes = true;
    await runSeeds({ from: suspect.seed, count: 1, jobs: 1, profile, root }, (outcome) => {
      passes = outcome.findings.length === 0;
      return true;
    });
    if (passes) return { caught: suspect, seeds };
    from = suspect.seed + 1;
  }
  return { caught: undefined, seeds };
}

function words({ breaks }: Mutant, { mutant, caught, seeds, error }: Verdict): string {
  if (error !== undefined) return `FAILED   ${mutant}: ${error}`;
  if (caught === undefined) return `SURVIVED ${mutant}: ${breaks}`;
  const [finding] = caught.findings;
  const where = `seed ${caught.seed} of "${caught.profile}" (${seeds} run)`;
  return `caught   ${mutant} at ${where}\n           by ${finding?.checker}: ${finding?.words.split('\n')[0]}`;
}
