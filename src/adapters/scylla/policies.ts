import { errors, policies, type types } from 'cassandra-driver';
import { withPort } from './options.ts';

/** The driver insists on its own class, which its types call an interface. */
const AddressTranslator = (policies.addressResolution as unknown as { AddressTranslator: new () => object })
  .AddressTranslator;

/** Peers tell their own addresses; the map says where they are to be reached from here. */
export class MappedAddresses
  extends AddressTranslator
  implements policies.addressResolution.AddressTranslator
{
  readonly #map: ReadonlyMap<string, string>;

  constructor(map: ReadonlyMap<string, string>) {
    super();
    this.#map = map;
  }

  translate(address: string, port: number, callback: (endPoint: string) => void): void {
    const told = `${address}:${port}`;
    callback(this.#map.get(told) ?? this.#map.get(withPort(address)) ?? told);
  }
}

/**
 * One attempt: what the driver reports is what became of that attempt alone. Repeated inside the driver, a write
 * that timed out and was then refused elsewhere would look as if it had never been tried. (The driver itself
 * repeats only what certainly was not run: a request that never left, a statement not prepared there.)
 */
export const oneAttempt = new policies.retry.FallthroughRetryPolicy();

/** The driver's types don't say that it may be left out. */
const SAME_CONSISTENCY = undefined as unknown as types.consistencies;

/** Reads are tried once more, elsewhere: but not after a timeout, when the time is up. */
class ReadAgain extends policies.retry.RetryPolicy {
  override onRequestError(
    info: policies.retry.OperationInfo,
    _consistency: types.consistencies,
    error: Error,
  ): policies.retry.DecisionInfo {
    if (error instanceof errors.OperationTimedOutError || info.nbRetry > 0) return this.rethrowResult();
    return this.retryResult(SAME_CONSISTENCY, false);
  }
}

export const readAgain = new ReadAgain();

const LEASE_READ = /^SELECT .* FROM \S+\.node_lease\b/;
/** Of the time that a lease statement has; quiet stores answer within a tenth of it. */
const LEASES_AGAIN_SHARE = 0.4;

/**
 * A read of leases that is not answered by then is asked of a second node as well. Through a node that was just started,
 * and is slow for a minute, every third one came too late, and who reads leases took that for a store that is away.
 */
export class LeasesTwice implements policies.speculativeExecution.SpeculativeExecutionPolicy {
  readonly #once = { nextExecution: () => -1 };
  readonly #delayMs: number;

  constructor(leaseTimeoutMs: number) {
    this.#delayMs = Math.round(leaseTimeoutMs * LEASES_AGAIN_SHARE);
  }

  /** Conditional writes are never run twice: their statements are not idempotent, and the driver asks for that too. */
  newPlan(_keyspace: string, query: string | object[]): { nextExecution: () => number } {
    if (typeof query !== 'string' || !LEASE_READ.test(query)) return this.#once;
    let left = 1;
    return { nextExecution: () => (left-- > 0 ? this.#delayMs : -1) };
  }

  init(): void {}
  shutdown(): void {}
  getOptions(): Map<string, object> {
    return new Map();
  }
}
