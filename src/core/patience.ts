import { type Logger, StoreUnavailable, type System } from './ports.ts';

/** For how long a node that starts asks a store that is there, but slow or between two of its own restarts. */
const STARTING_MS_MAX = 20_000;
const AGAIN_MS = 250;

export function pause(system: Pick<System, 'after'>, ms: number): Promise<void> {
  return new Promise((resolve) => void system.after(ms, resolve));
}

/**
 * What the store says to one who starts: asked again while it is unavailable, for 20 s at most. Rejects with the last
 * StoreUnavailable then, and with any other error at once.
 */
export async function askPatiently<T>(
  ask: () => Promise<T>,
  system: Pick<System, 'after' | 'monotonic'>,
  logger: Logger,
): Promise<T> {
  const until = system.monotonic() + STARTING_MS_MAX;
  for (;;) {
    try {
      return await ask();
    } catch (err) {
      if (!(err instanceof StoreUnavailable) || system.monotonic() >= until) throw err;
      logger.warn({ error: err.message }, 'the store does not answer; trying again');
    }
    await pause(system, AGAIN_MS);
  }
}
