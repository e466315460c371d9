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
