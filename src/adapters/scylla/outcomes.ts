import type { Conditional, WriteOutcome } from '../../core/cluster-ports.ts';
import { StoreUnavailable } from '../../core/ports.ts';
import type { ScyllaClient } from './client.ts';
import type { Failure } from './failures.ts';
import type { Params, Statement } from './statements.ts';

/** What became of a write: undefined is done. */
export function writeOutcome(failure: Failure | undefined): WriteOutcome {
  if (failure === undefined) return 'written';
  return failure.mayBeApplied ? 'unknown' : 'unavailable';
}

/** Of writes that belong together: `unavailable` only if none of them was applied. */
export function combined(outcomes: readonly WriteOutcome[]): WriteOutcome {
  if (outcomes.every((outcome) => outcome === 'written')) return 'written';
  return outcomes.every((outcome) => outcome === 'unavailable') ? 'unavailable' : 'unknown';
}

/**
 * Runs a conditional write. `now` reads the row serially: what comes back with a refused UPDATE is, on Cassandra,
 * no more than the columns of its condition. If that read fails, the refusal stands, but not what to say of the
 * row: that is `unavailable`.
 */
export async function conditional<T>(
  client: ScyllaClient,
  statement: Statement,
  params: Params,
  now: () => Promise<T | undefined>,
): Promise<Conditional<T>> {
  const result = await client.conditional(statement, params);
  if (typeof result !== 'boolean') return { t: result.mayBeApplied ? 'unknown' : 'unavailable' };
  if (result) return { t: 'applied' };
  try {
    return { t: 'notApplied', row: await now() };
  } catch (error) {
    if (error instanceof StoreUnavailable) return { t: 'unavailable' };
    throw error;
  }
}
