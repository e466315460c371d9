/** What the tests of the codec share. */
import assert from 'node:assert/strict';
import type { ClientFrame, Message, ServerFrame, Subprotocol } from '../../../src/protocol/frames.ts';
import { encodeClient } from '../../../src/protocol/client-codec.ts';
import { encodeMessage } from '../../../src/protocol/message-frame.ts';
import {
  type Decoded,
  decodeClient,
  encodePage,
  encodeServer,
  messageAsJson,
  type Refusal,
} from '../../../src/protocol/server-codec.ts';

export const CONV = '018bcfe5-6800-7abc-8def-0123456789ab';
export const CMID = '018bcfe5-6987-7000-8000-00000000002a';

export function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text);
}

/** What the server makes of what the client writes. */
export function throughServer(frame: ClientFrame, subprotocol: Subprotocol): Decoded {
  const data = encodeClient(frame, subprotocol);
  return typeof data === 'string'
    ? decodeClient(utf8(data), false, subprotocol)
    : decodeClient(data, true, subprotocol);
}

/** The server's view of a frame as the client's: a `send` with a string or bytes, absent what are defaults. */
export function asClientFrame(decoded: Decoded): ClientFrame {
  assert.notEqual(decoded.t, 'refused', JSON.stringify(decoded));
  if (decoded.t !== 'send') return decoded as ClientFrame;
  const { id, conv, cmid, text, kind, retry, mentions } = decoded;
  const body = text
    ? new TextDecoder('utf-8', { ignoreBOM: true }).decode(decoded.body)
    : decoded.body.slice();
  return {
    t: 'send',
    id,
    conv,
    cmid,
    body: typeof body === 'string' ? body : new Uint8Array(body),
    ...(kind === 'text' ? {} : { kind }),
    ...(retry ? { retry } : {}),
    ...(mentions === undefined ? {} : { mentions }),
  };
}

/** A server frame in bytes, by whichever of the encoders is for it. */
export function encodeAny(frame: ServerFrame, subprotocol: Subprotocol): Uint8Array {
  if (frame.t === 'message')
    return subprotocol === 'binary' ? messageBytes(frame) : messageAsJson(messageBytes(frame));
  if (frame.t !== 'page') return encodeServer(frame, subprotocol);
  const { id, conv, head, messages, more } = frame;
  return encodePage(id, conv, head, messages.map(messageBytes), more, subprotocol);
}

export function messageBytes(message: Message): Uint8Array {
  const { body } = message;
  return encodeMessage({
    ...message,
    cmid: message.cmid ?? '',
    body: typeof body === 'string' ? utf8(body) : body,
    text: typeof body === 'string',
  });
}

export function refused(decoded: Decoded): Refusal {
  assert.equal(decoded.t, 'refused', `expected a refusal, not ${JSON.stringify(decoded)}`);
  return decoded as Refusal;
}

/** Bytes from hexadecimal text; blanks are ignored. */
export function hex(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text.replaceAll(/\s/g, ''), 'hex'));
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts));
}

/** The refusal that the bytes, or the text, must meet with. */
export const binary = (bytes: Uint8Array): Refusal => refused(decodeClient(bytes, true, 'binary'));
export const json = (text: string): Refusal => refused(decodeClient(utf8(text), false, 'json'));
export function closes(refusal: Refusal, message: RegExp): void {
  assert.equal(refusal.close, 'bad_frame');
  assert.match(refusal.message, message);
}

export function isInvalid(refusal: Refusal, message: RegExp, id: number | undefined): void {
  assert.equal(refusal.code, 'invalid');
  assert.equal(refusal.close, undefined);
  assert.match(refusal.message, message);
  assert.equal(refusal.id, id);
}

export const SEND = encodeClient(
  { t: 'send', id: 7, conv: CONV, cmid: CMID, body: 'hi' },
  'binary',
) as Uint8Array;

/** A send with bytes overwritten. */
export function sendWith(
  at: number,
  bytes: readonly number[],
  tail: Uint8Array = new Uint8Array(0),
): Uint8Array {
  const frame = concat(SEND, tail);
  frame.set(bytes, at);
  return frame;
}
