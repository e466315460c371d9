import type { ErrorCode } from '../core/errors.ts';
import { isUuid } from '../core/ids.ts';
import type { ClientFrame, Send } from './frames.ts';
import { LIMITS } from './limits.ts';

/** A `send`, the same from both forms. */
export interface DecodedSend {
  readonly t: 'send';
  readonly id: number;
  readonly conv: string;
  readonly cmid: string;
  /** May be a view of the bytes decoded. */
  readonly body: Uint8Array;
  /** Whether the body is UTF-8 text; it is checked to be. */
  readonly text: boolean;
  readonly kind: string;
  readonly retry: boolean;
  readonly mentions: readonly string[] | undefined;
}

/** What is wrong with a frame: answer `error` with what is here, or with `close` set `bye`, and close. */
export interface Refusal {
  readonly t: 'refused';
  readonly code: ErrorCode;
  /** Names the field, and what would be right. */
  readonly message: string;
  readonly id?: number;
  readonly re?: string;
  readonly conv?: string;
  readonly close?: 'bad_frame' | 'protocol';
}

export type Decoded = Exclude<ClientFrame, Send> | DecodedSend | Refusal;

/** Of a frame's name in `re`, of an unknown field's name in a message. */
const QUOTED_CHARS_MAX = 32;

export function isRequestId(value: unknown): value is number {
  return Number.isInteger(value) && (value as number) >= 1 && (value as number) <= LIMITS.requestIdMax;
}

/** The answer to a frame that is refused: under its id if it has one, else with its name and conversation. */
export function refuse(code: ErrorCode, message: string, re?: string, id?: unknown, conv?: unknown): Refusal {
  if (isRequestId(id)) return { t: 'refused', code, message, id };
  const refusal: { t: 'refused'; code: ErrorCode; message: string; re?: string; conv?: string } = {
    t: 'refused',
    code,
    message,
  };
  if (re !== undefined) refusal.re = quoted(re);
  if (typeof conv === 'string' && isUuid(conv)) refusal.conv = conv;
  return refusal;
}

/** The bytes are no frame at all: the connection is closed with 4100. */
export function badFrame(message: string): Refusal {
  return { t: 'refused', code: 'invalid', message, close: 'bad_frame' };
}

export function bodyTooLarge(id: number, bodyBytes: number): Refusal {
  return refuse(
    'too_large',
    `body has ${bodyBytes} bytes: it may have up to ${LIMITS.bodyBytesMax}`,
    'send',
    id,
  );
}

/** A name that the client made up, short enough to be sent back. */
export function quoted(name: string): string {
  return name.length <= QUOTED_CHARS_MAX ? name : `${name.slice(0, QUOTED_CHARS_MAX)}…`;
}
