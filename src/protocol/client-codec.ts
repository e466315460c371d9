/** The client's side of the wire, for browsers and Node: client frames to bytes or text, server frames from them. */
import { isUuid } from '../core/ids.ts';
import { readAck } from './ack-frame.ts';
import {
  CLIENT_FRAMES,
  type ClientFrame,
  type Message,
  NESTED,
  SERVER_FRAMES,
  type ServerFrame,
  type Subprotocol,
} from './frames.ts';
import {
  BODY_BYTES_AT,
  MESSAGE_HEADER_BYTES,
  messageBody,
  messageCmid,
  messageConv,
  messageDevice,
  messageFrom,
  messageIsText,
  messageKind,
  messageMentions,
  messageText,
  N_AT,
  readU32,
  readU64,
  SEQ_AT,
  TS_AT,
} from './message-frame.ts';
import { entryFromFields, errorCode, fromFields, packFrame, toFields, unpackFields } from './msgpack.ts';
import { encodeSend } from './send-frame.ts';

export type { Subprotocol } from './frames.ts';

const LONE_SURROGATE = /\p{Cs}/u;
/** Arguments of one call that is safe everywhere. */
const CHUNK_BYTES = 8_192;

/** Bytes for a binary message, or the string for a text message. Throws a TypeError on a `send` that can't be one. */
export function encodeClient(frame: ClientFrame, subprotocol: Subprotocol): Uint8Array | string {
  if (frame.t === 'send') {
    if (!isUuid(frame.conv)) throw new TypeError('conv must be a UUID in lower case');
    if (!isUuid(frame.cmid)) throw new TypeError('cmid must be a UUID in lower case');
    if (typeof frame.body === 'string' && LONE_SURROGATE.test(frame.body)) {
      throw new TypeError('body holds a lone surrogate: it must be Unicode text, or bytes'); // encoders would alter it
    }
    if (subprotocol === 'binary') return encodeSend(frame);
    const { body } = frame;
    return JSON.stringify(typeof body === 'string' ? frame : { ...frame, body: { b64: toBase64(body) } });
  }
  if (subprotocol === 'json') return JSON.stringify(frame);
  const spec = CLIENT_FRAMES[frame.t];
  return packFrame(spec.type, toFields(frame, spec.fields));
}

/**
 * undefined for a frame of a type that this client does not know, which is to be ignored, as unknown fields are.
 * Throws on bytes that are no frame at all. Bodies and pages may view `data`.
 */
export function decodeServer(data: Uint8Array | string, subprotocol: Subprotocol): ServerFrame | undefined {
  if (subprotocol === 'json')
    return decodeJson(typeof data === 'string' ? data : new TextDecoder().decode(data));
  if (typeof data === 'string') throw new TypeError('carillon.v1 has binary messages, not text');
  const t = NAMES.get(data[0]);
  if (t === undefined) return undefined;
  if (t === 'ack') return readAck(data);
  if (t === 'message') return readMessage(data);
  return { t, ...readFields(t, unpackFields(data)) } as unknown as ServerFrame;
}

const NAMES = new Map<number | undefined, ServerFrame['t']>(
  Object.entries(SERVER_FRAMES).map(([t, spec]) => [spec.type, t as ServerFrame['t']]),
);

function readFields(t: ServerFrame['t'], values: readonly unknown[]): Record<string, unknown> {
  if (t === 'conversation') return entryFromFields(values);
  const frame = fromFields(values, SERVER_FRAMES[t].fields);
  if (t === 'welcome') {
    frame.limits = fromFields(frame.limits as unknown[], NESTED.limits);
    if (Array.isArray(frame.prefs)) frame.prefs = fromFields(frame.prefs, NESTED.prefs);
  }
  if (t === 'welcome' || t === 'conversations') {
    frame.conversations = (frame.conversations as unknown[][]).map(entryFromFields);
  }
  if (t === 'page') frame.messages = (frame.messages as Uint8Array[]).map(readMessage);
  if (t === 'error') frame.code = errorCode(frame.code);
  return frame;
}

/** Other fields behind the body are of a later protocol, and ignored. */
function readMessage(frame: Uint8Array): Message {
  const body = messageBody(frame);
  if (frame.length < MESSAGE_HEADER_BYTES || body.length !== readU32(frame, BODY_BYTES_AT)) {
    throw new RangeError('a message is cut short');
  }
  const cmid = messageCmid(frame);
  const mentions = messageMentions(frame);
  const message: Message = {
    t: 'message',
    conv: messageConv(frame),
    seq: readU64(frame, SEQ_AT),
    n: readU64(frame, N_AT),
    ts: readU64(frame, TS_AT),
    from: messageFrom(frame),
    device: messageDevice(frame),
    kind: messageKind(frame),
    body: messageIsText(frame) ? messageText(frame) : body,
  };
  return { ...message, ...(cmid !== '' && { cmid }), ...(mentions.length > 0 && { mentions }) };
}

function decodeJson(text: string): ServerFrame | undefined {
  const frame: unknown = JSON.parse(text);
  if (typeof frame !== 'object' || frame === null || Array.isArray(frame)) {
    throw new TypeError('a frame must be a JSON object');
  }
  const { t } = frame as Record<string, unknown>;
  if (typeof t !== 'string' || !Object.hasOwn(SERVER_FRAMES, t)) return undefined;
  const known = frame as ServerFrame;
  if (known.t === 'message') return withBytes(known);
  return known.t === 'page' ? { ...known, messages: known.messages.map(withBytes) } : known;
}

function withBytes(message: Message): Message {
  const body = message.body as string | { readonly b64: string };
  return typeof body === 'string' ? message : { ...message, body: fromBase64(body.b64) };
}

function toBase64(bytes: Uint8Array): string {
  let binary = '';
  for (let at = 0; at < bytes.length; at += CHUNK_BYTES) {
    binary += String.fromCharCode(...bytes.subarray(at, at + CHUNK_BYTES));
  }
  return btoa(binary);
}

function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
}
