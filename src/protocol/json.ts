/** The JSON form of frames that clients send. */
import { Buffer, isUtf8 } from 'node:buffer';
import { badFrame, bodyTooLarge, type Decoded, quoted, refuse } from './decoded.ts';
import { CLIENT_FRAMES, type ClientFrame, LATER_FRAMES, type Send } from './frames.ts';
import { LIMITS } from './limits.ts';
import { checkFrame } from './validate.ts';

const LONE_SURROGATE = /\p{Cs}/u;

/** `bytes` is the text of one WebSocket message. */
export function decodeJson(bytes: Uint8Array): Decoded {
  if (bytes.length > LIMITS.jsonFrameBytesMax) {
    return badFrame(`a frame has ${bytes.length} bytes: it may have up to ${LIMITS.jsonFrameBytesMax}`);
  }
  const value = parse(bytes);
  if (value === undefined) return badFrame('a frame must be a JSON object');
  const { t, id, conv } = value;
  if (typeof t !== 'string')
    return refuse('invalid', 't is missing: it must be the name of a frame', undefined, id, conv);
  if (!Object.hasOwn(CLIENT_FRAMES, t)) {
    const known = Object.hasOwn(LATER_FRAMES, t)
      ? 'is of a later version'
      : 'is no frame that a client sends';
    return refuse('unsupported', `t ${JSON.stringify(quoted(t))} ${known}`, t, id, conv);
  }
  const frame = checkFrame(t as ClientFrame['t'], value);
  if (frame.t === 'problem') return refuse(frame.code, frame.message, t, id, conv);
  return frame.t === 'send' ? decodeSend(frame) : frame;
}

function parse(bytes: Uint8Array): Record<string, unknown> | undefined {
  if (!isUtf8(bytes)) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString());
  } catch {
    return undefined; // a SyntaxError: no JSON
  }
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Record<string, unknown>)
    : undefined;
}

function decodeSend(send: Send): Decoded {
  const { id, conv, cmid, mentions } = send;
  const text = typeof send.body === 'string';
  const body = text ? textBytes(send.body as string) : base64Bytes(send.body);
  if (typeof body === 'string') return refuse('invalid', body, 'send', id, conv);
  if (body.length > LIMITS.bodyBytesMax) return bodyTooLarge(id, body.length);
  const { kind = 'text', retry = false } = send;
  return { t: 'send', id, conv, cmid, body, text, kind, retry, mentions };
}

/** A string says what is wrong. */
function textBytes(text: string): Uint8Array | string {
  if (LONE_SURROGATE.test(text)) return 'body holds a lone surrogate: it must be Unicode text, or {"b64": …}';
  return Buffer.from(text);
}

/** Standard alphabet, padded, and the one encoding of its bytes: what re-encoding yields again. */
function base64Bytes(body: unknown): Uint8Array | string {
  if (typeof body !== 'object' || body === null) return 'body must be a string, or {"b64": …} for bytes';
  const text: unknown = (body as Record<string, unknown>).b64;
  if (typeof text !== 'string' || Object.keys(body).length !== 1) {
    return 'body must be a string, or {"b64": …} with that one field, a string';
  }
  const bytes = Buffer.from(text, 'base64');
  return bytes.toString('base64') === text
    ? bytes
    : 'body.b64 must be padded base64 of the standard alphabet';
}
