import { check } from '../checkers/all.ts';
import { drainMicrotasks } from '../microtasks.ts';
import type { VirtualSystem } from '../virtual-system.ts';
import type { History } from './history.ts';
import type { Outcome } from './run-seed.ts';

interface Playable {
  readonly system: VirtualSystem;
  readonly history: History;
  readonly tally: Outcome['tally'];
  readonly lines: Outcome['trace'];
  begin(): void;
  countAll(): void;
  trace(who: string, what: string): void;
}

/** One run, from its beginning to the checkers' word; `end` comes after the active time, and brings all to rest. */
export function play(
  world: Playable,
  plan: { readonly seed: number; readonly profile: string; readonly activeMs: number },
  end: () => void,
): Outcome {
  const { history, system } = world;
  try {
    world.begin();
    system.run(plan.activeMs, drainMicrotasks);
    end();
  } catch (error) {
    history.errors.push(`thrown: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
  }
  world.countAll();
  const findings = check(history);
  for (const { checker, words } of findings) world.trace('check', `${checker}: ${words}`);
  system.crash();
  return {
    seed: plan.seed,
    profile: plan.profile,
    findings,
    virtualMs: system.monotonic(),
    acked: history.deviceAcks.length,
    tally: world.tally,
    trace: world.lines,
  };
}
