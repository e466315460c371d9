import type { ErrorCode } from '../src/core/errors.ts';
import type { EdgeLink } from '../src/core/ports.ts';
import type { NodeRequest } from '../src/core/requests.ts';

export const OVERLOADED_RETRY_MS = 500;
export const UNAVAILABLE_RETRY_MS = 1_000;

export function refuse(
  edge: Pick<EdgeLink, 'answer'>,
  request: NodeRequest,
  code: ErrorCode,
  message: string,
  retryAfterMs: number,
): void {
  edge.answer(request, { t: 'error', code, message, retryAfterMs });
}

/** The term ended that was to see to it. */
export function refuseTooLate(edge: Pick<EdgeLink, 'answer'>, request: NodeRequest): void {
  refuse(edge, request, 'unavailable', 'The conversation changed hands.', UNAVAILABLE_RETRY_MS);
}
