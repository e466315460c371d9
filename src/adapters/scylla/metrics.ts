/** How a request failed; docs/operations.md says what each means. */
export type FailureKind =
  | 'clientTimeout'
  | 'connection'
  | 'noHost'
  | 'unavailable'
  | 'overloaded'
  | 'readTimeout'
  | 'writeTimeout'
  | 'serverError'
  | 'rejected';

/** What the adapter tells of itself; telemetry.ts makes histograms and counters of it. */
export interface ScyllaMetrics {
  /** An answered request: from the call to the answer. */
  answered(statement: string, seconds: number): void;
  failed(statement: string, seconds: number, kind: FailureKind): void;
  /** A batch about to be sent; `bytes` as the adapter counts them. */
  batch(statement: string, rows: number, bytes: number): void;
}

export const noMetrics: ScyllaMetrics = {
  answered: () => undefined,
  failed: () => undefined,
  batch: () => undefined,
};
