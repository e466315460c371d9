/** The server's side of the wire: client frames from bytes, server frames to bytes, in both forms. */
import { Buffer } from 'node:buffer';
import { ACK_BYTES, writeAck } from './ack-frame.ts';
import { decodeBinary } from './binary.ts';
import { badFrame, type Decoded } from './decoded.ts';
import { type Message, type Page, SERVER_FRAMES, type ServerFrame, type Subprotocol } from './frames.ts';
import { decodeJson } from './json.ts';
import {
  messageBody,
  messageCmid,
  messageConv,
  messageDevice,
  messageFrom,
  messageIsText,
  messageKind,
  messageMentions,
  N_AT,
  readU64,
  SEQ_AT,
  TS_AT,
  writeU32,
} from './message-frame.ts';
import { packFrame, serverFields } from './msgpack.ts';

export type { Decoded, DecodedSend, Refusal } from './decoded.ts';
export type { Subprotocol } from './frames.ts';

/** Never throws: bytes that are no valid frame yield a Refusal. A `send`'s body may view `bytes`. */
export function decodeClient(bytes: Uint8Array, isBinaryMessage: boolean, subprotocol: Subprotocol): Decoded {
  if (subprotocol === 'binary') {
    return isBinaryMessage ? decodeBinary(bytes) : badFrame('carillon.v1 takes binary messages, not text');
  }
  return isBinaryMessage ? badFrame('carillon.v1.json takes text messages, not binary') : decodeJson(bytes);
}

export function encodeServer(
  frame: Exclude<ServerFrame, Message | Page>,
  subprotocol: Subprotocol,
): Uint8Array {
  if (subprotocol === 'json') return Buffer.from(JSON.stringify(frame));
  if (frame.t === 'ack') {
    return encodeAck(
      frame.id,
      frame.conv,
      frame.cmid,
      frame.seq,
      frame.ts,
      frame.duplicate === true,
      'binary',
    );
  }
  return packFrame(SERVER_FRAMES[frame.t].type, serverFields(frame));
}

/** The hot one of the answers: no object, one allocation. */
export function encodeAck(
  id: number,
  conv: string,
  cmid: string,
  seq: number,
  ts: number,
  duplicate: boolean,
  subprotocol: Subprotocol,
): Uint8Array {
  if (subprotocol === 'json') {
    const flag = duplicate ? ',"duplicate":true' : '';
    const ids = `"id":${id},"conv":"${conv}","cmid":"${cmid}"`;
    return Buffer.from(`{"t":"ack",${ids},"seq":${seq},"ts":${ts}${flag}}`, 'latin1');
  }
  const frame = Buffer.allocUnsafe(ACK_BYTES);
  writeAck(frame, id, conv, cmid, seq, ts, duplicate);
  return frame;
}

/** `frames` are `message` frames in their binary form, seqs rising. */
export function encodePage(
  id: number,
  conv: string,
  head: number,
  frames: readonly Uint8Array[],
  more: boolean,
  subprotocol: Subprotocol,
): Uint8Array {
  return subprotocol === 'json'
    ? encodeJsonPage(id, conv, head, frames, more)
    : encodeBinaryPage(id, conv, head, frames, more);
}

function encodeJsonPage(
  id: number,
  conv: string,
  head: number,
  frames: readonly Uint8Array[],
  more: boolean,
): Uint8Array {
  const parts: Uint8Array[] = [
    Buffer.from(`{"t":"page","id":${id},"conv":"${conv}","head":${head},"messages":[`),
  ];
  for (const frame of frames) {
    if (parts.length > 1) parts.push(COMMA);
    parts.push(messageAsJson(frame));
  }
  parts.push(Buffer.from(`],"more":${more}}`));
  return Buffer.concat(parts);
}

const COMMA = Buffer.from(',');

/** Its tail by hand: each message is copied once, into a buffer that is just large enough. */
function encodeBinaryPage(
  id: number,
  conv: string,
  head: number,
  frames: readonly Uint8Array[],
  more: boolean,
): Uint8Array {
  const start = packFrame(SERVER_FRAMES.page.type, [id, conv, head]);
  let length = start.length + 3 + 1;
  for (const frame of frames) length += 5 + frame.length;
  const page = Buffer.allocUnsafe(length);
  page.set(start, 0);
  page[1] = 0x95; // an array of 5: `messages` and `more` follow
  let at = start.length;
  page[at] = 0xdc; // array 16
  page[at + 1] = frames.length >> 8;
  page[at + 2] = frames.length;
  at += 3;
  for (const frame of frames) {
    page[at] = 0xc6; // bin 32
    writeU32(page, at + 1, frame.length);
    page.set(frame, at + 5);
    at += 5 + frame.length;
  }
  page[at] = more ? 0xc3 : 0xc2;
  return page;
}

/** The JSON text of a binary `message` frame, as bytes. */
export function messageAsJson(frame: Uint8Array): Uint8Array {
  const cmid = messageCmid(frame);
  const kind = messageKind(frame);
  const mentions = messageMentions(frame);
  const body = messageIsText(frame)
    ? JSON.stringify(asBuffer(messageBody(frame)).toString())
    : `{"b64":"${asBuffer(messageBody(frame)).toString('base64')}"}`;
  return Buffer.from(
    `{"t":"message","conv":"${messageConv(frame)}","seq":${readU64(frame, SEQ_AT)},"n":${readU64(frame, N_AT)}` +
      `,"ts":${readU64(frame, TS_AT)},"from":"${messageFrom(frame)}","device":"${messageDevice(frame)}"` +
      `${cmid === '' ? '' : `,"cmid":"${cmid}"`},"kind":${JSON.stringify(kind)},"body":${body}` +
      `${mentions.length === 0 ? '' : `,"mentions":${JSON.stringify(mentions)}`}}`,
  );
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
