/** disconnected: there is no server. pending: over the bound of what may be unconfirmed. */
export type Refusal = 'disconnected' | 'pending';

/** closed: by the other side. stale: it did not answer. slowConsumer: we did not read. auth: it no longer lets us in. */
export type Loss = 'closed' | 'stale' | 'slowConsumer' | 'auth';

/** What the adapter tells of itself; telemetry.ts makes histograms and counters of it. */
export interface NatsMetrics {
  sent(bytes: number): void;
  received(bytes: number): void;
  /** A `publish` returned false. */
  refused(reason: Refusal): void;
  /** A connection is up, subscriptions and all: at the start, and after each loss. */
  connected(): void;
  lost(reason: Loss): void;
  connectFailed(): void;
  /** From a ping to its pong: the time in which all that was published before reached the server. */
  flushed(seconds: number): void;
  /** The server refused something, a subject for instance, and went on. */
  failed(code: string): void;
}

export const noMetrics: NatsMetrics = {
  sent: () => undefined,
  received: () => undefined,
  refused: () => undefined,
  connected: () => undefined,
  lost: () => undefined,
  connectFailed: () => undefined,
  flushed: () => undefined,
  failed: () => undefined,
};
