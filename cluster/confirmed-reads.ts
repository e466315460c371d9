import type { EdgeLink, Ownership } from '../src/core/ports.ts';
import type { Answer, ConversationRequest } from '../src/core/requests.ts';

const UNCONFIRMED_RETRY_MS = 1_000;

/** Lets an answer that tells what is committed go only once this node was still the owner after it was asked. */
export class ConfirmedReads {
  readonly #ownership: Ownership;
  readonly #edge: EdgeLink;

  constructor(ownership: Ownership, edge: EdgeLink) {
    this.#ownership = ownership;
    this.#edge = edge;
  }

  answer(request: ConversationRequest, answer: Answer): void {
    const confirmed = isRead(answer) ? this.#ownership.confirmed() : true;
    if (confirmed === true) this.#edge.answer(request, answer);
    else void confirmed.then((still) => this.#edge.answer(request, still ? answer : UNCONFIRMED));
  }
}

const UNCONFIRMED: Answer = {
  t: 'error',
  code: 'unavailable',
  message: 'The conversation may be changing hands.',
  retryAfterMs: UNCONFIRMED_RETRY_MS,
};

function isRead(answer: Answer): boolean {
  return answer.t === 'page' || answer.t === 'grant' || (answer.t === 'ok' && answer.members !== undefined);
}
