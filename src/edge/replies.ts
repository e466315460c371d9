import { ERRORS, type ErrorCode } from '../core/errors.ts';
import type { ConversationId } from '../core/ids.ts';
import type { EventDelivery, Receipt } from '../core/requests.ts';
import type { Entry } from '../core/entry.ts';
import type { Head, Message, Page, Receipt as ReceiptFrame, ServerFrame } from '../protocol/frames.ts';
import { encodeAck, encodeServer, messageAsJson } from '../protocol/server-codec.ts';
import type { EdgeMetrics } from './edge-metrics.ts';
import { EventFrame, type Session } from './session.ts';
import type { TurnWriter } from './turn-writer.ts';

/** What an error that may be retried says when nobody knows better. */
export const RETRY_AFTER_MS = 1_000;

/** The frame that failed, for an error to one without id. */
export interface Failed {
  readonly re: string;
  readonly conv?: ConversationId;
}

/** Puts frames for one session into its subprotocol and into the turn. */
export class Replies {
  readonly #writer: TurnWriter;
  readonly #metrics: EdgeMetrics;

  constructor(writer: TurnWriter, metrics: EdgeMetrics) {
    this.#writer = writer;
    this.#metrics = metrics;
  }

  /** `conv`: as in `TurnWriter.queue`. */
  frame(session: Session, frame: Exclude<ServerFrame, Message | Page>, conv: ConversationId): void {
    this.#writer.queue(session, encodeServer(frame, session.socket.subprotocol), conv);
  }

  ack(
    session: Session,
    id: number,
    conv: ConversationId,
    cmid: string,
    seq: number,
    ts: number,
    duplicate: boolean,
  ): void {
    this.#metrics.counts.sendsAcked++;
    this.#writer.queue(
      session,
      encodeAck(id, conv, cmid, seq, ts, duplicate, session.socket.subprotocol),
      conv,
    );
  }

  /** To a request by its id; to what has none (0) by what failed. */
  error(
    session: Session,
    id: number,
    failed: Failed,
    code: ErrorCode,
    message: string,
    retryAfterMs?: number,
  ): void {
    this.#metrics.errors[code]++;
    const { retryable } = ERRORS[code];
    this.frame(
      session,
      {
        t: 'error',
        id: id === 0 ? undefined : id,
        code,
        message,
        retryable,
        retryAfterMs: retryable ? (retryAfterMs ?? RETRY_AFTER_MS) : undefined,
        re: id === 0 ? failed.re : undefined,
        conv: id === 0 ? failed.conv : undefined,
      },
      '',
    );
  }
}

/** An event in both subprotocols, each made at its first use. */
export class EventFrames {
  readonly delivery: EventDelivery;
  #binary: EventFrame | undefined;
  #json: EventFrame | undefined;

  constructor(delivery: EventDelivery) {
    this.delivery = delivery;
  }

  for(session: Session): EventFrame {
    return session.isJson ? this.json : this.binary;
  }

  get binary(): EventFrame {
    const { delivery } = this;
    this.#binary ??= new EventFrame(
      delivery.t === 'message' ? delivery.frame : encodeServer(toFrame(delivery), 'binary'),
      delivery,
    );
    return this.#binary;
  }

  get json(): EventFrame {
    const { delivery } = this;
    this.#json ??= new EventFrame(
      delivery.t === 'message' ? messageAsJson(delivery.frame) : encodeServer(toFrame(delivery), 'json'),
      delivery,
    );
    return this.#json;
  }
}

function toFrame(delivery: Exclude<EventDelivery, { t: 'message' }>): Exclude<ServerFrame, Message | Page> {
  if (delivery.t === 'conversation') return entryFrame(delivery.entry);
  if (delivery.t === 'receipt') return receiptFrame(delivery.conv, delivery.items);
  if (delivery.t === 'cursor') return receiptFrame(delivery.conv, [delivery.item]);
  if (delivery.t === 'typing')
    return { t: 'typing', conv: delivery.conv, user: delivery.user, on: delivery.on };
  const { conv, seq, n, unread } = delivery;
  return headFrame(conv, seq, n, unread);
}

export function entryFrame(entry: Entry): Exclude<ServerFrame, Message | Page> {
  return { t: 'conversation', ...entry };
}

/** Without items: some were missed. */
export function receiptFrame(conv: ConversationId, items: readonly Receipt[]): ReceiptFrame {
  return { t: 'receipt', conv, items };
}

export function headFrame(conv: ConversationId, seq: number, n: number, unread: number | undefined): Head {
  return { t: 'head', conv, seq, n, unread };
}
