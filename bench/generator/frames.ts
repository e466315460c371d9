/** The hot frames, read and written in place (docs/protocol.md gives the layouts). */
import { writeU32 } from '../../src/protocol/message-frame.ts';
import { SEND_RETRY, SEND_TEXT } from '../../src/protocol/send-frame.ts';

export const SEND = 0x10;
export const ACK = 0x50;
export const MESSAGE = 0x51;

export const SEND_HEADER_BYTES = 44;
export const ACK_BYTES = 56;

/** Offsets shared by `send`, `ack` and `message`. */
export const ID_AT = 4;
export const CONV_AT = 8;
export const CMID_AT = 24;

/** A body says whose it is: its first characters are the message's number in hex, the rest is filler. */
export const BODY_BYTES_MIN = 8;

const HEX = Array.from('0123456789abcdef', (digit) => digit.charCodeAt(0));

/**
 * A client message id is a UUIDv7 whose random part holds the conversation's index (u24) and the message's number
 * (u32), so that a delivery can be checked from its header alone.
 */
export class SendTemplate {
  readonly frameBytes: number;
  readonly #frame: Buffer;

  constructor(bodyBytes: number) {
    if (bodyBytes < BODY_BYTES_MIN) throw new RangeError(`a body has at least ${BODY_BYTES_MIN} bytes`);
    this.frameBytes = SEND_HEADER_BYTES + bodyBytes;
    this.#frame = Buffer.alloc(this.frameBytes, 'the quick brown fox jumps over the lazy dog. ');
    this.#frame.fill(0, 0, SEND_HEADER_BYTES);
    this.#frame[0] = SEND;
    this.#frame[1] = SEND_TEXT;
    writeU32(this.#frame, 40, bodyBytes);
    this.setTime(Date.now());
  }

  /** The time in the UUIDs to come; often enough is once a second. */
  setTime(unixMs: number): void {
    this.#frame.writeUIntBE(unixMs, CMID_AT, 6);
    this.#frame[CMID_AT + 6] = 0x70;
    this.#frame[CMID_AT + 8] = 0x80;
  }

  /** Writes the frame at `at`; `convs` holds the conversations' ids, 16 bytes each. */
  write(
    out: Buffer,
    at: number,
    id: number,
    convs: Uint8Array,
    conversation: number,
    number: number,
    isRetry: boolean,
  ): void {
    out.set(this.#frame, at);
    if (isRetry) out[at + 1] = SEND_TEXT | SEND_RETRY;
    writeU32(out, at + ID_AT, id);
    for (let i = 0; i < 16; i++) out[at + CONV_AT + i] = convs[conversation * 16 + i] as number;
    out[at + CMID_AT + 9] = conversation >>> 16;
    out[at + CMID_AT + 10] = conversation >>> 8;
    out[at + CMID_AT + 11] = conversation;
    writeU32(out, at + CMID_AT + 12, number);
    for (let i = 0; i < 8; i++)
      out[at + SEND_HEADER_BYTES + i] = HEX[(number >>> (28 - 4 * i)) & 15] as number;
  }
}

/** The conversation's index in a client message id that starts at `cmidAt`. */
export function cmidConversation(bytes: Uint8Array, cmidAt: number): number {
  return (
    ((bytes[cmidAt + 9] as number) << 16) |
    ((bytes[cmidAt + 10] as number) << 8) |
    (bytes[cmidAt + 11] as number)
  );
}
/** The message's number in a client message id that starts at `cmidAt`. */
export function cmidNumber(bytes: Uint8Array, cmidAt: number): number {
  return (
    (((bytes[cmidAt + 12] as number) << 24) |
      ((bytes[cmidAt + 13] as number) << 16) |
      ((bytes[cmidAt + 14] as number) << 8) |
      (bytes[cmidAt + 15] as number)) >>>
    0
  );
}

/** Whether the body at `at` is the one that `SendTemplate` writes for the number, as far as its first bytes tell. */
export function bodyNames(bytes: Uint8Array, at: number, number: number): boolean {
  for (let i = 0; i < 8; i++) if (bytes[at + i] !== HEX[(number >>> (28 - 4 * i)) & 15]) return false;
  return true;
}

/** Whether the 16 bytes at `at` are the id of the conversation with this index. */
export function convMatches(bytes: Uint8Array, at: number, convs: Uint8Array, conversation: number): boolean {
  const from = conversation * 16;
  if (from + 16 > convs.length) return false;
  for (let i = 0; i < 16; i++) if (bytes[at + i] !== convs[from + i]) return false;
  return true;
}
