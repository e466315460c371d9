import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { isUuid, uuidFromBytes, uuidToBytes } from '../../src/core/ids.ts';
import { CLOSES, type CloseReason, ERRORS, type ErrorCode } from '../../src/core/errors.ts';
import { decodeServer } from '../../src/protocol/client-codec.ts';
import type { ClientFrame, Message, ServerFrame, Subprotocol } from '../../src/protocol/frames.ts';
import { LIMITS } from '../../src/protocol/limits.ts';
import { asClientFrame, encodeAny, throughServer } from '../unit/protocol/support.ts';

const FORMS: readonly Subprotocol[] = ['binary', 'json'];

const uuid = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => uuidFromBytes(bytes, 0));
const groupId = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => {
  bytes[6] = ((bytes[6] as number) & 0x0f) | ((bytes[6] as number) & 0x10 ? 0x40 : 0x70);
  bytes[8] = ((bytes[8] as number) & 0x3f) | 0x80;
  return uuidFromBytes(bytes, 0);
});
const id = fc.integer({ min: 1, max: LIMITS.requestIdMax });
const seq = fc.maxSafeNat();
const name = fc.stringMatching(/^[A-Za-z0-9._@:-]{1,64}$/);
const names = (minLength: number) => fc.array(name, { minLength, maxLength: 20 });
const opaque = fc.stringMatching(/^[\x21-\x7e]{1,80}$/);
const text = (maxLength: number) => fc.string({ unit: 'grapheme', maxLength });
const words = (max: number) =>
  text(max).filter((value) => value !== '' && [...value].length <= max && !/\p{Cc}/u.test(value));
const kind = words(LIMITS.kindCharsMax).filter((value) => !value.startsWith('sys.') && value !== 'text');
const role = fc.constantFrom('owner', 'admin', 'member');
const body = fc.oneof(text(300), fc.uint8Array({ maxLength: 300 }));
const maybe = <T>(value: fc.Arbitrary<T>) => fc.option(value, { nil: undefined });
const pageLimit = fc.integer({ min: 1, max: 200 });

const visibility = fc.constantFrom('everyone' as const, 'contacts' as const, 'nobody' as const);
const clientFrame: fc.Arbitrary<ClientFrame> = fc.oneof(
  fc.record({
    t: fc.constant('hello' as const),
    token: opaque,
    device: name,
    attempt: maybe(seq),
    cursor: maybe(opaque),
    have: maybe(fc.array(fc.tuple(uuid, seq), { maxLength: 20 })),
  }),
  fc.record({ t: fc.constant('auth' as const), id, token: opaque }),
  fc.record({ t: fc.constant('conversations' as const), id, before: maybe(opaque), limit: maybe(pageLimit) }),
  fc.record({
    t: fc.constant('create' as const),
    id,
    kind: fc.constant('direct' as const),
    members: names(0),
  }),
  fc.record({
    t: fc.constant('create' as const),
    id,
    kind: fc.constant('group' as const),
    members: names(0),
    title: maybe(words(LIMITS.titleCharsMax)),
    conv: maybe(groupId),
  }),
  fc.record({
    t: fc.constant('send' as const),
    id,
    conv: uuid,
    cmid: uuid,
    body,
    kind: maybe(kind),
    retry: maybe(fc.constant(true)),
  }),
  fc.record({
    t: fc.constant('history' as const),
    id,
    conv: uuid,
    after: maybe(seq),
    limit: maybe(pageLimit),
  }),
  fc.record({
    t: fc.constant('history' as const),
    id,
    conv: uuid,
    before: fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER }),
  }),
  fc.oneof(
    fc.record({ t: fc.constant('members' as const), id, conv: uuid, add: names(1) }),
    fc.record({ t: fc.constant('members' as const), id, conv: uuid, remove: names(1) }),
    fc.record({
      t: fc.constant('members' as const),
      id,
      conv: uuid,
      role: fc.array(fc.tuple(name, role), { minLength: 1, maxLength: 20 }),
    }),
    fc.record({ t: fc.constant('members' as const), id, conv: uuid, leave: maybe(fc.constant(true)) }),
  ),
  fc.record({ t: fc.constant('read' as const), conv: uuid, seq }),
  fc.record({
    t: fc.constantFrom('watch' as const, 'unwatch' as const),
    id,
    users: fc.array(name, { minLength: 1, maxLength: 200 }),
  }),
  fc.record({ t: fc.constant('prefs' as const), id, receipts: maybe(fc.boolean()), presence: visibility }),
  fc.record({ t: fc.constant('ping' as const), id }),
);

const preview = fc.record({ seq, from: name, kind, text: text(200) });
const entry = fc.record({
  conv: uuid,
  kind: fc.constantFrom('direct', 'group', 'supergroup'),
  title: maybe(words(200)),
  peer: maybe(name),
  role,
  removed: maybe(seq),
  head: seq,
  n: seq,
  ts: seq,
  read: seq,
  unread: seq,
  preview: maybe(preview),
  mentions: maybe(seq),
  badge: maybe(seq),
});
const message: fc.Arbitrary<Message> = fc.record({
  t: fc.constant('message' as const),
  conv: uuid,
  seq,
  n: seq,
  ts: seq,
  from: name,
  device: name,
  cmid: maybe(uuid),
  kind: fc.oneof(kind, fc.constantFrom('text', 'sys.members')),
  body,
  mentions: maybe(fc.array(name, { minLength: 1, maxLength: 64 })),
});
const wireLimits = fc.record({
  bodyBytesMax: seq,
  frameBytesMax: seq,
  sendsPerSecond: seq,
  burst: seq,
  heartbeatMs: seq,
});
const serverFrame: fc.Arbitrary<ServerFrame> = fc.oneof(
  fc.record({
    t: fc.constant('welcome' as const),
    user: name,
    device: name,
    session: text(20),
    now: seq,
    limits: wireLimits,
    cursor: text(50),
    conversations: fc.array(entry, { maxLength: 10 }) as fc.Arbitrary<never[]>,
    more: fc.boolean(),
    before: maybe(opaque),
    badge: seq,
    prefs: fc.record({ receipts: fc.boolean(), presence: visibility }),
  }),
  fc.record({
    t: fc.constant('ok' as const),
    id,
    seq: maybe(seq),
    members: maybe(fc.array(fc.tuple(name, role), { maxLength: 20 })),
  }),
  fc.record({
    t: fc.constant('conversations' as const),
    id,
    conversations: fc.array(entry, { maxLength: 10 }) as fc.Arbitrary<never[]>,
    before: maybe(opaque),
    more: fc.boolean(),
  }),
  fc.record({ t: fc.constant('created' as const), id, conv: uuid }),
  fc.record({
    t: fc.constant('ack' as const),
    id,
    conv: uuid,
    cmid: uuid,
    seq,
    ts: seq,
    duplicate: maybe(fc.constant(true)),
  }),
  fc.record({
    t: fc.constant('page' as const),
    id,
    conv: uuid,
    head: seq,
    messages: fc.array(message, { maxLength: 10 }),
    more: fc.boolean(),
  }),
  fc.record({ t: fc.constant('pong' as const), id, now: seq }),
  fc.record({
    t: fc.constant('error' as const),
    id: maybe(id),
    code: fc.constantFrom(...(Object.keys(ERRORS) as ErrorCode[])),
    message: text(200),
    retryable: fc.boolean(),
    retryAfterMs: maybe(seq),
    re: maybe(text(32)),
    conv: maybe(uuid),
  }),
  message,
  fc.record({ t: fc.constant('head' as const), conv: uuid, seq, n: seq, unread: maybe(seq) }),
  entry.map((value) => ({ t: 'conversation' as const, ...value }) as ServerFrame),
  fc.record({ t: fc.constant('presence' as const), user: name, online: fc.boolean(), lastSeen: maybe(seq) }),
  fc.record({ t: fc.constant('prefs' as const), receipts: fc.boolean(), presence: visibility }),
  fc.record({ t: fc.constant('reset' as const), conv: uuid }),
  fc.record({
    t: fc.constant('bye' as const),
    code: fc.constantFrom(...Object.values(CLOSES).map((close) => close.code)),
    reason: fc.constantFrom(...(Object.keys(CLOSES) as CloseReason[])),
    reconnect: fc.boolean(),
    retryAfterMs: maybe(seq),
  }),
);

/** Without absent fields, bytes as arrays: what both sides of a round trip have in common. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return { bytes: [...value] };
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .filter(([, field]) => field !== undefined)
      .map(([name, field]) => [name, plain(field)]),
  );
}

for (const form of FORMS) {
  test(`${form}: what a client writes, the server reads`, () => {
    fc.assert(
      fc.property(clientFrame, (frame) => {
        assert.deepEqual(plain(asClientFrame(throughServer(frame, form))), plain(frame));
      }),
      { numRuns: 2_000 },
    );
  });

  test(`${form}: what the server writes, a client reads`, () => {
    fc.assert(
      fc.property(serverFrame, (frame) => {
        const bytes = encodeAny(frame, form);
        const data = form === 'json' ? Buffer.from(bytes).toString() : bytes;
        assert.deepEqual(plain(decodeServer(data, form)), plain(frame));
      }),
      { numRuns: 1_000 },
    );
  });
}

test('a UUID has one text for its 16 bytes, and the bytes of its text', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 20, maxLength: 20 }), (bytes) => {
      const uuidText = uuidFromBytes(bytes, 3);
      const again = new Uint8Array(20);
      uuidToBytes(uuidText, again, 3);
      assert.ok(isUuid(uuidText));
      assert.equal(uuidText.replaceAll('-', ''), Buffer.from(bytes.subarray(3, 19)).toString('hex'));
      assert.deepEqual(again.subarray(3, 19), bytes.subarray(3, 19));
    }),
  );
});
