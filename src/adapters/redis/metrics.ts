/** disconnected: there is no server. full: over the bound of what may wait. late: it did not answer in time. */
export type Reason = 'disconnected' | 'full' | 'late';

/** What the adapter tells of itself; telemetry.ts makes histograms and counters of it. */
export interface RedisMetrics {
  /** A pipeline was answered: how many commands it had, and how long it took. */
  batch(commands: number, seconds: number): void;
  /** A write will not happen, or may not have. */
  dropped(reason: Reason): void;
  /** A read was answered `unknown`. */
  unknown(reason: Reason): void;
  /** A connection is up: at the start, and after each loss. */
  connected(): void;
  lost(): void;
  /** The server has forgotten what it was told: flushed, restarted or replaced. */
  flushed(): void;
  /** The server answered a command with an error; its code (WRONGTYPE, OOM, …). */
  failed(code: string): void;
}

export const noMetrics: RedisMetrics = {
  batch: () => undefined,
  dropped: () => undefined,
  unknown: () => undefined,
  connected: () => undefined,
  lost: () => undefined,
  flushed: () => undefined,
  failed: () => undefined,
};
