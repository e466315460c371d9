/** The binary form of frames that clients send. */
import { Buffer, isUtf8 } from 'node:buffer';
import { uuidFromBytes } from '../core/ids.ts';
import {
  badFrame,
  bodyTooLarge,
  type Decoded,
  type DecodedSend,
  isRequestId,
  quoted,
  refuse,
} from './decoded.ts';
import { CLIENT_FRAMES, type ClientFrame, LATER_FRAMES } from './frames.ts';
import { LIMITS } from './limits.ts';
import { readU32 } from './message-frame.ts';
import { fromFields, unpackExtras, unpackFields } from './msgpack.ts';
import { leadingInteger, type ScanProblem, scanMsgpack } from './msgpack-scan.ts';
import {
  SEND_BODY_BYTES_AT,
  SEND_CMID_AT,
  SEND_CONV_AT,
  SEND_EXTRAS,
  SEND_HEADER_BYTES,
  SEND_ID_AT,
  SEND_RETRY,
  SEND_TEXT,
} from './send-frame.ts';
import { checkFrame, isKind, KIND_EXPECTED, mentionsProblem } from './validate.ts';

const SEND = CLIENT_FRAMES.send.type;
const UNKNOWN_FLAGS = 0xff & ~(SEND_TEXT | SEND_RETRY | SEND_EXTRAS);

type ArrayFrame = Exclude<ClientFrame['t'], 'send'>;
const ARRAY_FRAMES = new Map<number | undefined, ArrayFrame>(
  Object.entries(CLIENT_FRAMES)
    .filter(([t]) => t !== 'send')
    .map(([t, spec]) => [spec.type, t as ArrayFrame]),
);
const LATER = new Map<number | undefined, string>(Object.entries(LATER_FRAMES).map(([t, type]) => [type, t]));

/** `bytes` is one binary WebSocket message. */
export function decodeBinary(bytes: Uint8Array): Decoded {
  if (bytes.length > LIMITS.binaryFrameBytesMax) {
    return badFrame(`a frame has ${bytes.length} bytes: it may have up to ${LIMITS.binaryFrameBytesMax}`);
  }
  if (bytes.length === 0) return badFrame('a frame is empty: it must begin with the byte of its type');
  return bytes[0] === SEND ? decodeSend(bytes) : decodeArrayFrame(bytes);
}

function decodeArrayFrame(bytes: Uint8Array): Decoded {
  const type = bytes[0] as number;
  const t = ARRAY_FRAMES.get(type);
  if (t === undefined) return unsupported(bytes, type);
  const problem = scanMsgpack(bytes, 1, 'array');
  const { fields } = CLIENT_FRAMES[t];
  if (problem !== undefined) return notScanned(bytes, t, problem);
  const values = unpackFields(bytes);
  const value: Record<string, unknown> = { t, ...fromFields(values, fields) };
  if (values.length > fields.length) {
    const message = `${t} has ${values.length} fields: its array must hold up to ${fields.length}: ${fields.join(', ')}`;
    return refuse('invalid', message, t, value.id, value.conv);
  }
  const frame = checkFrame(t, value);
  if (frame.t === 'problem') return refuse(frame.code, frame.message, t, value.id, value.conv);
  return frame as Exclude<ClientFrame, { t: 'send' }>;
}

function notScanned(bytes: Uint8Array, t: ArrayFrame, problem: ScanProblem): Decoded {
  if (problem.malformed) return badFrame(`${t}: ${problem.message}`);
  return refuse(
    'invalid',
    problem.message,
    t,
    CLIENT_FRAMES[t].fields[0] === 'id' ? leadingInteger(bytes, 1) : 0,
  );
}

/** The id is a guess: where all frames with one have it. */
function unsupported(bytes: Uint8Array, type: number): Decoded {
  const hex = `0x${type.toString(16).padStart(2, '0')}`;
  const later = LATER.get(type);
  const message =
    later === undefined ? `type ${hex} is no frame that a client sends` : `${later} is of a later version`;
  return refuse('unsupported', message, later ?? hex, leadingInteger(bytes, 1));
}

/** The header is read in place; the body is a view of `bytes`. */
function decodeSend(bytes: Uint8Array): Decoded {
  if (bytes.length < SEND_HEADER_BYTES)
    return refuseSend(bytes, `a send must have ${SEND_HEADER_BYTES} bytes or more`);
  const flags = bytes[1] as number;
  const kindBytes = bytes[2] as number;
  const id = readU32(bytes, SEND_ID_AT);
  const bodyBytes = readU32(bytes, SEND_BODY_BYTES_AT);
  const bodyAt = SEND_HEADER_BYTES + kindBytes;
  const end = bodyAt + bodyBytes;
  if (!isRequestId(id)) return refuseSend(bytes, `id must be an integer from 1 to ${LIMITS.requestIdMax}`);
  if ((flags & UNKNOWN_FLAGS) !== 0) return refuseSend(bytes, 'flags must be of 0x01, 0x02 and 0x80');
  if (bytes[3] !== 0) return refuseSend(bytes, 'the byte behind kind bytes must be 0');
  if (end > bytes.length) return refuseSend(bytes, 'kind bytes and body bytes must lie within the frame');
  if (bodyBytes > LIMITS.bodyBytesMax) return bodyTooLarge(id, bodyBytes);
  let mentions: readonly string[] | undefined;
  if ((flags & SEND_EXTRAS) !== 0) {
    const extras = readExtras(bytes, end);
    if (typeof extras === 'string') return refuseSend(bytes, extras);
    mentions = extras.mentions;
  } else if (end !== bytes.length)
    return refuseSend(bytes, 'the frame must end with the body, without flag 0x80');
  const body = bytes.subarray(bodyAt, end);
  const text = (flags & SEND_TEXT) !== 0;
  if (text && !isUtf8(body)) return refuseSend(bytes, 'body must be UTF-8, or be sent without flag 0x01');
  const kind = kindBytes === 0 ? 'text' : readKind(bytes.subarray(SEND_HEADER_BYTES, bodyAt));
  if (kind === undefined) return refuseSend(bytes, `kind must be ${KIND_EXPECTED}`);
  return {
    t: 'send',
    id,
    conv: uuidFromBytes(bytes, SEND_CONV_AT),
    cmid: uuidFromBytes(bytes, SEND_CMID_AT),
    body,
    text,
    kind,
    retry: (flags & SEND_RETRY) !== 0,
    mentions,
  };
}

function readKind(bytes: Uint8Array): string | undefined {
  if (!isUtf8(bytes)) return undefined;
  const kind = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();
  return isKind(kind) ? kind : undefined;
}

/** The fields behind the body; a string says what is wrong with them. */
function readExtras(bytes: Uint8Array, at: number): Pick<DecodedSend, 'mentions'> | string {
  const problem = scanMsgpack(bytes, at, 'map');
  if (problem !== undefined) return `with flag 0x80 a msgpack map must follow the body: ${problem.message}`;
  const { mentions, ...unknown } = unpackExtras(bytes.subarray(at));
  const [name] = Object.keys(unknown);
  if (name !== undefined)
    return `the map behind the body has no field ${JSON.stringify(quoted(name))}: its field is mentions`;
  if (mentions === undefined || mentions === null) return { mentions: undefined };
  return mentionsProblem(mentions) ?? { mentions: mentions as string[] };
}

function refuseSend(bytes: Uint8Array, message: string): Decoded {
  const id = bytes.length < SEND_CONV_AT ? 0 : readU32(bytes, SEND_ID_AT);
  const conv = bytes.length < SEND_CMID_AT ? undefined : uuidFromBytes(bytes, SEND_CONV_AT);
  return refuse('invalid', message, 'send', id, conv);
}
