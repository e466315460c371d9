import assert from 'node:assert/strict';
import test from 'node:test';
import { applyEvent, judge, type Member, type Verdict } from '../../../actors/membership.ts';
import type { Role } from '../../../src/core/entry.ts';
import type { MemberChange } from '../../../src/core/requests.ts';

/** `name:role@join`, in the order of a map. */
function team(...specs: string[]): Map<string, Member> {
  return new Map(
    specs.map((spec) => {
      const [user, role, join] = spec.split(/[:@]/) as [string, Role, string?];
      const seq = Number(join ?? 1);
      return [user, { user, role, join: seq, read: seq, readN: 0, delivered: seq, dirty: false }];
    }),
  );
}

const inShort = (verdict: Verdict): string =>
  verdict.t === 'event' ? JSON.stringify(verdict.event) : verdict.t === 'refused' ? verdict.code : verdict.t;

const TEAM = team('own:owner', 'own2:owner', 'adm:admin', 'adm2:admin', 'mem:member', 'mem2:member');
const WHO = ['own', 'adm', 'mem', 'out'] as const;

/** Of each change what owner, admin, member and an outsider get: e an event, = unchanged, else the code. */
const RULES: readonly (readonly [
  change: MemberChange,
  byOwner: string,
  byAdmin: string,
  byMember: string,
])[] = [
  [{ op: 'add', users: ['new'] }, 'e', 'e', 'forbidden'],
  [{ op: 'add', users: ['mem2'] }, '=', '=', 'forbidden'],
  [{ op: 'add', users: ['mem2', 'new'] }, 'e', 'e', 'forbidden'],
  [{ op: 'remove', users: ['mem2'] }, 'e', 'e', 'forbidden'],
  [{ op: 'remove', users: ['adm2'] }, 'e', 'forbidden', 'forbidden'],
  [{ op: 'remove', users: ['own2'] }, 'e', 'forbidden', 'forbidden'],
  [{ op: 'remove', users: ['mem2', 'adm2'] }, 'e', 'forbidden', 'forbidden'],
  [{ op: 'remove', users: ['mem2', 'gone'] }, 'e', 'e', 'forbidden'],
  [{ op: 'remove', users: ['gone'] }, '=', '=', 'forbidden'],
  [{ op: 'role', roles: [['mem2', 'admin']] }, 'e', 'forbidden', 'forbidden'],
  [{ op: 'role', roles: [['mem2', 'owner']] }, 'e', 'forbidden', 'forbidden'],
  [{ op: 'role', roles: [['own2', 'member']] }, 'e', 'forbidden', 'forbidden'],
  [{ op: 'role', roles: [['mem2', 'member']] }, '=', 'forbidden', 'forbidden'],
  [{ op: 'role', roles: [['gone', 'admin']] }, 'invalid', 'forbidden', 'forbidden'],
  [
    {
      op: 'role',
      roles: [
        ['mem2', 'admin'],
        ['gone', 'admin'],
      ],
    },
    'invalid',
    'forbidden',
    'forbidden',
  ],
  [{ op: 'leave' }, 'e', 'e', 'e'],
];

test('S3.8, S3.9, S3.10: who may do what: every role, every change', async (t) => {
  for (const [change, ...expected] of RULES) {
    for (const [i, by] of WHO.entries()) {
      const wanted = expected[i] ?? 'not_member';
      await t.test(`${by}: ${JSON.stringify(change)} -> ${wanted}`, () => {
        const verdict = judge(TEAM, by, change, 256);
        const kind = verdict.t === 'event' ? 'e' : verdict.t === 'unchanged' ? '=' : verdict.code;
        assert.equal(kind, wanted);
        if (verdict.t === 'refused' && verdict.code === 'forbidden')
          assert.match(verdict.message, new RegExp(`^${change.op}: `), 'the message names the field');
      });
    }
  }
});

test('an event names only what changes, each user once', () => {
  const event = (change: MemberChange): string => inShort(judge(TEAM, 'own', change, 256));
  assert.equal(event({ op: 'add', users: ['new', 'mem', 'new', 'x'] }), '{"add":["new","x"]}');
  assert.equal(event({ op: 'remove', users: ['mem', 'gone', 'mem'] }), '{"remove":["mem"]}');
  assert.equal(
    event({
      op: 'role',
      roles: [
        ['mem', 'admin'],
        ['adm', 'admin'],
        ['mem', 'owner'],
      ],
    }),
    '{"role":[["mem","owner"]]}',
  );
});

test('nobody removes themselves: that is leave', () => {
  for (const by of ['own', 'adm'])
    assert.equal(inShort(judge(TEAM, by, { op: 'remove', users: ['mem', by] }, 256)), 'invalid');
});

test('S3.6: a group is filled to its bound and no further; who is in it already does not count', () => {
  const add = (max: number, ...users: string[]): string =>
    inShort(judge(TEAM, 'own', { op: 'add', users }, max));
  assert.equal(add(8, 'a', 'b'), '{"add":["a","b"]}');
  assert.equal(add(7, 'a', 'b'), 'too_large');
  assert.equal(add(7, 'a', 'mem', 'a'), '{"add":["a"]}');
  assert.equal(add(6, 'mem'), 'unchanged');
});

test('an owner remains: the last one’s role can’t be taken, but be handed on in one change', () => {
  const small = team('own:owner', 'mem:member');
  const role = (...roles: [string, Role][]): string =>
    inShort(judge(small, 'own', { op: 'role', roles }, 256));
  assert.equal(role(['own', 'member']), 'invalid');
  assert.equal(role(['own', 'admin'], ['mem', 'admin']), 'invalid');
  assert.equal(role(['own', 'member'], ['mem', 'owner']), '{"role":[["own","member"],["mem","owner"]]}');
  const two = team('own:owner', 'own2:owner');
  assert.equal(
    inShort(judge(two, 'own', { op: 'role', roles: [['own', 'member']] }, 256)),
    '{"role":[["own","member"]]}',
  );
});

test('S3.12: the last owner’s heir is the longest-standing admin, else member, by name among equals', () => {
  const heirOf = (...specs: string[]): string => inShort(judge(team(...specs), 'own', { op: 'leave' }, 256));
  const left = '{"leave":"own"';
  assert.equal(
    heirOf('own:owner', 'a:admin@9', 'b:admin@4', 'c:member@2'),
    `${left},"role":[["b","owner"]]}`,
  );
  assert.equal(heirOf('own:owner', 'd:member@9', 'c:member@4'), `${left},"role":[["c","owner"]]}`);
  assert.equal(heirOf('own:owner', 'd:member', 'b:member', 'c:member'), `${left},"role":[["b","owner"]]}`);
  assert.equal(heirOf('own:owner', 'x:owner', 'a:admin'), `${left}}`, 'another owner stays: no heir');
  assert.equal(heirOf('own:owner'), `${left}}`, 'nobody stays');
  assert.equal(heirOf('own:admin', 'a:member', 'x:owner'), `${left}}`, 'not an owner: no heir');
});

test('an event applied gives new members, and leaves the old ones as they were', () => {
  const before = team('own:owner', 'adm:admin', 'mem:member');
  const after = applyEvent(before, { add: ['new'], remove: ['adm'], role: [['mem', 'admin']] }, 9, 4);
  assert.deepEqual([...before.keys()], ['own', 'adm', 'mem']);
  assert.deepEqual([before.get('mem')?.role, before.get('mem')?.dirty], ['member', false]);
  assert.deepEqual([...after.keys()], ['own', 'mem', 'new']);
  assert.deepEqual(after.get('new'), {
    user: 'new',
    role: 'member',
    join: 9,
    read: 9,
    readN: 4,
    delivered: 9,
    dirty: true,
  });
  assert.deepEqual([after.get('mem')?.role, after.get('mem')?.dirty], ['admin', true]);
  assert.equal(after.get('own'), before.get('own'), 'who does not change is the same object');
});

test('an heir’s role and the leaving are applied together; a role of one who is gone is nothing', () => {
  const after = applyEvent(team('own:owner', 'mem:member'), { leave: 'own', role: [['mem', 'owner']] }, 9, 4);
  assert.deepEqual(
    [...after.values()].map(({ user, role }) => `${user}:${role}`),
    ['mem:owner'],
  );
  assert.equal(applyEvent(after, { role: [['own', 'admin']] }, 10, 4).size, 1);
});

test('an event replayed over rows that reflect it already keeps the cursor that moved since', () => {
  const before = team('own:owner', 'new:member@9');
  (before.get('new') as Member).read = 30;
  const after = applyEvent(before, { add: ['new'] }, 9, 4);
  assert.equal(after.get('new')?.read, 30);
});
