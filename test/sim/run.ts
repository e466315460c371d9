import { outsidePromises } from './microtasks.ts';
import { makeOwnersPlan } from './owners/plan.ts';
import { runOwners } from './owners/run.ts';
import { quickenRings } from './quick-ring.ts';
import { PROFILES } from './world/profile-list.ts';
import { drawProfile, makePlan } from './world/profiles.ts';
import { type Outcome, runPlan } from './world/run-seed.ts';

quickenRings();

/** Runs one seed; what its world's promises threw and nobody caught is a finding too. */
export async function runSeed(seed: number, isTraced = false, profile?: string): Promise<Outcome> {
  const uncaught: string[] = [];
  const note = (error: unknown): void => {
    uncaught.push(error instanceof Error ? (error.stack ?? error.message) : String(error));
  };
  process.on('unhandledRejection', note);
  const outcome = await outsidePromises(() => runOf(seed, isTraced, profile));
  await new Promise((resolve) => setImmediate(resolve)); // when they are told of
  process.off('unhandledRejection', note);
  const findings = uncaught.map((words) => ({ checker: 'no-surprise', words: `unhandled: ${words}` }));
  return { ...outcome, findings: [...outcome.findings, ...findings] };
}

function runOf(seed: number, isTraced: boolean, only?: string): Outcome {
  const { profile, dice } = drawProfile(seed, PROFILES, only);
  if (profile.owners === undefined) return runPlan(makePlan(seed, profile, dice), isTraced);
  return runOwners(makeOwnersPlan(seed, profile.name, dice), isTraced);
}
