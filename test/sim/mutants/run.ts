import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runSeeds } from '../runner.ts';
import { PROFILES } from '../world/profile-list.ts';
import type { Outcome } from '../world/run-seed.ts';
import { type Mutant, MUTANTS, type Patch } from './list.ts';

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
/** Of the profile in which it shows soonest (of owners alone a seed costs little), then of all. */
const SEEDS_OF_OWNERS = 6_000;
const SEEDS_OF_PROFILE = 400;
const SEEDS_OF_ALL = 600;
const OWNERS_PROFILES = new Set(PROFILES.filter(({ owners }) => owners === true).map(({ name }) => name));
const PROGRESS_MS = 15_000;

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
  const { name, profile, patches, without = [] } = mutant;
  const copies: string[] = [];
  const copy = (changes: readonly Patch[]): string => {
    const scratch = mkdtempSync(join(tmpdir(), `mutant-${name}-`));
    copies.push(scratch);
    copyPatched(root, changes, scratch);
    return scratch;
  };
  try {
    const hunted = { root: copy([...without, ...patches]), sound: without.length > 0 ? copy(without) : root };
    const count = OWNERS_PROFILES.has(profile) ? SEEDS_OF_OWNERS : SEEDS_OF_PROFILE;
    const first = await hunt(mutant, hunted, { count, jobs, profile });
    if (first.caught !== undefined) return { mutant: name, ...first };
    const second = await hunt(mutant, hunted, { count: SEEDS_OF_ALL, jobs, profile: undefined });
    return { mutant: name, caught: second.caught, seeds: first.seeds + second.seeds };
  } catch (error) {
    const what = error instanceof Error ? error.message : String(error);
    return { mutant: name, caught: undefined, seeds: 0, error: what };
  } finally {
    for (const scratch of copies) rmSync(scratch, { recursive: true, force: true });
  }
}

/** A copy of the sources with patches. Throws if they do not fit any more. */
export function copyPatched(root: string, patches: readonly Patch[], scratch: string): void {
  for (const path of COPIED) cpSync(join(root, path), join(scratch, path), { recursive: true });
  symlinkSync(join(root, 'node_modules'), join(scratch, 'node_modules'));
  for (const { file, find, replace } of patches) {
    const path = join(scratch, file);
    const parts = readFileSync(path, 'utf8').split(find);
    if (parts.length !== 2)
      throw new Error(`${file} has a mutant's text ${parts.length - 1} times, not once: ${find.trim()}`);
    writeFileSync(path, parts.join(replace));
  }
}

interface Seeds {
  readonly count: number;
  readonly jobs: number;
  readonly profile: string | undefined;
}

/** A finding counts where the sources without the mutant, in `sound`, pass: else it is not the mutant's. */
async function hunt(
  { name }: Mutant,
  { root, sound }: { readonly root: string; readonly sound: string },
  { count, jobs, profile }: Seeds,
): Promise<Pick<Verdict, 'caught' | 'seeds'>> {
  let seeds = 0;
  let shownAt = performance.now();
  for (let from = 1; from <= count; ) {
    const suspects: Outcome[] = [];
    await runSeeds({ from, count: count - from + 1, jobs, profile, root }, (outcome) => {
      seeds++;
      if (performance.now() - shownAt > PROGRESS_MS) {
        shownAt = performance.now();
        console.error(`${name}: ${seeds} of ${count} seeds of ${profile ?? 'all profiles'}`);
      }
      if (outcome.findings.length > 0) suspects.push(outcome);
      return suspects.length === 0;
    });
    const [suspect] = suspects;
    if (suspect === undefined) break;
    let passes = true;
    await runSeeds({ from: suspect.seed, count: 1, jobs: 1, profile, root: sound }, (outcome) => {
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
