import type { ErrorCode } from '../../../src/core/errors.ts';

/** Faults, decided anew at each use. */
export interface Faults {
  /** Answer this `send` with a retryable error (later ones of the connection are refused too, until it is resent). */
  refuseSend(): ErrorCode | undefined;
  /** Commit, but let the answer be lost with the connection. */
  cutAfterSend(): boolean;
  /** What becomes of one event on its way to one session. */
  event(): 'deliver' | 'lose' | 'twice' | 'late';
  /** Whether a cursor is lost with its owner. */
  loseCursor(): boolean;
}

export const NO_FAULTS: Faults = {
  refuseSend: () => undefined,
  cutAfterSend: () => false,
  event: () => 'deliver',
  loseCursor: () => false,
};
