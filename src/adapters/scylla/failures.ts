import { errors, types } from 'cassandra-driver';
import { StoreUnavailable } from '../../core/ports.ts';
import type { FailureKind } from './metrics.ts';

/**
 * What a failed request tells. `mayBeApplied` is false only where it certainly was not applied anywhere:
 *
 * | the driver reports              | plain write, one partition       | conditional write (LWT)                 |
 * |---------------------------------|----------------------------------|-----------------------------------------|
 * | OperationTimedOutError          | may be: sent, not answered       | may be                                  |
 * | socket closed after the write   | may be                           | may be                                  |
 * | NoHostAvailableError            | not, if every host tried was down, busy or without a connection, or the |
 * |                                 | request never left; else may be                                         |
 * | Unavailable                     | not: seen before anything is sent| may be: the commit after an accepted    |
 * |                                 |                                  | proposal can end so (Paxos v1, Scylla)  |
 * | WriteTimeout (CAS, SIMPLE …),   | may be                           | may be: a later round can complete it   |
 * | WriteFailure, CasWriteUnknown   |                                  |                                         |
 * | Overloaded, ServerError, Read-  | may be: how far it came is not   | may be: a LWT reads and writes          |
 * | Timeout and -Failure, Truncate  | told                             |                                         |
 * | IsBootstrapping, Unprepared,    | not: refused before it is run    | not                                     |
 * | Syntax, Invalid, Unauthorized,  |                                  |                                         |
 * | Config, protocol errors         |                                  |                                         |
 *
 * One attempt each (policies.ts): so the last error is the only one. Other errors are faults of the program
 * (a value that can't be encoded): they are thrown.
 */
export interface Failure {
  readonly kind: FailureKind;
  readonly mayBeApplied: boolean;
  readonly error: Error;
}

const codes = types.responseErrorCodes;

/** Answers that refuse a request before it is run. */
const REFUSALS: ReadonlySet<number> = new Set([
  codes.protocolError,
  codes.badCredentials,
  codes.isBootstrapping,
  codes.syntaxError,
  codes.unauthorized,
  codes.invalid,
  codes.configError,
  codes.alreadyExists,
  codes.unprepared,
]);

/** Sorts an error that a request ended with; throws what is no failure of the store. */
export function failureOf(error: unknown, conditional: boolean): Failure {
  if (!(error instanceof Error)) throw new TypeError('the driver threw what is no error', { cause: error });
  if (error instanceof errors.NoHostAvailableError)
    return { kind: 'noHost', mayBeApplied: !neverLeft(error), error };
  // While it prepares a statement the driver tells as they are what it else gathers from hosts.
  if (noConnection(error)) return { kind: 'noHost', mayBeApplied: false, error };
  if (error instanceof errors.OperationTimedOutError)
    return { kind: 'clientTimeout', mayBeApplied: true, error };
  if (error instanceof errors.ResponseError) return answeredFailure(error, conditional);
  if (isSocketError(error)) return { kind: 'connection', mayBeApplied: !wasNotWritten(error), error };
  if (error instanceof errors.DriverInternalError) return { kind: 'serverError', mayBeApplied: true, error };
  throw error;
}

function answeredFailure(error: errors.ResponseError, conditional: boolean): Failure {
  if (error.code === codes.unavailableException)
    return { kind: 'unavailable', mayBeApplied: conditional, error };
  if (REFUSALS.has(error.code)) return { kind: 'rejected', mayBeApplied: false, error };
  return { kind: kindOf(error.code), mayBeApplied: true, error };
}

function kindOf(code: number): FailureKind {
  if (code === codes.overloaded) return 'overloaded';
  if (code === codes.readTimeout) return 'readTimeout';
  return code === codes.writeTimeout ? 'writeTimeout' : 'serverError';
}

/** Whether no host got as far as being sent the request. */
function neverLeft(error: errors.NoHostAvailableError): boolean {
  const tried = Object.values((error.innerErrors ?? {}) as Record<string, unknown>);
  return tried.every((why) => {
    if (why === null || typeof why === 'string') return true;
    if (why instanceof errors.ResponseError) return REFUSALS.has(why.code);
    if (!(why instanceof Error)) return false;
    return isSocketError(why) ? wasNotWritten(why) : noConnection(why);
  });
}

/** A host has no connection, or none that may take one more request. */
function noConnection(error: Error): boolean {
  return error instanceof errors.BusyConnectionError || error.message === 'No connection available';
}

function isSocketError(error: object): boolean {
  return 'isSocketError' in error && error.isSocketError === true;
}

function wasNotWritten(error: object): boolean {
  return 'requestNotWritten' in error && error.requestNotWritten === true;
}

/** What a read ends with. */
export function storeUnavailable({ kind, error }: Failure): StoreUnavailable {
  return new StoreUnavailable(`the store did not answer (${kind}): ${error.message}`, { cause: error });
}
