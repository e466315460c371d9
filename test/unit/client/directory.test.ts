import assert from 'node:assert/strict';
import test from 'node:test';
import { Directory } from '../../../src/client/directory.ts';
import type { Entry } from '../../../src/core/entry.ts';
import type { Message } from '../../../src/protocol/frames.ts';
import { CONV } from '../actors/requests.ts';
import { VirtualTime } from './virtual-world.ts';

const ENTRY: Entry = {
  conv: CONV,
  kind: 'group',
  title: undefined,
  peer: undefined,
  role: 'member',
  removed: undefined,
  head: 10,
  n: 9,
  ts: 1,
  read: 9,
  unread: 1,
  preview: undefined,
};

function message(from: string, seq: number, n = seq - 1): Message {
  return {
    t: 'message',
    conv: CONV,
    seq,
    n,
    ts: 1,
    from,
    device: 'd',
    cmid: undefined,
    kind: 'text',
    body: '',
  };
}

class Rig {
  readonly time = new VirtualTime();
  readonly asked: number[] = [];
  readonly behind: number[] = [];
  /** What is asked for is not found. */
  failing = false;
  readonly directory = new Directory({
    system: this.time,
    conversationsMax: 10,
    changed: () => undefined,
    isBehind: (_conv, read) => void this.behind.push(read),
    place: async (_conv, seq) => {
      this.asked.push(seq);
      if (this.failing) throw new Error('offline');
      this.directory.placed(message('ann', seq));
    },
  });

  constructor() {
    this.directory.user = 'ann';
    this.directory.replace(ENTRY);
  }

  /** The read cursor, and what is unread behind it. */
  get state(): [read: number | undefined, unread: number | undefined] {
    const entry = this.directory.get(CONV);
    return [entry?.read, entry?.unread];
  }
}

test('S14.5: an own message that is acked behind later ones moves the cursor; where it is among them is asked for', async () => {
  const rig = new Rig();
  for (let seq = 37; seq <= 50; seq++) rig.directory.message(message('bob', seq));
  assert.deepEqual(rig.state, [9, 41]);
  for (const seq of [20, 21, 36]) rig.directory.message(message('ann', seq, 0));
  await rig.time.advance(1_000);
  assert.deepEqual([rig.state, rig.asked], [[36, 14], [36]]);
  rig.directory.message(message('bob', 51));
  assert.deepEqual(rig.state, [36, 15]);
});

test('own messages acked before those before them leave their number open, also when prefs come meanwhile', () => {
  const rig = new Rig();
  for (const seq of [14, 15]) rig.directory.message(message('ann', seq, 0));
  rig.directory.conversation({ t: 'conversation', conv: CONV, pin: true });
  assert.deepEqual([rig.state, rig.directory.get(CONV)?.pin], [[15, 0], true]);
  rig.directory.message(message('bob', 16));
  assert.deepEqual(rig.state, [15, 1]);
});

test('it is not asked for when it comes by itself meanwhile', async () => {
  const rig = new Rig();
  rig.directory.message(message('bob', 50));
  rig.directory.message(message('ann', 36, 0));
  rig.directory.placed(message('ann', 36));
  await rig.time.advance(1_000);
  assert.deepEqual([rig.state, rig.asked], [[36, 14], []]);
});

test('a read cursor of which the number of messages is not known is asked for too, and a failure does no harm', async () => {
  const rig = new Rig();
  rig.directory.message(message('bob', 50));
  rig.failing = true;
  assert.ok(rig.directory.read(CONV, 30, undefined));
  await rig.time.advance(1_000);
  assert.deepEqual(rig.asked, [30]);
  rig.failing = false;
  assert.ok(rig.directory.read(CONV, 40, undefined));
  await rig.time.advance(1_000);
  assert.deepEqual(
    [rig.state, rig.asked],
    [
      [40, 10],
      [30, 40],
    ],
  );
  assert.ok(rig.directory.read(CONV, 45, 44));
  await rig.time.advance(1_000);
  assert.deepEqual(
    [rig.state, rig.asked],
    [
      [45, 5],
      [30, 40],
    ],
  );
});

test('S14.5: a cursor that the server shows to be behind is said so, and stays where it was', () => {
  const rig = new Rig();
  rig.directory.message(message('bob', 50));
  assert.ok(rig.directory.read(CONV, 50, undefined));
  const [entry] = rig.directory.list();
  assert.ok(entry !== undefined);
  rig.directory.merge(entry);
  assert.deepEqual(rig.behind, []);
  rig.directory.merge({ ...entry, read: 20, unread: 30 });
  rig.directory.replace({ ...entry, read: 30, unread: 20 });
  assert.deepEqual(
    [rig.state, rig.behind],
    [
      [50, 0],
      [50, 50],
    ],
  );
});

test('of the mentions only those behind the cursor are left when an own message is acked behind them', () => {
  const { directory } = new Rig();
  const mentionsIn = (...seqs: number[]): void => {
    for (const seq of seqs) directory.message({ ...message('bob', seq), mentions: ['ann'] });
  };
  mentionsIn(11, 12);
  directory.message(message('bob', 13));
  mentionsIn(15);
  assert.equal(directory.get(CONV)?.mentions, 3);
  directory.message(message('ann', 14, 0)); // acked late: its place among the messages is not known
  assert.equal(directory.get(CONV)?.mentions, 1);
  directory.conversation({ t: 'conversation', conv: CONV, read: 14, unread: 2, mentions: 2 });
  mentionsIn(16);
  directory.read(CONV, 14, undefined);
  assert.equal(directory.get(CONV)?.mentions, 3, 'which of those said are left is not known, …');
  directory.read(CONV, 15, undefined);
  assert.equal(directory.get(CONV)?.mentions, 1, '… until the cursor is behind them');
  directory.merge({ ...ENTRY, head: 16, n: 15, read: 15, unread: 1, mentions: 1 });
  directory.read(CONV, 16, undefined);
  assert.equal(directory.get(CONV)?.mentions, undefined);
});
