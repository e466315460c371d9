export const BACKOFF = { msMin: 500, msMax: 30_000 } as const;

/** The wait before reconnecting after `failures` (from 1) in a row: full jitter under a bound that doubles. */
export function backoffMs(failures: number, random: number): number {
  const bound = Math.min(BACKOFF.msMax, BACKOFF.msMin * 2 ** Math.min(failures, 16));
  return BACKOFF.msMin + random * (bound - BACKOFF.msMin);
}
