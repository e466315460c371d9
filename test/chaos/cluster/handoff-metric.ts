import type { NodeProcess } from '../../services/stack.ts';

/** Upper bounds in ms, rising, with the count of hand-overs at or below each. */
export type HandoffTimes = ReadonlyMap<number, number>;

const BUCKET = /^carillon_handoff_seconds_bucket\{.*le="([^"]+)".*\} (\d+)$/gm;
const ASK_MS_MAX = 2_000;

/** What a node itself measured of its hand-overs: the time in which a conversation took no request. */
export async function handoffTimes(node: NodeProcess): Promise<HandoffTimes> {
  try {
    const response = await fetch(`${node.adminUrl}/metrics`, { signal: AbortSignal.timeout(ASK_MS_MAX) });
    const lines = (await response.text()).matchAll(BUCKET);
    return new Map(
      [...lines].map(([, le, count]) => [le === '+Inf' ? Infinity : Number(le) * 1_000, Number(count)]),
    );
  } catch {
    return new Map(); // it is away: it will count from 0 again
  }
}

/** Those of after `before`. */
export function since(before: HandoffTimes, after: HandoffTimes): HandoffTimes {
  return new Map([...after].map(([le, count]) => [le, count - (before.get(le) ?? 0)]));
}

export function together(all: readonly HandoffTimes[]): HandoffTimes {
  const sum = new Map<number, number>();
  for (const times of all) for (const [le, count] of times) sum.set(le, (sum.get(le) ?? 0) + count);
  return sum;
}

export function handoffCount(times: HandoffTimes): number {
  return Math.max(0, ...times.values());
}

/** The upper bound of the bucket that holds the quantile: the true value is below it. */
export function handoffQuantile(times: HandoffTimes, share: number): number {
  const wanted = share * handoffCount(times);
  for (const [le, count] of times) if (count >= wanted) return le;
  return 0;
}
