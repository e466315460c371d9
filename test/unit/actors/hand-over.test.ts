/** What an owner hands over is all that another one needs: it goes on as one would that has read the log. */
import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import test from 'node:test';
import fc from 'fast-check';
import { Packr } from 'msgpackr';
import type { Activation } from '../../../src/core/actor.ts';
import type { Answer, ConversationRequest, MemberChange, SendRequest } from '../../../src/core/requests.ts';
import type { ConversationRow, HandOver, MemberRow } from '../../../src/core/rows.ts';
import {
  messageCmid,
  messageFrom,
  payloadHash,
  readU64,
  TS_AT,
} from '../../../src/protocol/message-frame.ts';
import {
  messageBody,
  messageDevice,
  messageIsText,
  messageKind,
} from '../../../src/protocol/message-frame.ts';
import { cmid, CONV, createDirect, createGroup, history, members, read, send } from './requests.ts';
import { Stage } from './stage.ts';

const USERS = ['ann', 'bob', 'cat', 'dan', 'eve'] as const;
const DEVICES = ['phone', 'pad'] as const;
const PACKR = new Packr({ useRecords: false });

/** Three numbers that choose what is asked. */
type Choice = readonly [what: number, who: number, which: number];
const choices = (maxLength: number): fc.Arbitrary<Choice[]> =>
  fc.array(fc.tuple(fc.nat(11), fc.nat(9), fc.nat(99)), { maxLength });

/** The small tables, as the projector keeps them. */
class Tables {
  conversation: ConversationRow;
  readonly members = new Map<string, MemberRow>();

  constructor(stage: Stage) {
    this.conversation = stage.rows.conversation;
    for (const row of stage.rows.members) this.members.set(row.user, row);
  }

  write(stage: Stage): void {
    const write = stage.actor.projection(undefined);
    this.conversation = write.conversation ?? this.conversation;
    for (const row of write.members) this.members.set(row.user, row);
    stage.actor.projected(write);
  }
}

const change = (which: number): MemberChange => {
  const user = USERS[which % USERS.length] as string;
  switch (which % 4) {
    case 0:
      return { op: 'remove', users: [user] };
    case 1:
      return {
        op: 'role',
        roles: [[user, which % 3 === 0 ? 'admin' : which % 3 === 1 ? 'member' : 'owner']],
      };
    case 2:
      return { op: 'add', users: [user, 'fay'] };
    default:
      return { op: 'leave' };
  }
};

/** What a choice asks of a conversation that reaches to `head`, in a session of its own. */
function requestOf([what, who, which]: Choice, head: number, session: number): ConversationRequest {
  const user = USERS[who % USERS.length] as string;
  const device = DEVICES[which % 2] as string;
  const common = { session, device };
  switch (what) {
    case 0:
      return members(user, change(which), common);
    case 1:
      return read(user, which % (head + 2), common);
    case 2:
      return members(user, undefined, common);
    case 3:
      return history(user, { ...common, before: which + 1, limit: 1 + (which % 50) });
    case 4:
      return history(user, { ...common, after: which % (head + 1), limit: 10 });
    case 5:
      return history(user, common);
    case 6:
    case 7:
      return send(user, cmid(which % 30), { ...common, retry: true, text: what === 6 ? 'hi' : 'else' });
    default:
      return send(user, cmid(which), common);
  }
}

/** Has it all done, look-ups and rows from the log included, and says what came of it. */
function play(stage: Stage, request: ConversationRequest): unknown {
  const { log, actor } = stage.quiet();
  const batches = stage.batches.length;
  stage.settle(request);
  while (stage.lookUps.length > 0) {
    stage.lookedUp(find(stage, stage.lookUps[0] as SendRequest));
    while (actor.busy) stage.commit();
  }
  while (stage.fetches.length > 0) stage.fetched();
  assert.ok(actor.idle);
  return {
    answer: plain(stage.answers.get(request)),
    rows: log.length,
    written: stage.batches.slice(batches).map(({ c, rows, fence }) => ({ c, rows: [...rows], fence })),
    spoken: stage.spoken
      .map((said) => said.split('>').map((part) => part.split(',').sort().join()))
      .sort(byText),
    projected: stage.projected.slice().sort(byText),
    entries: ['fay', ...USERS].map((user) => actor.entryFor(user)),
  };
}

function byText(a: unknown, b: unknown): number {
  return String(a) < String(b) ? -1 : 1;
}

/** Whatever the order of members, and the class of bytes. */
function plain(answer: Answer | undefined): unknown {
  if (answer?.t === 'ok') return { ...answer, members: [...(answer.members ?? [])].sort(byText) };
  if (answer?.t === 'page')
    return { ...answer, frames: answer.frames.map((frame) => Buffer.from(frame).toString('base64')) };
  return answer;
}

/** As the index has it: the id of a row that is in the log. */
function find({ log }: Stage, { user, device, cmid: id }: SendRequest) {
  for (const { env, seq } of log)
    if (messageCmid(env) === id && messageFrom(env) === user && messageDevice(env) === device) {
      const hash = payloadHash(messageKind(env), messageBody(env), messageIsText(env));
      return { t: 'found', hit: { seq, ts: readU64(env, TS_AT), hash } } as const;
    }
  return { t: 'none' } as const;
}

function sorted(stage: Stage): unknown {
  const { members: rows, inbox, conversation } = stage.actor.projection(undefined);
  const byUser = (a: { user: string }, b: { user: string }): number => (a.user < b.user ? -1 : 1);
  return { conversation, members: [...rows].sort(byUser), inbox: [...inbox].sort(byUser) };
}

function open(activation: Activation, from: Stage): Stage {
  const stage = new Stage(activation);
  stage.log.length = 0;
  stage.log.push(...from.log);
  stage.now = from.now + 1_000;
  return stage;
}

/** Over the bus and back. */
function carried(state: HandOver): HandOver {
  return PACKR.unpack(PACKR.pack(state)) as HandOver;
}

/** The actor that is made from the log, and the one made of what was handed over. */
function successors(stage: Stage, tables: Tables): { cold: Stage; warm: Stage } {
  tables.write(stage); // as the release does
  const { conversation } = tables;
  const cold = stage.activation({ conversation, members: [...tables.members.values()] });
  const warm = carried(stage.actor.handOver());
  const { head, tail, members: rows } = warm;
  return {
    cold: open({ ...cold, fence: 2 }, stage),
    warm: open(
      {
        conv: CONV,
        fence: 2,
        conversation: warm.conversation,
        members: rows,
        head,
        tail,
        unprojected: [],
        warm,
      },
      stage,
    ),
  };
}

function compare(stage: Stage, tables: Tables, probes: readonly Choice[]): void {
  const { cold, warm } = successors(stage, tables);
  assert.deepEqual(sorted(warm), sorted(cold));
  probes.forEach((probe, i) => {
    const request = requestOf(probe, stage.log.length, 10_000 + i);
    assert.deepEqual(play(warm, request), play(cold, request), `${request.t} ${probe.join()}`);
  });
  assert.deepEqual(sorted(warm), sorted(cold));
}

function live(stage: Stage, tables: Tables, past: readonly Choice[]): void {
  past.forEach((choice, i) => {
    stage.now += choice[2];
    play(stage, requestOf(choice, stage.log.length, 1_000 + i));
    if (choice[2] % 5 === 0) tables.write(stage);
  });
}

test('a successor by a hand-over does and says what one does that has read the log', () => {
  fc.assert(
    fc.property(choices(80), choices(40), (past, probes) => {
      const stage = Stage.group('ann', 'bob', 'cat');
      const tables = new Tables(stage);
      live(stage, tables, past);
      compare(stage, tables, probes);
    }),
    { numRuns: 150 },
  );
});

test('so does one of a direct conversation, even before its first message', () => {
  fc.assert(
    fc.property(choices(6), choices(20), (past, probes) => {
      const stage = Stage.direct('ann', 'bob');
      const tables = new Tables(stage);
      live(stage, tables, past);
      compare(stage, tables, probes);
    }),
    { numRuns: 100 },
  );
});

test('a hand-over of a hand-over loses nothing', () => {
  fc.assert(
    fc.property(choices(40), choices(20), choices(20), (past, then, probes) => {
      const stage = Stage.group('ann', 'bob', 'cat');
      const tables = new Tables(stage);
      live(stage, tables, past);
      const { warm } = successors(stage, tables);
      live(warm, tables, then);
      compare(warm, tables, probes);
    }),
    { numRuns: 100 },
  );
});

for (const rows of [64, 65, 1_023, 1_024, 1_025, 2_600])
  test(`after ${rows} messages every id is still known or looked up, and its seq the same`, () => {
    const stage = Stage.group('ann', 'bob');
    const tables = new Tables(stage);
    for (let i = 1; i < rows; i++) stage.settle(send('ann', cmid(i)));
    const { cold, warm } = successors(stage, tables);
    for (let i = 1; i < rows; i += rows > 1_000 ? 37 : 1)
      for (const text of ['hi', 'else']) {
        const retry = send('ann', cmid(i), { retry: true, text, session: 10_000 + i });
        const said = play(warm, retry);
        assert.deepEqual(said, play(cold, retry));
        assert.equal(warm.said(retry), text === 'hi' ? `ack ${i + 1} again` : 'conflict');
      }
    const unflagged = send('ann', cmid(rows - 1), { session: 20_000 });
    play(warm, unflagged);
    assert.equal(warm.said(unflagged), `ack ${rows} again`);
  });

test('what many system events pushed out of the window is looked up, not taken for new', () => {
  const stage = Stage.group('ann', 'bob');
  const tables = new Tables(stage);
  stage.settle(send('ann', cmid(1)));
  for (let i = 0; i < 1_100; i++)
    stage.settle(members('ann', { op: i % 2 === 0 ? 'add' : 'remove', users: ['dan'] }));
  const { warm } = successors(stage, tables);
  const retry = send('ann', cmid(1), { retry: true, session: 9 });
  warm.turn(retry);
  assert.equal(warm.lookUps.length, 1);
  warm.lookedUp(find(warm, retry));
  assert.equal(warm.said(retry), 'ack 2 again');
  assert.equal(warm.actor.entryFor('bob')?.preview?.seq, 2, 'the last message is still shown');
});

test('large events leave a short tail, of which at least the last is handed over', () => {
  const stage = Stage.group('ann', 'bob');
  const tables = new Tables(stage);
  for (let i = 1; i <= 5; i++) stage.settle(send('ann', cmid(i), { text: 'x'.repeat(16_000) }));
  const { tail, ids, coversFrom, head } = stage.actor.handOver();
  assert.deepEqual([tail.length < 4, tail.at(-1)?.seq, head, ids.length, coversFrom], [true, 6, 6, 5, 1]);
  compare(
    stage,
    tables,
    [3, 4, 5, 6, 7, 8].map((what) => [what, 0, 4] as const),
  );
});

test('what is asked of none that exists cannot be handed over', () => {
  const stage = new Stage();
  assert.throws(() => stage.actor.handOver(), /no such conversation/);
  stage.turn(createDirect(['ann', 'bob']));
  assert.throws(() => stage.actor.handOver(), /no such conversation/);
  stage.commit();
  assert.equal(stage.actor.handOver().head, 0);
  const again = new Stage();
  again.settle(createGroup(['ann']));
  assert.deepEqual(
    again.actor.handOver().tail.map(({ seq }) => seq),
    [1],
  );
});
