import assert from 'node:assert/strict';
import test from 'node:test';
import { ERRORS, type ErrorCode } from '../../../src/core/errors.ts';
import { decodeServer } from '../../../src/protocol/client-codec.ts';
import type { Message, ServerFrame, Subprotocol } from '../../../src/protocol/frames.ts';
import { encodeAck, encodeServer, messageAsJson } from '../../../src/protocol/server-codec.ts';
import { CMID, concat, CONV, encodeAny, hex, messageBytes, utf8 } from './support.ts';

const FORMS: readonly Subprotocol[] = ['binary', 'json'];
const TS = 1_700_000_000_391;
const TEXT: Message = {
  t: 'message',
  conv: CONV,
  seq: 2 ** 40,
  n: 7,
  ts: TS,
  from: 'alice',
  device: 'd-1',
  cmid: CMID,
  kind: 'text',
  body: 'hi 👋 "quoted" \\ \u0000\n',
};
const BYTES: Message = {
  ...TEXT,
  kind: 'image/ü',
  body: Uint8Array.from({ length: 300 }, (_, i) => i & 255),
};
const { cmid: _, ...withoutCmid } = TEXT;
const SYSTEM: Message = { ...withoutCmid, kind: 'sys.members', body: '{"add":["bob"]}' };
const ENTRY = {
  conv: CONV,
  kind: 'direct',
  role: 'member',
  head: 5,
  n: 5,
  ts: TS,
  read: 0,
  unread: 5,
} as const;
const PREVIEW = { seq: 5, from: 'bob', kind: 'text', text: 'hällo' } as const;
const LIMITS = {
  bodyBytesMax: 16384,
  frameBytesMax: 65536,
  sendsPerSecond: 1000,
  burst: 2000,
  heartbeatMs: 20_000,
};

const FRAMES: readonly ServerFrame[] = [
  {
    t: 'welcome',
    user: 'alice',
    device: 'd',
    session: 's1',
    now: TS,
    limits: LIMITS,
    cursor: 'c',
    conversations: [
      { ...ENTRY, peer: 'bob', preview: PREVIEW } as never,
      { ...ENTRY, kind: 'group', title: 'T' } as never,
    ],
    more: true,
    before: 'b',
    badge: 5,
    prefs: { receipts: false, presence: 'contacts' },
  },
  {
    t: 'welcome',
    user: 'a',
    device: 'd',
    session: 's',
    now: TS,
    limits: LIMITS,
    cursor: '',
    conversations: [],
    more: false,
    badge: 0,
    prefs: { receipts: true, presence: 'everyone' },
  },
  { t: 'presence', user: 'bob', online: true },
  { t: 'presence', user: 'bob', online: false, lastSeen: TS },
  { t: 'prefs', receipts: true, presence: 'nobody' },
  { t: 'ok', id: 1 },
  {
    t: 'ok',
    id: 1,
    seq: 0,
    members: [
      ['a', 'owner'],
      ['b', 'member'],
    ],
  },
  { t: 'conversations', id: 2, conversations: [{ ...ENTRY, removed: 4 } as never], before: 'x', more: true },
  { t: 'conversations', id: 2, conversations: [], more: false },
  { t: 'created', id: 3, conv: CONV },
  { t: 'ack', id: 4, conv: CONV, cmid: CMID, seq: 2 ** 45, ts: TS },
  { t: 'ack', id: 2 ** 31 - 1, conv: CONV, cmid: CMID, seq: 1, ts: TS, duplicate: true },
  { t: 'page', id: 5, conv: CONV, head: 2 ** 40, messages: [TEXT, BYTES, SYSTEM], more: true },
  { t: 'page', id: 5, conv: CONV, head: 0, messages: [], more: false },
  { t: 'page', id: 5, conv: CONV, head: 300, messages: Array<Message>(200).fill(TEXT), more: false },
  { t: 'pong', id: 6, now: TS },
  { t: 'error', id: 7, code: 'overloaded', message: 'wait', retryable: true, retryAfterMs: 100 },
  { t: 'error', code: 'invalid', message: 'seq', retryable: false, re: 'read', conv: CONV },
  TEXT,
  BYTES,
  SYSTEM,
  { ...TEXT, body: '' },
  { t: 'head', conv: CONV, seq: 9, n: 8 },
  { t: 'head', conv: CONV, seq: 9, n: 8, unread: 3 },
  { t: 'conversation', conv: CONV, removed: 5 },
  { t: 'conversation', ...ENTRY, title: 'T', preview: PREVIEW },
  { t: 'reset', conv: CONV },
  { t: 'bye', code: 4000, reason: 'draining', reconnect: true, retryAfterMs: 10 },
  { t: 'bye', code: 4100, reason: 'bad_frame', reconnect: false },
];

for (const form of FORMS) {
  for (const [index, frame] of FRAMES.entries()) {
    test(`${form}: ${frame.t} (${index}) is read as it was written`, () => {
      const bytes = encodeAny(frame, form);
      const read = decodeServer(form === 'json' ? Buffer.from(bytes).toString() : bytes, form);
      assert.deepEqual(plain(read as ServerFrame), plain(frame));
    });
  }
}

/** Bodies of bytes as plain arrays: buffers and views compare by content. */
function plain(frame: ServerFrame): unknown {
  if (frame.t === 'page') return { ...frame, messages: frame.messages.map(plain) };
  return frame.t === 'message' && typeof frame.body !== 'string'
    ? { ...frame, body: [...frame.body] }
    : frame;
}

test('every error code has its number in binary, and reads back', () => {
  for (const code of Object.keys(ERRORS) as ErrorCode[]) {
    const frame: ServerFrame = { t: 'error', id: 1, code, message: 'm', retryable: ERRORS[code].retryable };
    assert.deepEqual(decodeServer(encodeServer(frame, 'binary'), 'binary'), frame);
  }
});

test('an ack is written the same by both encoders, and has 56 bytes', () => {
  for (const form of FORMS) {
    for (const duplicate of [false, true]) {
      const frame: ServerFrame = { t: 'ack', id: 9, conv: CONV, cmid: CMID, seq: 3, ts: TS };
      const whole = encodeServer(duplicate ? { ...frame, duplicate } : frame, form);
      assert.deepEqual(encodeAck(9, CONV, CMID, 3, TS, duplicate, form), whole);
      if (form === 'binary') assert.equal(whole.length, 56);
    }
  }
});

test('integers over 32 bits are msgpack integers, not floats', () => {
  const bytes = encodeServer({ t: 'pong', id: 1, now: TS }, 'binary');
  assert.deepEqual(new Uint8Array(bytes), hex('48 92 01 d3 0000018bcfe56987'));
});

test('messageAsJson writes text as a string and bytes as base64', () => {
  const json = (message: Message) => JSON.parse(Buffer.from(messageAsJson(messageBytes(message))).toString());
  assert.deepEqual(json(TEXT), TEXT);
  assert.deepEqual(json(SYSTEM), SYSTEM);
  assert.deepEqual(json({ ...TEXT, body: Uint8Array.of(0, 255, 1) }), { ...TEXT, body: { b64: 'AP8B' } });
});

test('clients ignore frames and fields of later versions', () => {
  assert.equal(decodeServer(hex('7e 91 01'), 'binary'), undefined);
  assert.equal(decodeServer('{"t":"weather","user":"bob","online":true}', 'json'), undefined);
  assert.equal(decodeServer('{"t":"constructor"}', 'json'), undefined);
  assert.deepEqual(decodeServer(hex('48 93 01 05 a1 78'), 'binary'), { t: 'pong', id: 1, now: 5 });
  const ack = encodeAck(9, CONV, CMID, 3, TS, false, 'binary');
  assert.deepEqual(decodeServer(concat(ack, hex('81 a1 78 01')), 'binary'), decodeServer(ack, 'binary'));
  const withExtras = concat(messageBytes(TEXT), hex('81 a1 78 01'));
  withExtras[1] = (withExtras[1] as number) | 0x80;
  assert.deepEqual(decodeServer(withExtras, 'binary'), TEXT);
  const unknownCode = decodeServer(hex('49 94 01 cc c8 a1 6d c3'), 'binary');
  assert.deepEqual(unknownCode, { t: 'error', id: 1, code: 'internal', message: 'm', retryable: true });
});

test('clients throw on bytes that are no frame', () => {
  assert.throws(() => decodeServer('[]', 'json'), /JSON object/);
  assert.throws(() => decodeServer('{', 'json'), SyntaxError);
  assert.throws(() => decodeServer('{}', 'binary'), /binary messages/);
  assert.throws(() => decodeServer(hex('48 c0'), 'binary'), /msgpack array/);
  assert.throws(() => decodeServer(hex('48 92 01'), 'binary'));
  assert.throws(() => decodeServer(messageBytes(TEXT).subarray(0, 90), 'binary'), /cut short/);
  assert.throws(() => decodeServer(hex('51 01'), 'binary'), /cut short/);
  assert.throws(() => decodeServer(hex('50 00'), 'binary'), /56 bytes/);
});

test('a JSON frame may come as bytes too', () => {
  assert.deepEqual(decodeServer(utf8('{"t":"ok","id":1}'), 'json'), { t: 'ok', id: 1 });
});
