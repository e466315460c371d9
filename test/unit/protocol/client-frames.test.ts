import assert from 'node:assert/strict';
import test from 'node:test';
import type { ClientFrame, Subprotocol } from '../../../src/protocol/frames.ts';
import { encodeClient } from '../../../src/protocol/client-codec.ts';
import { LIMITS } from '../../../src/protocol/limits.ts';
import { asClientFrame, CMID, CONV, refused, throughServer } from './support.ts';

const FORMS: readonly Subprotocol[] = ['binary', 'json'];
const V4 = '9b2d7c3e-1f4a-4b6c-8d5e-0a1b2c3d4e5f';
const SEQ_MAX = Number.MAX_SAFE_INTEGER;
const NAME_MAX = 'n'.repeat(64);
const users = (count: number) => Array.from({ length: count }, (_, i) => `u${i}`);

const VALID: readonly ClientFrame[] = [
  { t: 'hello', token: 'dev:alice', device: 'd' },
  {
    t: 'hello',
    token: 't',
    device: NAME_MAX,
    attempt: SEQ_MAX,
    cursor: 'c'.repeat(LIMITS.cursorCharsMax),
    have: [],
  },
  { t: 'hello', token: 'x'.repeat(LIMITS.tokenCharsMax), device: 'A-z_0.9@h:', attempt: 0 },
  { t: 'hello', token: 't', device: 'd', have: Array.from({ length: 500 }, (_, i) => [CONV, i] as const) },
  { t: 'auth', id: 1, token: 'eyJhbGciOi.x-_.y' },
  { t: 'conversations', id: LIMITS.requestIdMax },
  { t: 'conversations', id: 2, before: 'b', limit: 200 },
  { t: 'create', id: 3, kind: 'direct', members: ['bob'] },
  { t: 'create', id: 4, kind: 'group', members: [] },
  { t: 'create', id: 4, kind: 'group', members: users(256), title: '👩‍👩‍👧'.repeat(40), conv: CONV },
  { t: 'create', id: 5, kind: 'group', members: ['a'], title: 'Ü'.repeat(200), conv: V4 },
  { t: 'history', id: 6, conv: CONV },
  { t: 'history', id: 6, conv: CONV, after: 0, limit: 1 },
  { t: 'history', id: 6, conv: CONV, after: SEQ_MAX, limit: 200 },
  { t: 'history', id: 6, conv: CONV, before: 1 },
  { t: 'members', id: 7, conv: CONV },
  { t: 'members', id: 7, conv: CONV, add: users(256) },
  { t: 'members', id: 7, conv: CONV, remove: ['bob'] },
  {
    t: 'members',
    id: 7,
    conv: CONV,
    role: [
      ['a', 'owner'],
      ['b', 'admin'],
      ['c', 'member'],
    ],
  },
  { t: 'members', id: 7, conv: CONV, leave: true },
  { t: 'read', conv: CONV, seq: 0 },
  { t: 'read', conv: CONV, seq: SEQ_MAX },
  { t: 'delivered', conv: CONV, seq: 7 },
  { t: 'typing', conv: CONV, on: true },
  { t: 'typing', conv: CONV, on: false },
  { t: 'prefs', id: 9, conv: CONV, mute: 1_700_000_000_000 },
  { t: 'prefs', id: 9, conv: CONV, pin: true, archive: false },
  { t: 'prefs', id: 9, receipts: false },
  { t: 'prefs', id: 9, receipts: true, presence: 'contacts' },
  { t: 'watch', id: 9, users: ['bob'] },
  { t: 'unwatch', id: 9, users: ['bob', NAME_MAX] },
  { t: 'receipts', id: 9, conv: CONV },
  { t: 'receipts', id: 9, conv: CONV, seq: 3, before: 'bob', limit: 200 },
  { t: 'ping', id: 1 },
  { t: 'send', id: 8, conv: CONV, cmid: CMID, body: '' },
  { t: 'send', id: 8, conv: CONV, cmid: CMID, body: '\u0000\ufeff "q" \\ \n 你好 👋\u2028' },
  { t: 'send', id: 8, conv: CONV, cmid: CMID, body: 'x'.repeat(LIMITS.bodyBytesMax), retry: true },
  {
    t: 'send',
    id: 8,
    conv: CONV,
    cmid: CMID,
    body: new Uint8Array(LIMITS.bodyBytesMax).fill(255),
    kind: 'a/b',
  },
  { t: 'send', id: 8, conv: CONV, cmid: CMID, body: new Uint8Array(0), kind: '👋'.repeat(32), retry: true },
  { t: 'send', id: 8, conv: CONV, cmid: CMID, body: 'x', kind: 'systems' },
  { t: 'send', id: 8, conv: CONV, cmid: CMID, body: 'x', mentions: ['bob', NAME_MAX] },
];

for (const form of FORMS) {
  for (const [index, frame] of VALID.entries()) {
    test(`${form}: valid ${frame.t} (${index}) comes through as it was written`, () => {
      assert.deepEqual(asClientFrame(throughServer(frame, form)), frame);
    });
  }
}

/** A frame that is wrong, the start of the message about it, and the code where it is not `invalid`. */
type Wrong = readonly [frame: object, message: string, code?: string];

const WRONG: readonly Wrong[] = [
  [{ t: 'watch', id: 1 }, 'users is missing: it must be an array of 1 to 200 items'],
  [{ t: 'watch', id: 1, users: [] }, 'users must be an array of 1 to 200'],
  [{ t: 'watch', id: 1, users: Array(201).fill('bob') }, 'users must be', 'too_large'],
  [{ t: 'unwatch', id: 1, users: ['a b'] }, 'users[0] must be 1 to 64'],
  [{ t: 'prefs', id: 1, conv: CONV, receipts: true }, 'receipts and presence hold for all conversations'],
  [{ t: 'prefs', id: 1, mute: 0 }, 'conv is missing: mute, pin and archive are of one'],
  [{ t: 'prefs', id: 1 }, 'receipts and presence are both absent'],
  [{ t: 'prefs', id: 1, presence: 'me' }, 'presence must be everyone, contacts, nobody'],
  [{ t: 'hello', device: 'd' }, 'token is missing: it must be 1 to 8192'],
  [{ t: 'hello', token: '', device: 'd' }, 'token must be 1 to 8192 printable'],
  [{ t: 'hello', token: 'a b', device: 'd' }, 'token must be'],
  [{ t: 'hello', token: 'x'.repeat(8193), device: 'd' }, 'token must be'],
  [{ t: 'hello', token: 7, device: 'd' }, 'token must be'],
  [{ t: 'hello', token: 't', device: 'a b' }, 'device must be 1 to 64'],
  [{ t: 'hello', token: 't', device: `${NAME_MAX}x` }, 'device must be'],
  [{ t: 'hello', token: 't', device: 'd\n' }, 'device must be'],
  [{ t: 'hello', token: 't', device: 'd', attempt: -1 }, 'attempt must be an integer from 0'],
  [{ t: 'hello', token: 't', device: 'd', attempt: 0.5 }, 'attempt must be'],
  [{ t: 'hello', token: 't', device: 'd', cursor: 'c'.repeat(2049) }, 'cursor must be'],
  [{ t: 'hello', token: 't', device: 'd', have: {} }, 'have must be an array of 0 to 500 items'],
  [{ t: 'hello', token: 't', device: 'd', have: [[CONV, 1], [CONV]] }, 'have[1] must be a pair [conv, seq]'],
  [{ t: 'hello', token: 't', device: 'd', have: [[CONV, -1]] }, 'have[0] must be'],
  [{ t: 'hello', token: 't', device: 'd', have: [[CONV, 1, 2]] }, 'have[0] must be'],
  [{ t: 'hello', token: 't', device: 'd', have: [CONV] }, 'have[0] must be'],
  [{ t: 'hello', token: 't', device: 'd', have: Array(501).fill([CONV, 1]) }, 'have must be', 'too_large'],
  [{ t: 'auth', id: 1 }, 'token is missing'],
  [{ t: 'auth', id: 0, token: 't' }, 'id must be an integer from 1 to 2147483647'],
  [{ t: 'auth', id: 2 ** 31, token: 't' }, 'id must be'],
  [{ t: 'auth', id: '1', token: 't' }, 'id must be'],
  [{ t: 'auth', id: 1.5, token: 't' }, 'id must be'],
  [{ t: 'auth', token: 't' }, 'id is missing'],
  [{ t: 'conversations', id: 1, limit: 0 }, 'limit must be an integer from 1 to 200'],
  [{ t: 'conversations', id: 1, limit: 201 }, 'limit must be'],
  [{ t: 'conversations', id: 1, before: '' }, 'before must be'],
  [{ t: 'create', id: 1, members: [] }, 'kind is missing'],
  [{ t: 'create', id: 1, kind: 'channel', members: [] }, 'kind must be direct, group, supergroup'],
  [
    { t: 'create', id: 1, kind: 'supergroup', members: [] },
    'kind supergroup is of a later version',
    'unsupported',
  ],
  [{ t: 'create', id: 1, kind: 'group' }, 'members is missing'],
  [{ t: 'create', id: 1, kind: 'group', members: 'bob' }, 'members must be an array'],
  [{ t: 'create', id: 1, kind: 'group', members: ['a', ''] }, 'members[1] must be 1 to 64'],
  [{ t: 'create', id: 1, kind: 'group', members: users(257) }, 'members must be', 'too_large'],
  [{ t: 'create', id: 1, kind: 'group', members: [], title: '' }, 'title must be 1 to 200 characters'],
  [{ t: 'create', id: 1, kind: 'group', members: [], title: 'x'.repeat(201) }, 'title must be'],
  [{ t: 'create', id: 1, kind: 'group', members: [], title: 'a\nb' }, 'title must be'],
  [
    { t: 'create', id: 1, kind: 'group', members: [], conv: CONV.replace('-7abc-', '-1abc-') },
    'conv must be a UUID',
  ],
  [
    { t: 'create', id: 1, kind: 'group', members: [], conv: CONV.replace('-8def-', '-cdef-') },
    'conv must be a UUID',
  ],
  [{ t: 'create', id: 1, kind: 'direct', members: ['b'], conv: CONV }, 'conv must be absent for a direct'],
  [{ t: 'history', id: 1 }, 'conv is missing'],
  [{ t: 'history', id: 1, conv: CONV.toUpperCase() }, 'conv must be a UUID in lower case'],
  [{ t: 'history', id: 1, conv: CONV.replaceAll('-', '') }, 'conv must be'],
  [{ t: 'history', id: 1, conv: CONV, after: -1 }, 'after must be'],
  [{ t: 'history', id: 1, conv: CONV, after: 2 ** 53 }, 'after must be'],
  [{ t: 'history', id: 1, conv: CONV, before: 0 }, 'before must be an integer from 1'],
  [{ t: 'history', id: 1, conv: CONV, after: 1, before: 9 }, 'after and before exclude one another'],
  [{ t: 'history', id: 1, conv: CONV, limit: 201 }, 'limit must be'],
  [{ t: 'members', id: 1, conv: CONV, add: [] }, 'add must be an array of 1 to 256'],
  [{ t: 'members', id: 1, conv: CONV, add: users(257) }, 'add must be', 'too_large'],
  [{ t: 'members', id: 1, conv: CONV, role: [['a', 'king']] }, 'role[0] must be a pair [user, role]'],
  [{ t: 'members', id: 1, conv: CONV, role: ['a'] }, 'role[0] must be'],
  [{ t: 'members', id: 1, conv: CONV, leave: false }, 'leave must be true'],
  [{ t: 'members', id: 1, conv: CONV, add: ['a'], leave: true }, 'add, remove, role and leave exclude'],
  [{ t: 'read', conv: CONV }, 'seq is missing'],
  [{ t: 'read', conv: CONV, seq: -1 }, 'seq must be'],
  [{ t: 'delivered', conv: CONV }, 'seq is missing'],
  [{ t: 'typing', conv: CONV }, 'on is missing'],
  [{ t: 'typing', conv: CONV, on: 1 }, 'on must be'],
  [{ t: 'prefs', id: 1, conv: CONV }, 'mute, pin and archive are all absent'],
  [{ t: 'prefs', id: 1, conv: CONV, mute: -1 }, 'mute must be Unix milliseconds'],
  [{ t: 'prefs', id: 1, conv: CONV, pin: 1 }, 'pin must be'],
  [{ t: 'receipts', id: 1, conv: CONV, seq: 0 }, 'seq must be'],
  [{ t: 'receipts', id: 1, conv: CONV, before: 'a b' }, 'before must be'],
  [{ t: 'receipts', id: 1, conv: CONV, limit: 201 }, 'limit must be'],
  [{ t: 'ping' }, 'id is missing'],
];

for (const form of FORMS) {
  for (const [index, [frame, message, code = 'invalid']] of WRONG.entries()) {
    const { t, id, conv } = frame as { t: string; id?: unknown; conv?: string };
    test(`${form}: wrong ${t} (${index}) is refused: ${message}`, () => {
      const refusal = refused(throughServer(frame as ClientFrame, form));
      assert.equal(refusal.code, code);
      assert.ok(refusal.message.startsWith(message), refusal.message);
      assert.equal(refusal.close, undefined);
      const hasId = Number.isInteger(id) && (id as number) >= 1 && (id as number) < 2 ** 31;
      assert.equal(refusal.id, hasId ? id : undefined, 'id');
      assert.equal(refusal.re, hasId ? undefined : t, 're');
      assert.equal(refusal.conv, hasId ? undefined : conv, 'conv');
    });
  }
}

test('a client refuses to write a send that its encoders would alter', () => {
  const send = { t: 'send', id: 1, conv: CONV, cmid: CMID, body: 'x' } as const;
  for (const form of FORMS) {
    assert.throws(() => encodeClient({ ...send, conv: 'x' }, form), /conv must be a UUID/);
    assert.throws(() => encodeClient({ ...send, cmid: CMID.toUpperCase() }, form), /cmid must be a UUID/);
    assert.throws(() => encodeClient({ ...send, body: 'a\ud800b' }, form), /lone surrogate/);
  }
  assert.throws(() => encodeClient({ ...send, kind: 'x'.repeat(256) }, 'binary'), /kind must be 1 to 32/);
});

test('a body is a view of the bytes decoded, not a copy', () => {
  const bytes = encodeClient(
    { t: 'send', id: 1, conv: CONV, cmid: CMID, body: 'hello' },
    'binary',
  ) as Uint8Array;
  const { t, body } = throughServer(
    { t: 'send', id: 1, conv: CONV, cmid: CMID, body: 'hello' },
    'binary',
  ) as {
    t: string;
    body: Uint8Array;
  };
  assert.equal(t, 'send');
  assert.equal(body.buffer.byteLength, bytes.length);
  assert.equal(body.byteOffset, 44);
});
