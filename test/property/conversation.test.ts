import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import type { AppendFault } from '../../src/adapters/memory/store.ts';
import type { Entry, Role } from '../../src/core/entry.ts';
import type { Receipt } from '../../src/core/requests.ts';
import { messageBody } from '../../src/protocol/message-frame.ts';
import { CONV, Reference, Rig, USERS } from './conversation-model.ts';

/** One step of a history. Ids are drawn from few, so that repeats and conflicts are common. */
type Step =
  | {
      readonly op: 'send';
      readonly user: string;
      readonly id: number;
      readonly body: string;
      readonly retry: boolean;
      readonly mentions: readonly string[] | undefined;
    }
  | { readonly op: 'add' | 'remove'; readonly user: string; readonly who: string }
  | { readonly op: 'role'; readonly user: string; readonly who: string; readonly role: Role }
  | { readonly op: 'leave' | 'history' | 'members' | 'announce'; readonly user: string }
  | { readonly op: 'delivered'; readonly user: string; readonly seq: number }
  | { readonly op: 'read'; readonly user: string; readonly seq: number; readonly isHidden: boolean }
  | { readonly op: 'prefs'; readonly user: string; readonly set: { mute?: number; pin?: boolean } }
  | { readonly op: 'settle' | 'passivate' | 'crash' | 'crashMidway' | 'create' }
  | { readonly op: 'wait'; readonly ms: number }
  | { readonly op: 'fault'; readonly fault: AppendFault };

const user = fc.constantFrom(...USERS);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      op: fc.constant('send' as const),
      user,
      id: fc.nat(12),
      body: fc.constantFrom('a', 'b'),
      retry: fc.boolean(),
      mentions: fc.option(fc.array(user, { minLength: 1, maxLength: 3 }), { nil: undefined }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ op: fc.constantFrom('add' as const, 'remove' as const), user, who: user }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      op: fc.constant('role' as const),
      user,
      who: user,
      role: fc.constantFrom<Role>('owner', 'admin', 'member'),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      op: fc.constantFrom('leave' as const, 'history' as const, 'members' as const, 'announce' as const),
      user,
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      op: fc.constant('read' as const),
      user,
      seq: fc.nat(30),
      isHidden: fc.boolean(),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ op: fc.constant('delivered' as const), user, seq: fc.nat(30) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      op: fc.constant('prefs' as const),
      user,
      set: fc.oneof(fc.record({ mute: fc.nat(3) }), fc.record({ pin: fc.boolean() })),
    }),
  },
  { weight: 4, arbitrary: fc.record({ op: fc.constant('settle' as const) }) },
  {
    weight: 1,
    arbitrary: fc.record({
      op: fc.constantFrom('passivate' as const, 'crash' as const, 'crashMidway' as const, 'create' as const),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ op: fc.constant('wait' as const), ms: fc.constantFrom(150, 1_500, 6_000) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      op: fc.constant('fault' as const),
      fault: fc.constantFrom<AppendFault>('unavailable', 'unknownWritten', 'unknownLost'),
    }),
  },
);

function cmidOf(id: number): string {
  return `0190a000-0000-7000-8000-0000000001${id.toString(16).padStart(2, '0')}`;
}

async function take(rig: Rig, at: Step): Promise<void> {
  switch (at.op) {
    case 'send':
      rig.send(at.user, cmidOf(at.id), at.body, at.retry, at.mentions);
      return;
    case 'add':
    case 'remove':
      rig.change(at.user, { op: at.op, users: [at.who] });
      return;
    case 'role':
      rig.change(at.user, { op: 'role', roles: [[at.who, at.role]] });
      return;
    case 'leave':
      rig.change(at.user, { op: 'leave' });
      return;
    case 'history':
      rig.history(at.user);
      return;
    case 'members':
      rig.change(at.user, undefined);
      return;
    case 'announce':
      rig.announce(at.user);
      return;
    case 'read':
      rig.cursor(at.op, at.user, at.seq, at.isHidden);
      return;
    case 'delivered':
      rig.cursor(at.op, at.user, at.seq);
      return;
    case 'prefs':
      rig.prefs(at.user, at.set);
      return;
    case 'create':
      rig.create(['ann', 'bob', 'cat']);
      return;
    case 'settle':
      return rig.system.settle();
    case 'wait':
      return rig.system.advance(at.ms);
    case 'passivate':
      return rig.system.advance(7 * 60_000);
    case 'crash':
      await rig.system.settle();
      return rig.crash();
    case 'crashMidway':
      return rig.crash();
    case 'fault':
      rig.faults.push(at.fault);
  }
}

/** Every ack names the seq that the log has for the id, and every id that the log has was sent so. */
function checkAcks(rig: Rig, reference: Reference, log: Awaited<ReturnType<Rig['log']>>): void {
  for (const { request, answer, lost } of rig.asked) {
    assert.ok(
      answer !== undefined || lost || request.t === 'read' || request.t === 'delivered',
      `request ${request.id} (${request.t}) was never answered`,
    );
    if (request.t !== 'send' || answer === undefined) continue;
    const seq = reference.seqOf.get(`${request.user} ${request.cmid}`);
    if (answer.t === 'ack') {
      assert.equal(answer.seq, seq, 'an acked id has one seq, the one in the log');
      const stored = log[answer.seq - 1]?.env as Uint8Array;
      assert.deepEqual(messageBody(stored), request.body, 'and its own body');
    } else if (answer.t === 'error' && answer.code === 'conflict') {
      assert.notEqual(seq, undefined, 'only a used id conflicts');
    }
  }
}

/** Messages go to the members as of their seq, once each, in order; who leaves is told, and gets nothing more. */
function checkDeliveries(rig: Rig, reference: Reference): void {
  let last = 0;
  const removedAt = new Map<string, number>();
  for (const delivery of rig.deliveries) {
    if (delivery.t === 'conversation') {
      const { removed } = delivery.entry;
      if (removed === undefined) removedAt.delete(delivery.user);
      else removedAt.set(delivery.user, removed);
    }
    if (delivery.t !== 'message') continue;
    assert.ok(delivery.seq > last, 'deliveries rise');
    last = delivery.seq;
    const members = reference.members[delivery.seq] as Set<string>;
    assert.deepEqual(new Set(delivery.audience.users), members, `the audience of seq ${delivery.seq}`);
    for (const gone of removedAt.keys())
      assert.ok(!delivery.audience.users.includes(gone), 'who is removed gets nothing more');
  }
}

/** Once all is written, the inbox of each user tells the truth. */
async function checkInboxes(rig: Rig, reference: Reference, head: number): Promise<void> {
  for (const name of USERS) {
    const row = await rig.store.inboxRow(name, CONV);
    if (!reference.now.has(name)) {
      assert.ok(
        row === undefined || row.entry.removed !== undefined,
        `${name} is shown no conversation that they left`,
      );
      continue;
    }
    assert.ok(row !== undefined && row.entry.removed === undefined, `${name} is shown the conversation`);
    const { entry } = row;
    assert.deepEqual(
      [entry.head, entry.n, entry.role],
      [head, reference.messages, reference.roles.get(name)],
    );
    const behind = reference.messages - (reference.messagesTo[entry.read] as number);
    assert.equal(entry.unread, behind, `what is unread of ${name} is what is behind ${entry.read}`);
    const mentions = (reference.mentions.get(name) ?? []).filter((seq) => seq > entry.read);
    assert.equal(entry.mentions ?? 0, mentions.length, `unread mentions of ${name}`);
    checkCursors(rig, reference, name, entry.read, head);
    checkPrefs(rig, reference, name, entry);
  }
  const members = await rig.store.members(CONV);
  for (const [user, delivered, read] of lastReceipts(rig)) {
    const row = members.find((each) => each.user === user && each.left === 0);
    const rejoined = (reference.joined.get(user) ?? 0) > 1;
    if (row === undefined || rejoined) continue;
    checkHidden(rig, reference, user, read);
    assert.ok(row.delivered >= delivered && row.read >= read, `what was told of ${user} is durable`);
  }
}

/** What of a member's reading the others were told. */
function checkHidden(rig: Rig, reference: Reference, user: string, told: number): void {
  const hides = (isHidden: boolean): boolean =>
    rig.asked.some(({ request: r }) => r.t === 'read' && r.user === user && r.isHidden === isHidden);
  if (!hides(true) || hides(false)) return; // once shown, all that was hidden is
  const most = Math.max(reference.joined.get(user) ?? 0, reference.sent.get(user) ?? 0);
  assert.ok(told <= most, `${user} hides all reading, and is told to have read ${told}`);
}

/** A cursor is where the user joined, sent, or was said to have read, and not before what was told of it. */
function checkCursors(rig: Rig, reference: Reference, user: string, read: number, head: number): void {
  const joined = reference.joined.get(user) ?? 0;
  const sent = reference.sent.get(user) ?? 0;
  const said = rig.asked.flatMap(({ request }) =>
    request.t === 'read' && request.user === user ? [Math.min(request.seq, head)] : [],
  );
  assert.ok(read >= Math.max(joined, sent > joined ? sent : 0), `${user} has read what they sent`);
  const isFrom = read === joined || read === sent || said.some((seq) => seq >= read);
  assert.ok(isFrom && read <= head, `${read} was read by ${user}`);
}

/** As the last request that was answered `ok` has it, or a later one whose fate is not known. */
function checkPrefs(rig: Rig, reference: Reference, user: string, entry: Entry): void {
  if ((reference.joined.get(user) ?? 0) > 1) return; // who came back has set nothing since, or something
  const sets = rig.asked.filter(({ request }) => request.t === 'prefs' && request.user === user);
  for (const field of ['mute', 'pin'] as const) {
    const ofField = sets.filter(({ request }) => request.t === 'prefs' && request[field] !== undefined);
    const last = ofField.findLastIndex(({ answer }) => answer?.t === 'ok');
    const allowed = ofField
      .slice(Math.max(0, last))
      .map(({ request }) => (request.t === 'prefs' ? request[field] : undefined));
    const none = field === 'mute' ? 0 : false;
    const value = entry[field] ?? none;
    assert.ok((last < 0 && value === none) || allowed.includes(value), `${field} of ${user} is ${value}`);
  }
}

function lastReceipts(rig: Rig): Receipt[] {
  const last = new Map<string, Receipt>();
  for (const delivery of rig.deliveries)
    if (delivery.t === 'receipt') for (const item of delivery.items) last.set(item[0], item);
  return [...last.values()];
}

async function checkAccess(rig: Rig, reference: Reference, head: number): Promise<void> {
  for (const name of USERS) {
    const asked = rig.history(name);
    await rig.system.settle();
    const { answer } = asked;
    if (reference.now.has(name)) assert.ok(answer?.t === 'page' || answer?.t === 'grant', `${name} may read`);
    else assert.ok(answer?.t === 'error' && answer.code === 'not_member', `${name} may not read`);
    if (answer?.t === 'page') assert.equal(answer.head, head, 'a read sees all that is committed');
  }
}

test('any interleaving of sends, retries, member changes, passivation, faults and crashes keeps P1, P3 and P6, and what is read, unread and set', async () => {
  const history = fc.array(step, { minLength: 10, maxLength: 80 });
  const runs = Number(process.env['CARILLON_PROPERTY_RUNS'] ?? 400);
  await fc.assert(
    fc.asyncProperty(history, async (steps) => {
      const rig = new Rig();
      rig.create(['ann', 'bob', 'cat']);
      await rig.system.settle();
      for (const at of steps) await take(rig, at);
      rig.faults.length = 0;
      await rig.system.advance(20_000);
      const log = await rig.log();
      const reference = new Reference(log);
      checkAcks(rig, reference, log);
      checkDeliveries(rig, reference);
      await checkInboxes(rig, reference, log.length);
      await checkAccess(rig, reference, log.length);
    }),
    { numRuns: runs },
  );
});

test('a flagged retry finds its seq when its row has left the window, and one found nowhere is a new send', async () => {
  const rig = new Rig(0);
  rig.create(['ann', 'bob', 'cat']);
  await rig.system.settle();
  const first = rig.send('ann', cmidOf(1), 'a', false);
  await rig.system.settle();
  for (let i = 0; i < 1_100; i++) {
    rig.send('bob', `0190a000-0000-7000-8000-1000000${i.toString(16).padStart(5, '0')}`, 'b', false);
    if (i % 200 === 0) await rig.system.settle();
  }
  await rig.system.settle();
  const again = rig.send('ann', cmidOf(1), 'a', true);
  const behind = rig.submit({
    ...again.request,
    id: 999_999,
    t: 'history',
    after: 0,
    before: undefined,
    limit: 1,
  } as never);
  const other = rig.send('ann', cmidOf(1), 'b', true);
  const fresh = rig.send('ann', cmidOf(2), 'a', true);
  assert.ok(!answered(behind), 'what the session asks next waits behind the look-up');

  await rig.system.settle();
  assert.deepEqual(again.answer, { ...first.answer, duplicate: true });
  assert.equal(behind.answer?.t, 'grant');
  assert.equal(other.answer?.t === 'error' && other.answer.code, 'conflict');
  assert.deepEqual(fresh.answer?.t === 'ack' && [fresh.answer.seq, fresh.answer.duplicate], [1_103, false]);
});

test('a session’s sends behind a refused one are refused, until that one comes again', async () => {
  const rig = new Rig(0);
  rig.create(['ann', 'bob']);
  await rig.system.settle();
  const send = (id: number, ordinal: number, base: number): ReturnType<Rig['submit']> => {
    const template = {
      ...rig.base('ann', 50),
      t: 'send',
      kind: 'text',
      text: true,
      retry: false,
      body: new Uint8Array([65]),
    };
    return rig.submit({ ...template, cmid: cmidOf(id), ordinal, base } as never);
  };
  rig.faults.push('unavailable');
  const first = send(1, 1, 1);
  await rig.system.settle();
  const second = send(2, 2, 1);
  await rig.system.settle();
  assert.deepEqual(
    [first, second].map(({ answer }) => answer?.t === 'error' && answer.code),
    ['unavailable', 'unavailable'],
  );
  const firstAgain = send(1, 1, 1);
  const secondAgain = send(2, 2, 1);
  await rig.system.settle();
  assert.deepEqual(
    [firstAgain, secondAgain].map(({ answer }) => answer?.t === 'ack' && answer.seq),
    [2, 3],
  );
});

function answered(asked: ReturnType<Rig['submit']>): boolean {
  return asked.answer !== undefined;
}
