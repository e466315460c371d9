/** Valid frames of every kind, to start mutations from. */
import { uuidFromBytes, uuidV7 } from '../../src/core/ids.ts';
import type { ClientFrame } from '../../src/protocol/frames.ts';
import type { Random } from './random.ts';

const WORDS = ['hi', 'grüß dich', '你好', '👩‍👩‍👧 family', '"quoted"\n\\', '', 'x'.repeat(300)];
const USERS = ['alice', 'bob', 'carol@example.org', 'd-4:e_5', 'Z'.repeat(64)];

export function validFrames(random: Random): ClientFrame[] {
  const conv = uuidFromBytes(random.bytes(16), 0);
  const group = uuidV7(1_700_000_000_000 + random.below(1e9), random.bytes(10));
  const cmid = uuidV7(1_700_000_000_000 + random.below(1e9), random.bytes(10));
  const id = 1 + random.below(2 ** 31 - 1);
  const seq = random.below(2) === 0 ? random.below(100) : random.below(2 ** 40);
  const users = USERS.slice(0, 1 + random.below(USERS.length));
  return [
    { t: 'hello', token: 'dev:alice', device: 'd1' },
    {
      t: 'hello',
      token: 'dev:bob',
      device: 'phone',
      attempt: 7,
      cursor: 'abc+/=',
      have: [
        [conv, seq],
        [group, 0],
      ],
    },
    { t: 'auth', id, token: 'dev:alice' },
    { t: 'conversations', id },
    { t: 'conversations', id, before: 'opaque', limit: 1 + random.below(200) },
    { t: 'create', id, kind: 'direct', members: ['bob'] },
    { t: 'create', id, kind: 'group', members: users, title: 'Größe', conv: group },
    { t: 'send', id, conv, cmid, body: random.pick(WORDS) },
    { t: 'send', id, conv, cmid, body: random.bytes(random.below(200)), kind: 'image/png', retry: true },
    {
      t: 'send',
      id,
      conv,
      cmid,
      body: random.pick(WORDS).repeat(random.below(20)),
      kind: 'текст',
      retry: false,
    },
    { t: 'history', id, conv },
    { t: 'history', id, conv, after: seq, limit: 1 + random.below(200) },
    { t: 'history', id, conv, before: seq + 1 },
    { t: 'members', id, conv },
    { t: 'members', id, conv, add: users },
    { t: 'members', id, conv, remove: users },
    {
      t: 'members',
      id,
      conv,
      role: [
        ['bob', 'admin'],
        ['alice', 'owner'],
      ],
    },
    { t: 'members', id, conv, leave: true },
    { t: 'read', conv, seq },
    { t: 'delivered', conv, seq },
    { t: 'typing', conv, on: seq % 2 === 0 },
    { t: 'receipts', id, conv, seq: seq + 1, before: 'bob', limit: 20 },
    { t: 'prefs', id, conv, mute: seq, pin: seq % 2 === 0, archive: seq % 3 === 0 },
    { t: 'prefs', id, receipts: seq % 2 === 0, presence: 'contacts' },
    { t: 'watch', id, users },
    { t: 'unwatch', id, users },
    { t: 'send', id, conv, cmid, body: 'hi', mentions: users },
    { t: 'ping', id },
  ];
}
