import { drainMicrotasks } from '../microtasks.ts';
import { finalLog, floorsOf } from '../world/final-log.ts';
import { play } from '../world/play.ts';
import type { Outcome } from '../world/run-seed.ts';
import type { OwnersPlan } from './plan.ts';
import { OwnersWorld } from './world.ts';

/** Within this after the last fault, whatever one asks an owner for is done. */
const CONVERGE_MS = 30_000;
const LOOK_MS = 100;
/** What is late comes. */
const CALM_MS_MIN = 1_000;

/** One run, from its plan to the checkers' word. Not to be called behind an `await`: see microtasks.ts. */
export function runOwners(plan: OwnersPlan, isTraced: boolean): Outcome {
  const world = new OwnersWorld(plan, isTraced);
  return play(world, plan, () => {
    world.calm();
    converge(world);
    takeLogs(world);
  });
}

/** Every writer gets said what it wants to, and something new after that: no conversation is stuck. */
function converge({ system, writers, history }: OwnersWorld): void {
  system.run(CALM_MS_MIN, drainMicrotasks);
  const until = system.monotonic() + CONVERGE_MS;
  while (system.monotonic() < until && !writers.every(({ isDone }) => isDone))
    system.run(LOOK_MS, drainMicrotasks);
  for (const { user, unacked, isDone } of writers)
    if (!isDone) history.errors.push(`${user} has ${unacked} unacked long after the last fault`);
}

function takeLogs({ system, store, history, convs, users }: OwnersWorld): void {
  const reader = store.client('reader', system).log;
  const floors = floorsOf(convs, reader, (ms) => system.run(ms, drainMicrotasks));
  for (const conv of convs)
    history.logs.set(conv, finalLog(conv, store.quorumTruth(conv), floors.get(conv), users));
}
