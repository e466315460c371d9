import { type policies, types } from 'cassandra-driver';
import { oneAttempt, readAgain } from './policies.ts';

const { localQuorum, localSerial } = types.consistencies;

/** How a statement is run; always prepared, its consistency always said. */
export interface Statement {
  /** Its name in metrics. */
  readonly name: string;
  /** With `{ks}` for the keyspace. */
  readonly cql: string;
  readonly kind: 'read' | 'serialRead' | 'write' | 'conditional';
  /** Statements about leases have less time: a node that can't renew must know soon. */
  readonly lease?: true;
}

/** One row of parameters, in the order of the statement's question marks. */
export type Params = readonly unknown[];

/** What the driver is told beside the text, made once per statement. */
export interface Execution {
  readonly prepare: true;
  readonly logged: false;
  readonly consistency: number;
  readonly serialConsistency: number | undefined;
  readonly isIdempotent: boolean;
  readonly readTimeout: number;
  readonly retry: policies.retry.RetryPolicy;
}

/**
 * Plain reads and writes: LOCAL_QUORUM. A serial read completes whatever Paxos round it finds. A conditional
 * write says both: LOCAL_SERIAL for its rounds, and LOCAL_QUORUM for its commit, which the driver would otherwise
 * do at LOCAL_ONE, so that a later plain read at a quorum could miss it.
 */
export function executionOf({ kind }: Statement, readTimeout: number): Execution {
  return {
    prepare: true,
    logged: false,
    consistency: kind === 'serialRead' ? localSerial : localQuorum,
    serialConsistency: kind === 'conditional' ? localSerial : undefined,
    isIdempotent: kind !== 'conditional',
    readTimeout,
    retry: kind === 'read' || kind === 'serialRead' ? readAgain : oneAttempt,
  };
}
