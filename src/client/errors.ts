import { ERRORS, type ErrorCode } from '../core/errors.ts';

/**
 * The server's codes, and the client's own: `outbox_full` (too many sends unanswered: wait for some),
 * `timed_out` (no answer in time; the request may have been carried out), `closed` (the client was closed, or
 * the server barred it from reconnecting, before there was an answer).
 */
export type ClientErrorCode = ErrorCode | 'outbox_full' | 'timed_out' | 'closed';

/** Why a request of the client failed. */
export class ClientError extends Error {
  override readonly name = 'ClientError';
  readonly code: ClientErrorCode;

  constructor(code: ClientErrorCode, message: string) {
    super(message);
    this.code = code;
  }

  /** Whether the same request may succeed later. */
  get retryable(): boolean {
    if (this.code === 'outbox_full' || this.code === 'timed_out') return true;
    return this.code !== 'closed' && ERRORS[this.code].retryable;
  }
}

/** `value` as an Error, for what a promise may have been rejected with. */
export function asError(value: unknown): Error {
  return value instanceof Error ? value : new Error(String(value));
}

/** What becomes of requests when the connection will not come back. */
export function closedError(state: { readonly reason: string }): ClientError {
  const code = state.reason === 'unauthenticated' ? 'unauthenticated' : 'closed';
  return new ClientError(code, `the connection is closed: ${state.reason}`);
}
