import { ERRORS } from '../core/errors.ts';
import type { Logger, System } from '../core/ports.ts';
import type { Answer, NodeRequest, ErrorAnswer, SendRequest } from '../core/requests.ts';
import type { Audiences } from './audiences.ts';
import type { HaveProbes } from './have-probes.ts';
import type { OpenRequests } from './open-requests.ts';
import type { Pages } from './pages.ts';
import type { Registry } from './registry.ts';
import { type Replies, RETRY_AFTER_MS } from './replies.ts';
import type { Session } from './session.ts';

export interface AnswersOptions {
  /** The edge's id. */
  readonly id: string;
  readonly system: System;
  readonly logger: Logger;
  readonly registry: Registry;
  readonly audiences: Audiences;
  readonly open: OpenRequests;
  readonly pages: Pages;
  readonly replies: Replies;
  readonly probes: HaveProbes;
}

/** Brings owners' answers to the sessions that asked: one answer per id. */
export class Answers {
  readonly #options: AnswersOptions;

  constructor(options: AnswersOptions) {
    this.#options = options;
  }

  answer(request: NodeRequest, answer: Answer): void {
    const { id, registry } = this.#options;
    const session = request.edge === id ? registry.get(request.session) : undefined;
    if (session === undefined) return; // it left
    if (request.id === 0) {
      if (request.t === 'history') this.#options.probes.answered(session, request, answer);
      else this.#unasked(session, request, answer);
    } else if (request.t === 'history') this.#history(session, request, answer);
    else if (this.#close(session, request)) this.#write(session, request, answer);
  }

  /** A frame without id is answered by its error alone. */
  #unasked(session: Session, { t, conv }: NodeRequest, answer: Answer): void {
    if (answer.t !== 'error') return;
    const { code, message, retryAfterMs } = answer;
    this.#options.replies.error(session, 0, { re: t, conv }, code, message, retryAfterMs);
  }

  #history(session: Session, request: NodeRequest & { t: 'history' }, answer: Answer): void {
    if (answer.t === 'page' || answer.t === 'grant') {
      if (this.#options.open.isOpen(session, request.id))
        this.#options.pages.add(session, { t: 'history', request, answer });
    } else if (this.#close(session, request)) {
      session.openReads--;
      this.#write(session, request, answer);
    }
  }

  #close(session: Session, request: NodeRequest): boolean {
    const { open, logger } = this.#options;
    if (open.answered(session, request.id)) return true;
    logger.error({ t: request.t, id: request.id, conv: request.conv }, 'a request was answered twice');
    return false;
  }

  #write(session: Session, request: NodeRequest, answer: Answer): void {
    const { replies } = this.#options;
    const { id, conv } = request;
    if (request.t === 'send') this.#leaveLane(session, request, answer);
    switch (answer.t) {
      case 'ack': {
        const cmid = request.t === 'send' ? request.cmid : '';
        // A late word of an earlier owner's has no place in the order any more.
        const isLate = this.#options.audiences.knows(session, conv, answer.seq);
        replies.ack(session, id, conv, cmid, answer.seq, answer.ts, answer.duplicate || isLate);
        return;
      }
      case 'created':
        replies.frame(session, { t: 'created', id, conv }, '');
        return;
      case 'ok':
        replies.frame(session, { t: 'ok', id, seq: answer.seq, members: answer.members }, '');
        return;
      case 'receipts': {
        const { items, read, before } = answer;
        replies.frame(
          session,
          { t: 'receipts', id, conv, items, read, before, more: before !== undefined },
          '',
        );
        return;
      }
      case 'error':
        replies.error(session, id, { re: request.t }, answer.code, answer.message, answer.retryAfterMs);
        return;
      case 'page':
      case 'grant':
        throw new Error(`${conv}: a ${request.t} was answered by a ${answer.t}`);
    }
  }

  #leaveLane(session: Session, { conv, ordinal, cmid }: SendRequest, answer: Answer): void {
    const refusal = answer.t === 'error' && ERRORS[answer.code].retryable ? answer : undefined;
    session.lanes?.answered(
      conv,
      cmid,
      ordinal,
      refusal?.code,
      refusal === undefined ? 0 : waitOf(refusal),
      this.#options.system.monotonic(),
    );
  }
}

function waitOf(refusal: ErrorAnswer): number {
  return refusal.retryAfterMs ?? RETRY_AFTER_MS;
}
