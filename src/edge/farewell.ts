import { CLOSES, type CloseReason } from '../core/errors.ts';
import type { EdgeMetrics } from './edge-metrics.ts';
import type { Replies } from './replies.ts';
import type { Session } from './session.ts';
import type { TurnWriter } from './turn-writer.ts';

export interface SessionCloser {
  /** Writes out what is queued, then `bye`, and closes the socket. Nothing is written to the session any more. */
  close(session: Session, reason: CloseReason, retryAfterMs?: number): void;
}

/** Ends sessions in the manner of the protocol. */
export class Farewell implements SessionCloser {
  readonly #writer: TurnWriter;
  readonly #replies: Replies;
  readonly #metrics: EdgeMetrics;
  /** Takes the session out of all that the edge knows; called once. */
  readonly #forget: (session: Session) => void;

  constructor(
    writer: TurnWriter,
    replies: Replies,
    metrics: EdgeMetrics,
    forget: (session: Session) => void,
  ) {
    this.#writer = writer;
    this.#replies = replies;
    this.#metrics = metrics;
    this.#forget = forget;
  }

  close(session: Session, reason: CloseReason, retryAfterMs?: number): void {
    if (session.mode === 'closed') return;
    const { code, reconnect } = CLOSES[reason];
    this.#metrics.closes[reason]++;
    this.#replies.frame(session, { t: 'bye', code, reason, reconnect, retryAfterMs }, '');
    this.#forget(session);
    this.#writer.flush(session);
    session.socket.end(code, reason);
  }

  /** Hangs up on a socket that took less than it was given: what it was owed can't be written to it any more. */
  hangUp(session: Session): void {
    if (session.mode === 'closed') return;
    this.#metrics.closes.slow_consumer++;
    this.#forget(session);
    session.out = undefined;
    session.socket.end(CLOSES.slow_consumer.code, 'slow_consumer');
  }
}
