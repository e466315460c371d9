import { Random } from '../../fuzz/random.ts';
import { CLUSTER_FAULTS, type ClusterFault } from './faults.ts';
import type { SiteSize } from './site.ts';

/** A fault and who it strikes. */
export interface Stroke {
  readonly fault: ClusterFault;
  readonly pick: number;
  /** After the scene's beginning. */
  readonly delayMs: number;
}

/** One fault, at times a second one beside it; then calm. */
export interface PlannedScene {
  readonly strokes: readonly [Stroke, ...Stroke[]];
  readonly calmMs: number;
}

const PAIR_ONE_IN = 4;
const DELAY_MS_MAX = 4_000;
const CALM_MS_MIN = 3_000;
const CALM_MS_MAX = 7_000;
const PICK_MAX = 1_000_000;

/** Scenes without an end: the same ones for the same seed. Each fault comes once before any comes again. */
export function* plan(
  seed: number,
  size: SiteSize,
  only: readonly string[] = [],
): Generator<PlannedScene, never> {
  const random = new Random(seed);
  const faults = CLUSTER_FAULTS.filter(
    (fault) => isPossible(fault, size) && (only.length === 0 || only.includes(fault.name)),
  );
  let bag: ClusterFault[] = [];
  const stroke = (fault: ClusterFault, delayMs: number): Stroke => ({
    fault,
    delayMs,
    pick: random.below(PICK_MAX),
  });
  for (;;) {
    if (bag.length === 0) bag = shuffled(faults, random);
    const first = bag.pop() as ClusterFault;
    const strokes: [Stroke, ...Stroke[]] = [stroke(first, 0)];
    const partners = faults.filter((each) => only.length === 0 && goTogether(first, each));
    if (partners.length > 0 && random.below(PAIR_ONE_IN) === 0)
      strokes.push(stroke(random.pick(partners), 500 + random.below(DELAY_MS_MAX)));
    yield { strokes, calmMs: CALM_MS_MIN + random.below(CALM_MS_MAX - CALM_MS_MIN) };
  }
}

/** What is likely to fit into so many seconds, for people. */
export function foreseen(scenes: Iterable<PlannedScene>, seconds: number): string[] {
  const lines: string[] = [];
  let at = 0;
  for (const { strokes, calmMs } of scenes) {
    if (at > seconds) break;
    lines.push(strokes.map(({ fault }) => fault.name).join(' + '));
    at += Math.max(...strokes.map(({ fault }) => fault.seconds)) + calmMs / 1_000;
  }
  return lines;
}

function isPossible({ needs }: ClusterFault, { storeNodes, natsNodes }: SiteSize): boolean {
  return (needs !== 'store' || storeNodes === 3) && (needs !== 'bus' || natsNodes === 3);
}

function goTogether(a: ClusterFault, b: ClusterFault): boolean {
  return a.alone !== true && b.alone !== true && !a.targets.some((target) => b.targets.includes(target));
}

function shuffled<T>(items: readonly T[], random: Random): T[] {
  const all = [...items];
  for (let i = all.length - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [all[i], all[j]] = [all[j] as T, all[i] as T];
  }
  return all;
}
