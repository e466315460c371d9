import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import {
  readAck,
  readAnswer,
  readPage,
  readAsked,
  readAwaited,
  readRedirect,
  writeAnswer,
  writeAsked,
  writeAwaited,
  writeRedirect,
} from '../../../cluster/peer/answer-codec.ts';
import {
  eventSet,
  isEvent,
  readCursor,
  readEntry,
  readEvent,
  readForget,
  readHead,
  readReceipt,
  readSet,
  readTyping,
  writeEntry,
  writeEvent,
  writeForget,
  writeHead,
  writeReceipt,
  writeSet,
  writeTyping,
} from '../../../cluster/peer/delivery-codec.ts';
import { FRAME } from '../../../cluster/peer/frame.ts';
import { readHeader, readRanges, writeRanges } from '../../../cluster/peer/packet.ts';
import {
  readSettings,
  readSnapshot,
  readState,
  readUsers,
  writeResync,
} from '../../../cluster/peer/presence-codec.ts';
import { readRequest, readSend, writeRequest } from '../../../cluster/peer/request-codec.ts';
import type { Entry } from '../../../src/core/entry.ts';
import { ERRORS, type ErrorCode } from '../../../src/core/errors.ts';
import type { Answer, MemberChange, NodeRequest } from '../../../src/core/requests.ts';
import { VISIBILITIES } from '../../../src/core/users.ts';
import { encodeMessage } from '../../../src/protocol/message-frame.ts';
import { written } from './one-frame.ts';

function record<T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc.record(model, { noNullPrototype: true }) as fc.Arbitrary<T>;
}

const EDGE = '00000001-0000-7000-8000-000000000000';
const name = fc.stringMatching(/^[A-Za-z0-9._@:-]{1,64}$/);
const uuid = fc.uuid();
const count = fc.oneof(fc.nat(), fc.maxSafeNat());
const u32 = fc.integer({ min: 0, max: 2 ** 32 - 1 });
const bytes = fc.uint8Array({ maxLength: 300 });
const role = fc.constantFrom('owner' as const, 'admin' as const, 'member' as const);
const kind = fc.constantFrom('direct' as const, 'group' as const, 'supergroup' as const);
const text = fc.string({ unit: 'grapheme', maxLength: 40 });
const users = fc.array(name, { maxLength: 20 });
const roles = fc.array(fc.tuple(name, role), { maxLength: 20 });
const receipts = fc.array(fc.tuple(name, count, count), { maxLength: 20 });
const optional = <T>(of: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> => fc.option(of, { nil: undefined });

const base = { edge: fc.constant(EDGE), session: count, conv: uuid, user: name, device: name, bytes: u32 };
const send = record({
  t: fc.constant('send' as const),
  ...base,
  id: u32,
  cmid: uuid,
  kind: fc.oneof(fc.constant('text'), fc.string({ unit: 'grapheme', minLength: 1, maxLength: 32 })),
  body: bytes,
  text: fc.boolean(),
  mentions: optional(fc.array(name, { minLength: 1, maxLength: 64 })),
  retry: fc.boolean(),
  ordinal: u32,
  base: u32,
  after: count,
});
const change: fc.Arbitrary<MemberChange | undefined> = fc.oneof(
  fc.constant(undefined),
  record({ op: fc.constantFrom('add' as const, 'remove' as const), users }),
  record({ op: fc.constant('role' as const), roles }),
  fc.constant({ op: 'leave' as const }),
);
const other: fc.Arbitrary<NodeRequest> = fc.oneof(
  record({
    t: fc.constant('create' as const),
    ...base,
    id: u32,
    kind,
    members: users,
    title: optional(text),
  }),
  record({
    t: fc.constant('history' as const),
    ...base,
    id: u32,
    after: optional(count),
    before: optional(count),
    limit: count,
  }),
  record({ t: fc.constant('members' as const), ...base, id: u32, change }),
  record({
    t: fc.constant('read' as const),
    ...base,
    id: fc.constant(0),
    seq: count,
    isHidden: fc.boolean(),
  }),
  record({
    t: fc.constant('settings' as const),
    ...base,
    id: u32,
    receipts: optional(fc.boolean()),
    presence: optional(fc.constantFrom(...VISIBILITIES)),
    base: count,
  }),
  record({ t: fc.constant('delivered' as const), ...base, id: fc.constant(0), seq: count }),
  record({ t: fc.constant('typing' as const), ...base, id: fc.constant(0), on: fc.boolean() }),
  record({
    t: fc.constant('receipts' as const),
    ...base,
    id: u32,
    seq: optional(count),
    before: optional(name),
    limit: count,
  }),
);
const answer: fc.Arbitrary<Answer> = fc.oneof(
  record({ t: fc.constant('ack' as const), seq: count, ts: count, duplicate: fc.boolean() }),
  record({ t: fc.constant('created' as const) }),
  record({
    t: fc.constant('page' as const),
    head: count,
    frames: fc.array(bytes, { maxLength: 5 }),
    more: fc.boolean(),
  }),
  record({
    t: fc.constant('grant' as const),
    head: count,
    from: count,
    to: count,
    newestFirst: fc.boolean(),
    limit: count,
    moreBeyond: fc.boolean(),
  }),
  record({ t: fc.constant('ok' as const), seq: count, members: optional(roles) }),
  record({
    t: fc.constant('receipts' as const),
    items: receipts,
    read: optional(count),
    before: optional(name),
  }),
  record({
    t: fc.constant('error' as const),
    code: fc.constantFrom(...(Object.keys(ERRORS) as ErrorCode[])),
    message: text,
    retryAfterMs: optional(count),
  }),
);
const entry: fc.Arbitrary<Entry> = record({
  conv: uuid,
  kind,
  title: optional(text),
  peer: optional(name),
  role,
  removed: optional(count),
  head: count,
  n: count,
  ts: count,
  read: count,
  unread: count,
  preview: optional(record({ seq: count, from: name, kind: text, text })),
  mentions: optional(count),
}).map(({ mentions, ...rest }) => (mentions === undefined ? rest : { ...rest, mentions }));

test('every request comes out as it went in', () => {
  fc.assert(
    fc.property(send, count, fc.boolean(), u32, count, (request, ticket, isResend, lowest, after) => {
      const frame = written((sink) => writeRequest(sink, request, ticket, isResend, lowest, after));
      assert.equal(frame.type, FRAME.send);
      const place = { base: lowest, after };
      const expected = { ...request, retry: request.retry || isResend, ...place, ticket, isResend };
      assert.deepEqual(
        frame.read((...at) => readSend(EDGE, ...at)),
        expected,
      );
    }),
  );
  fc.assert(
    fc.property(other, count, fc.boolean(), (request, ticket, isResend) => {
      const frame = written((sink) => writeRequest(sink, request, ticket, isResend, 0, 0));
      assert.equal(frame.type, FRAME.request);
      assert.deepEqual(
        frame.read((...at) => readRequest(EDGE, ...at)),
        { ...request, ticket, isResend },
      );
    }),
  );
});

test('every answer comes out as it went in', () => {
  const readers = new Map([
    [FRAME.ack, readAck],
    [FRAME.page, readPage],
    [FRAME.answer, readAnswer],
  ] as [number, typeof readAnswer][]);
  fc.assert(
    fc.property(answer, count, (given, ticket) => {
      const frame = written((sink) => writeAnswer(sink, ticket, given));
      const reader = readers.get(frame.type);
      assert.ok(reader);
      assert.deepEqual(frame.read(reader), { ticket, answer: given });
    }),
  );
  fc.assert(
    fc.property(count, uuid, (ticket, owner) => {
      const frame = written((sink) => writeRedirect(sink, ticket, owner));
      assert.deepEqual(frame.read(readRedirect), { ticket, owner });
    }),
  );
  fc.assert(
    fc.property(count, count, fc.boolean(), (number, ticket, isAwaited) => {
      const asked = written((sink) => writeAsked(sink, number, ticket));
      assert.deepEqual([asked.type, asked.read(readAsked)], [FRAME.asked, [number, ticket]]);
      const said = written((sink) => writeAwaited(sink, number, isAwaited));
      assert.deepEqual([said.type, said.read(readAwaited)], [FRAME.awaited, [number, isAwaited]]);
    }),
  );
});

test('every delivery comes out as it went in, an event with its frame unchanged', () => {
  const message = record({
    conv: uuid,
    seq: count,
    n: count,
    ts: count,
    from: name,
    device: name,
    cmid: fc.oneof(uuid, fc.constant('')),
    kind: fc.constant('text'),
    body: bytes,
    text: fc.boolean(),
  });
  fc.assert(
    fc.property(message, u32, count, users, count, (fields, set, session, named, version) => {
      const frame = encodeMessage(fields);
      const { conv, seq, n } = fields;
      const audience = { conv, version, users: named };
      const carried = written((sink) => writeEvent(sink, set, session, frame));
      assert.ok(carried.read(isEvent));
      assert.equal(eventSet(carried.buffer, carried.start), set);
      const exceptEdge = session === 0 ? '' : EDGE;
      const back = carried.read((...at) => readEvent(EDGE, audience, ...at));
      assert.deepEqual(
        { ...back, frame: new Uint8Array(back.frame) },
        { t: 'message', conv, seq, n, frame, audience, exceptEdge, exceptSession: session },
      );
      assert.equal(back.audience, audience, 'the very object: the edge goes by its identity');
      const sent = written((sink) => writeSet(sink, set, 7, audience));
      assert.deepEqual(sent.read(readSet), { number: set, replaces: 7, audience });
    }),
  );
  fc.assert(
    fc.property(uuid, name, count, count, count, entry, (conv, user, seq, n, unread, shown) => {
      const head = { t: 'head', conv, user, seq, n, unread } as const;
      assert.deepEqual(written((sink) => writeHead(sink, head)).read(readHead), head);
      const told = { t: 'conversation', user, entry: shown } as const;
      assert.deepEqual(written((sink) => writeEntry(sink, told)).read(readEntry), told);
      assert.equal(written((sink) => writeForget(sink, n)).read(readForget), n);
    }),
  );
});

test('receipts and who types come out as they went in, for the set that was named', () => {
  fc.assert(
    fc.property(u32, uuid, receipts, name, fc.boolean(), (set, conv, items, user, on) => {
      const audience = { conv, version: 1, users: [] };
      const typed = written((sink) => writeTyping(sink, set, { t: 'typing', conv, audience, user, on }));
      assert.deepEqual([typed.type, typed.read(readTyping)], [FRAME.typing, { set, user, on }]);
      const frame = written((sink) => writeReceipt(sink, set, { t: 'receipt', conv, audience, items }));
      assert.equal(frame.type, FRAME.receipt);
      assert.deepEqual(frame.read(readReceipt), { set, items });
    }),
  );
});

test('packet headers and ranges come out as they went in', () => {
  const header = record({
    kind: fc.constantFrom(3 as const, 4 as const),
    from: uuid,
    boot: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
    toBoot: count,
    flow: u32,
    seq: count,
    ackFlow: u32,
    ack: count,
    losses: u32,
  });
  const range = fc.tuple(fc.integer({ min: 1 }), fc.nat()).map(([from, more]) => ({ from, to: from + more }));
  fc.assert(
    fc.property(header, fc.array(range, { maxLength: 8 }), (given, ranges) => {
      const packet = writeRanges(given, ranges);
      assert.deepEqual(readHeader(packet), given);
      assert.deepEqual(readRanges(packet), ranges);
    }),
  );
});

test('frames cut short or with other bytes in them are refused or read, and nothing throws', () => {
  const readers: ((bytes: Uint8Array, start: number, end: number) => unknown)[] = [
    (...at) => readSend(EDGE, ...at),
    (...at) => readRequest(EDGE, ...at),
    readAck,
    readPage,
    readAnswer,
    readAsked,
    readAwaited,
    readRedirect,
    isEvent,
    readSet,
    readForget,
    readHead,
    readReceipt,
    readTyping,
    readEntry,
    readUsers,
    readSnapshot,
    readCursor,
    readSettings,
    (...at) => readState(EDGE, ...at),
  ];
  const frame = fc.oneof(
    send.map((request) => written((sink) => writeRequest(sink, request, 1, false, 1, 1))),
    other.map((request) => written((sink) => writeRequest(sink, request, 1, false, 1, 1))),
    answer.map((given) => written((sink) => writeAnswer(sink, 1, given))),
    entry.map((shown) => written((sink) => writeEntry(sink, { t: 'conversation', user: 'u', entry: shown }))),
    users.map((all) => written((sink) => writeResync(sink, all))),
  );
  fc.assert(
    fc.property(frame, fc.nat(), fc.nat(), fc.nat(255), ({ buffer, start, end }, cut, at, value) => {
      const bytes = buffer.slice(start, end);
      bytes[at % bytes.length] = value;
      for (const reader of readers) {
        reader(bytes, 0, bytes.length);
        reader(bytes, 0, 1 + (cut % bytes.length));
      }
    }),
    { numRuns: 2_000 },
  );
  const cutShort = written((sink) => writeAnswer(sink, 1, { t: 'ok', seq: 4, members: [['ann', 'owner']] }));
  assert.equal(readAnswer(cutShort.buffer, cutShort.start, cutShort.end - 1), undefined);
});
