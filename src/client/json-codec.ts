import { type ClientFrame, SERVER_FRAMES, type ServerFrame, SUBPROTOCOLS } from '../protocol/frames.ts';
import type { Codec } from './codec.ts';

/** The JSON subprotocol, needing no library: what the page uses. */
export const jsonCodec: Codec = {
  subprotocol: SUBPROTOCOLS.json,

  encode(frame: ClientFrame): string {
    if (frame.t !== 'send' || typeof frame.body === 'string') return JSON.stringify(frame);
    return JSON.stringify({ ...frame, body: { b64: toBase64(frame.body) } });
  },

  decode(data: Uint8Array | string): ServerFrame | undefined {
    const frame: unknown = JSON.parse(
      typeof data === 'string' ? data : new TextDecoder().decode(data),
      reviveBody,
    );
    if (!isObject(frame) || typeof frame.t !== 'string') throw new TypeError('not an object with `t`');
    return Object.hasOwn(SERVER_FRAMES, frame.t) ? (frame as unknown as ServerFrame) : undefined;
  },
};

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A body of bytes travels as {"b64": …}. */
function reviveBody(name: string, value: unknown): unknown {
  return name === 'body' && isObject(value) && typeof value.b64 === 'string' ? fromBase64(value.b64) : value;
}

function toBase64(bytes: Uint8Array): string {
  let binary = '';
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary);
}

function fromBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
}
