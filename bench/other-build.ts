/** Another build, measured in turns with this one: their ratio, round by round. */
import type { LoadResult } from './plan.ts';
import type { LoadReport } from './scenarios/load.ts';
import { median } from './statistics.ts';

/** This build ÷ the other, of rounds that stood beside one another. */
export interface Spread {
  readonly median: number;
  /** The middle half of the rounds lies between. */
  readonly low: number;
  readonly high: number;
  readonly all: readonly number[];
}

export interface OtherRatio {
  /** Of acked/s (direct) or deliveries/s (group). */
  readonly rate: Spread;
  /** The same per core that each build used: free of what others on the machine took. */
  readonly perServerCore: Spread | undefined;
}

export function otherRatio({ scenario, server, other = [] }: LoadReport): OtherRatio | undefined {
  const pairs = server.flatMap((here, i) => {
    const there = other[i];
    return there === undefined ? [] : [[here, there] as const];
  });
  if (pairs.length === 0) return undefined;
  const key = scenario === 'group' ? 'deliveriesPerSecond' : 'ackedPerSecond';
  const perCore = (result: LoadResult): number => result[key] / (result.cpu?.server ?? Number.NaN);
  const known = pairs.every((pair) => pair.every(({ cpu }) => cpu !== undefined));
  return {
    rate: spread(pairs.map(([here, there]) => here[key] / there[key])),
    perServerCore: known ? spread(pairs.map(([here, there]) => perCore(here) / perCore(there))) : undefined,
  };
}

/** Lines for under the table; none without another build. */
export function otherRatioText(report: LoadReport): string[] {
  const ratio = otherRatio(report);
  if (ratio === undefined) return [];
  const unit = report.scenario === 'group' ? 'deliveries/s' : 'acked/s';
  const perCore = ratio.perServerCore;
  return [
    '',
    `${unit} ÷ the other build's of the same round: ${text(ratio.rate)}`,
    ...(perCore === undefined ? [] : [`the same per server core: ${text(perCore)}`]),
  ];
}

function text({ median, low, high, all }: Spread): string {
  const rounds = all.map((one) => one.toFixed(3)).join(', ');
  return `${median.toFixed(3)} (middle half ${low.toFixed(3)} to ${high.toFixed(3)}; all ${rounds})`;
}

export function spread(all: readonly number[]): Spread {
  const sorted = [...all].sort((a, b) => a - b);
  const half = (sorted.length + 1) >> 1; // with the middle one of an odd number
  return {
    median: median(sorted),
    low: median(sorted.slice(0, half)),
    high: median(sorted.slice(-half)),
    all,
  };
}
