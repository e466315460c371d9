import assert from 'node:assert/strict';
import test from 'node:test';
import { binaryCodec } from '../../../src/client/binary-codec.ts';
import type { Codec } from '../../../src/client/codec.ts';
import { jsonCodec } from '../../../src/client/json-codec.ts';
import type { ClientFrame, Message, ServerFrame, Subprotocol } from '../../../src/protocol/frames.ts';
import { encodeMessage } from '../../../src/protocol/message-frame.ts';
import {
  decodeClient,
  encodeAck,
  encodePage,
  encodeServer,
  messageAsJson,
} from '../../../src/protocol/server-codec.ts';

const CONV = '0190a000-0000-7000-8000-000000000001';
const CMID = '0190a000-0000-7000-8000-000000000002';
const CODECS: readonly (readonly [Subprotocol, Codec])[] = [
  ['binary', binaryCodec],
  ['json', jsonCodec],
];

const CLIENT_FRAMES: readonly ClientFrame[] = [
  { t: 'hello', token: 'dev:ann', device: 'd', attempt: 7, cursor: undefined, have: [[CONV, 3]] },
  { t: 'hello', token: 'dev:ann', device: 'd', attempt: 7, cursor: 'abc', have: undefined },
  { t: 'auth', id: 1, token: 'x' },
  { t: 'conversations', id: 2, before: undefined, limit: 200 },
  { t: 'create', id: 3, kind: 'group', members: ['bob'], title: undefined, conv: CONV },
  { t: 'history', id: 4, conv: CONV, before: 9, limit: 50 },
  { t: 'members', id: 5, conv: CONV },
  { t: 'members', id: 6, conv: CONV, role: [['bob', 'admin']] },
  { t: 'members', id: 7, conv: CONV, leave: true },
  { t: 'read', conv: CONV, seq: 5 },
  { t: 'ping', id: 8 },
];

/** Without fields that are undefined, which is how absent ones may be written. */
function bare(value: object): object {
  return Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined));
}

/** As the socket hands it over: binary messages as bytes, text messages as a string. */
function arrives(bytes: Uint8Array, subprotocol: Subprotocol): Uint8Array | string {
  return subprotocol === 'json' ? new TextDecoder().decode(bytes) : bytes;
}

test('what the client encodes, the server decodes: every frame, both subprotocols', () => {
  for (const [subprotocol, codec] of CODECS) {
    for (const frame of CLIENT_FRAMES) {
      const data = codec.encode(frame);
      const bytes = typeof data === 'string' ? new TextEncoder().encode(data) : data;
      assert.deepEqual(bare(decodeClient(bytes, typeof data !== 'string', subprotocol)), bare(frame));
    }
    for (const body of ['hi', '', 'é😀', new Uint8Array([0, 255, 7])]) {
      for (const extras of [{}, { kind: 'note' }, { retry: true }]) {
        const data = codec.encode({ t: 'send', id: 9, conv: CONV, cmid: CMID, body, ...extras });
        const bytes = typeof data === 'string' ? new TextEncoder().encode(data) : data;
        const decoded = decodeClient(bytes, typeof data !== 'string', subprotocol);
        assert.ok(decoded.t === 'send');
        assert.equal(decoded.text, typeof body === 'string');
        assert.deepEqual(Buffer.from(decoded.body), Buffer.from(body));
        assert.deepEqual([decoded.id, decoded.conv, decoded.cmid], [9, CONV, CMID]);
        assert.equal(decoded.kind, 'kind' in extras ? 'note' : 'text');
        assert.equal(decoded.retry, 'retry' in extras);
      }
    }
  }
});

test('what the server encodes, the client decodes: every frame, both subprotocols', () => {
  const entry = {
    conv: CONV,
    kind: 'direct',
    peer: 'bob',
    role: 'member',
    head: 5,
    n: 5,
    ts: 1,
    read: 2,
    unread: 3,
  };
  const preview = { seq: 5, from: 'bob', kind: 'text', text: 'hi' };
  const limits = { bodyBytesMax: 1, frameBytesMax: 2, sendsPerSecond: 3, burst: 4, heartbeatMs: 5 };
  const frames = [
    {
      ...{ t: 'welcome', user: 'ann', device: 'd', session: 's', now: 1, limits, cursor: 'c', badge: 0 },
      ...{ conversations: [{ ...entry, preview }], more: true, before: 'b' },
      prefs: { receipts: false, presence: 'nobody' },
    },
    { t: 'ok', id: 1, seq: 4, members: [['ann', 'owner']] },
    { t: 'conversations', id: 2, conversations: [entry], more: false },
    { t: 'created', id: 3, conv: CONV },
    { t: 'pong', id: 4, now: 9 },
    { t: 'error', id: 5, code: 'overloaded', message: 'm', retryable: true, retryAfterMs: 10 },
    { t: 'head', conv: CONV, seq: 6, n: 5, unread: 1 },
    { t: 'conversation', ...entry, removed: 6 },
    { t: 'conversation', ...entry, mentions: 2, badge: 7 },
    { t: 'presence', user: 'bob', online: false, lastSeen: 8 },
    { t: 'prefs', receipts: true, presence: 'contacts' },
    { t: 'reset', conv: CONV },
    { t: 'bye', code: 4000, reason: 'draining', reconnect: true, retryAfterMs: 100 },
  ] as unknown as Exclude<ServerFrame, { t: 'message' | 'page' }>[];
  for (const [subprotocol, codec] of CODECS) {
    for (const frame of frames) {
      const decoded = codec.decode(arrives(encodeServer(frame, subprotocol), subprotocol));
      assert.deepEqual(JSON.parse(JSON.stringify(decoded)), frame);
    }
    const ack = codec.decode(arrives(encodeAck(7, CONV, CMID, 8, 9, true, subprotocol), subprotocol));
    assert.deepEqual(ack, { t: 'ack', id: 7, conv: CONV, cmid: CMID, seq: 8, ts: 9, duplicate: true });
  }
});

test('messages and pages arrive whole, text and bytes, both subprotocols', () => {
  const common = { conv: CONV, n: 1, ts: 1_700_000_000_000, from: 'ann', device: 'd', kind: 'text' };
  const text = encodeMessage({
    ...common,
    seq: 1,
    cmid: CMID,
    body: new TextEncoder().encode('é'),
    text: true,
    mentions: ['bob', 'cat'],
  });
  const bytes = encodeMessage({ ...common, seq: 2, cmid: '', body: new Uint8Array([1, 254]), text: false });
  const wanted: Message[] = [
    { t: 'message', ...common, seq: 1, cmid: CMID, body: 'é', mentions: ['bob', 'cat'] },
    { t: 'message', ...common, seq: 2, body: new Uint8Array([1, 254]) },
  ];
  for (const [subprotocol, codec] of CODECS) {
    for (const [i, frame] of [text, bytes].entries()) {
      const sent = subprotocol === 'json' ? messageAsJson(frame) : frame;
      assert.deepEqual(codec.decode(arrives(sent, subprotocol)), wanted[i]);
    }
    const page = codec.decode(
      arrives(encodePage(4, CONV, 2, [text, bytes], false, subprotocol), subprotocol),
    );
    assert.ok(page?.t === 'page');
    assert.deepEqual([page.id, page.conv, page.head, page.more], [4, CONV, 2, false]);
    assert.equal(page.messages[0]?.body, 'é');
    assert.deepEqual(Buffer.from(page.messages[1]?.body as Uint8Array), Buffer.from([1, 254]));
  }
});

test('an unknown type is passed over; what is no frame throws', () => {
  assert.equal(jsonCodec.decode('{"t":"weather","user":"ann"}'), undefined);
  assert.equal(jsonCodec.decode('{"t":"constructor"}'), undefined);
  for (const text of ['', '[]', 'null', '{}', '{"t":1}', '{']) assert.throws(() => jsonCodec.decode(text));
  assert.equal(binaryCodec.decode(new Uint8Array([0x7f, 0x90])), undefined);
});
