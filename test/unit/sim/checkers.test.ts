import assert from 'node:assert/strict';
import test from 'node:test';
import { check, CHECKERS } from '../../sim/checkers/all.ts';
import { emptyHistory, type FinalRow, type History } from '../../sim/world/history.ts';

const CONV = 'conv';
const GROUP = 'group';

/** Ann and Bob, online to the end: three messages, two of Ann's; of a group Bob was removed at 3. */
function sound(): History {
  const history = emptyHistory();
  const row = (seq: number, user: string): FinalRow => ({
    seq,
    ts: seq,
    cmid: `id${seq}`,
    from: user,
    device: `${user}-1`,
    kind: 'text',
    body: `body ${seq}`,
    mentions: seq === 3 ? ['bob'] : [],
  });
  const rows = [row(1, 'ann'), row(2, 'bob'), row(3, 'ann')];
  history.logs.set(CONV, { conv: CONV, rows, direct: ['ann', 'bob'] });
  const event = { ts: 1, cmid: '', from: 'ann', device: 'ann-1', mentions: [] };
  const created = JSON.stringify({
    kind: 'group',
    members: [
      ['ann', 'owner'],
      ['bob', 'member'],
    ],
  });
  history.logs.set(GROUP, {
    conv: GROUP,
    rows: [
      { ...event, seq: 1, kind: 'sys.created', body: created },
      row(2, 'ann'),
      { ...event, seq: 3, kind: 'sys.members', body: JSON.stringify({ remove: ['bob'] }) },
    ],
    direct: undefined,
  });
  let nth = 0;
  for (const { seq, ts, from, device, body, cmid } of rows) {
    history.ownerAcks.push({ at: seq * 10, node: 's1', conv: CONV, seq, ts, cmid, user: from, body });
    history.deviceAcks.push({ at: seq * 10 + 1, device, conv: CONV, seq, ts, body, life: 1, nth: ++nth });
    for (const user of ['ann', 'bob']) {
      const here = { user, device: `${user}-1`, conv: CONV, seq };
      if (user !== from) history.told.push({ ...here, at: seq * 10 + 1, connection: 1, t: 'message' });
      history.shown.push({ ...here, life: 1, cmid, body });
    }
  }
  for (const [user, conv, last, read, unread, mentions = 0] of [
    ['ann', CONV, 3, 3, 0],
    ['bob', CONV, 3, 2, 1, 1],
    ['ann', GROUP, 3, 1, 1],
    ['bob', GROUP, 2, 1, 1],
  ] as const)
    history.standings.push({
      at: 100,
      user,
      device: `${user}-1`,
      conv,
      head: last,
      last,
      failure: undefined,
      read,
      unread,
      mentions,
      prefs: { mute: 0, pin: false, archive: false },
    });
  history.receipts.push({ user: 'ann', device: 'ann-1', conv: CONV, items: [['bob', 3, 2]] });
  const settings = { receipts: true, presence: 'everyone' } as const;
  history.settled.push({ user: 'bob', device: 'bob-1', settings });
  const watch = { device: 'ann-1', watcher: 'ann', user: 'bob' };
  history.presence.push({ ...watch, told: true, isOnline: true });
  history.reads.push(page(50, { head: 3, seqs: [1, 2, 3] }));
  return history;
}

const PIN = { user: 'bob', conv: CONV, change: { pin: true }, asked: 40, isOver: true } as const;

function page(startedAt: number, fields: Partial<History['reads'][number]>): History['reads'][number] {
  const range = { after: undefined, before: undefined, more: false, head: 0, seqs: [] };
  return { user: 'bob', device: 'bob-1', conv: CONV, startedAt, at: startedAt + 5, ...range, ...fields };
}

/** Each makes of the sound history one that the checkers named must not let pass. */
const BAD: readonly (readonly [
  name: string,
  checkers: readonly string[],
  spoil: (history: History) => void,
])[] = [
  [
    'an acked message that is not in the log',
    ['acked-durable'],
    ({ deviceAcks }) => deviceAcks.push({ ...deviceAcks[2]!, at: 60, seq: 3, nth: 9, body: 'lost' }),
  ],
  [
    'an ack that never arrived, of something else than the log has',
    ['acked-durable'],
    ({ ownerAcks }) => (ownerAcks[1] = { ...ownerAcks[1]!, cmid: 'other' }),
  ],
  [
    'an ack with another time than the log has',
    ['acked-durable', 'single-acker-per-seq'],
    ({ ownerAcks }) => ownerAcks.push({ ...ownerAcks[1]!, node: 's2', ts: 99 }),
  ],
  ['a log with a gap', ['dense-order'], ({ logs }) => rowsOf(logs, CONV).splice(1, 1)],
  ['a group that nobody created', ['dense-order'], ({ logs }) => rowsOf(logs, GROUP).splice(0, 1)],
  [
    'events told in the wrong order',
    ['dense-order'],
    ({ told }) => told.push({ ...told[0]!, at: 70, seq: 1, user: 'bob', device: 'bob-1' }),
  ],
  ['a timeline with a hole', ['dense-order'], ({ shown }) => shown.splice(2, 1)],
  [
    'the same id twice in a log',
    ['no-duplicate'],
    ({ logs }) => rowsOf(logs, CONV).push({ ...rowsOf(logs, CONV)[0]!, seq: 4 }),
  ],
  ['a message shown twice', ['no-duplicate'], ({ shown }) => shown.push({ ...shown[0]!, seq: 4 })],
  [
    'an event told to one who was removed by it',
    ['membership'],
    ({ told }) => told.push({ ...told[0]!, user: 'bob', device: 'bob-1', conv: GROUP, seq: 3 }),
  ],
  [
    'a page for one who is no member',
    ['membership'],
    ({ reads }) => reads.push(page(90, { conv: GROUP, head: 3, seqs: [1, 2, 3] })),
  ],
  [
    'the last message missing on a device',
    ['eventual-delivery'],
    ({ standings }) => (standings[1] = { ...standings[1]!, head: 2, last: 2 }),
  ],
  [
    'a conversation that a member cannot read',
    ['eventual-delivery'],
    ({ standings }) => (standings[0] = { ...standings[0]!, failure: 'not_member' }),
  ],
  [
    'a wrong number of unread messages',
    ['cursors'],
    ({ standings }) => (standings[1] = { ...standings[1]!, unread: 2 }),
  ],
  [
    'two devices of one user with two read cursors',
    ['cursors'],
    ({ standings }) => standings.push({ ...standings[1]!, device: 'bob-2', read: 3, unread: 0 }),
  ],
  [
    'a cursor that the others are told otherwise',
    ['cursors'],
    ({ receipts }) => (receipts[0] = { ...receipts[0]!, items: [['bob', 3, 1]] }),
  ],
  [
    'a message that was read and not delivered',
    ['cursors'],
    ({ receipts }) => (receipts[0] = { ...receipts[0]!, items: [['bob', 1, 2]] }),
  ],
  [
    'two devices of one user that show a conversation in two ways',
    ['prefs'],
    ({ standings, prefs }) => {
      prefs.push({ ...PIN, answered: undefined });
      const prefsOf = { mute: 0, pin: true, archive: false };
      standings.push({ ...standings[1]!, device: 'bob-2', prefs: prefsOf });
    },
  ],
  ['what was answered `ok` and is not shown', ['prefs'], ({ prefs }) => prefs.push({ ...PIN, answered: 50 })],
  [
    'what was set before something else that was answered',
    ['prefs'],
    ({ standings, prefs }) => {
      prefs.push({ ...PIN, answered: 50 }, { ...PIN, change: { pin: false }, asked: 60, answered: 70 });
      standings[1] = { ...standings[1]!, prefs: { mute: 0, pin: true, archive: false } };
    },
  ],
  [
    'a wrong number of mentions',
    ['cursors'],
    ({ standings }) => (standings[1] = { ...standings[1]!, mentions: 0 }),
  ],
  [
    'two devices of one user with two settings',
    ['settings'],
    ({ settled, settings }) => {
      settings.push({
        user: 'bob',
        change: { receipts: false },
        asked: 40,
        answered: undefined,
        isOver: true,
      });
      settled.push({ ...settled[0]!, device: 'bob-2', settings: { receipts: false, presence: 'everyone' } });
    },
  ],
  [
    'settings that were answered `ok` and are not shown',
    ['settings'],
    ({ settings }) =>
      settings.push({ user: 'bob', change: { presence: 'nobody' }, asked: 40, answered: 50, isOver: true }),
  ],
  [
    'somebody online who is told to be offline',
    ['presence'],
    ({ presence }) => (presence[0] = { ...presence[0]!, told: false }),
  ],
  [
    'a watch of which nothing was told',
    ['presence'],
    ({ presence }) => (presence[0] = { ...presence[0]!, told: undefined }),
  ],
  [
    'one who lets nobody know, and is told to be online',
    ['presence'],
    ({ settled, settings }) => {
      const change = { presence: 'nobody' } as const;
      settings.push({ user: 'bob', change, asked: 40, answered: 50, isOver: true });
      settled[0] = { ...settled[0]!, settings: { receipts: true, presence: 'nobody' } };
    },
  ],
  [
    'two nodes that acked different messages at one seq',
    ['single-acker-per-seq'],
    ({ ownerAcks }) => ownerAcks.push({ ...ownerAcks[0]!, node: 's2', cmid: 'other', body: 'other' }),
  ],
  [
    'two nodes that acked one message at two seqs',
    ['single-acker-per-seq'],
    ({ ownerAcks }) => ownerAcks.push({ ...ownerAcks[0]!, node: 's2', seq: 4 }),
  ],
  [
    'a page without what was acked before',
    ['read-after-ack'],
    ({ reads }) => reads.push(page(80, { head: 2, seqs: [1, 2] })),
  ],
  ['a page with a hole', ['read-after-ack'], ({ reads }) => reads.push(page(80, { head: 3, seqs: [1, 3] }))],
  [
    'a page that says that there is more, where there is none',
    ['read-after-ack'],
    ({ reads }) => reads.push(page(80, { after: 1, head: 3, seqs: [2, 3], more: true })),
  ],
  [
    'a message shown with other bytes',
    ['same-bytes'],
    ({ shown }) => (shown[0] = { ...shown[0]!, body: 'changed' }),
  ],
  [
    'messages of a device in another order than sent',
    ['send-order'],
    ({ deviceAcks }) => (deviceAcks[0] = { ...deviceAcks[0]!, nth: 7 }),
  ],
  ['a surprise', ['no-surprise'], ({ errors }) => errors.push('thrown')],
];

function rowsOf(logs: History['logs'], conv: string): FinalRow[] {
  return logs.get(conv)!.rows as FinalRow[];
}

test('a sound history passes every checker', () => {
  assert.deepEqual(check(sound()), []);
});

for (const [name, checkers, spoil] of BAD) {
  test(`the checkers see ${name}`, () => {
    const history = sound();
    spoil(history);
    const found = new Set(check(history).map(({ checker }) => checker));
    for (const checker of checkers) assert.ok(found.has(checker), `${checker} let it pass`);
  });
}

test('every checker has a history that it does not let pass', () => {
  const tested = new Set(BAD.flatMap(([, checkers]) => checkers));
  assert.deepEqual(
    Object.keys(CHECKERS).filter((name) => !tested.has(name)),
    [],
  );
});
