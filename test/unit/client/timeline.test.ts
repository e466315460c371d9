import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import type { Client } from '../../../src/client/client.ts';
import type { Timeline, TimelineOptions } from '../../../src/client/timeline.ts';
import type { Message } from '../../../src/protocol/frames.ts';
import { NO_FAULTS } from './model-faults.ts';
import { clientOf, World } from './virtual-world.ts';

async function group(world: World, client: Client): Promise<string> {
  const creation = client.create('group', ['ann', 'bob'], 'g');
  await world.time.advance(20);
  return creation;
}

function seqs(timeline: Timeline): number[] {
  return timeline.messages.map((message) => message.seq);
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

/** As JSON brings it, without absent fields. */
function asSent(messages: Message[]): Message[] {
  return JSON.parse(JSON.stringify(messages)) as Message[];
}

/** What the events of a timeline say, applied to a list: must always equal its `messages`. */
function mirror(timeline: Timeline): { list: Message[]; appended: number[] } {
  const state = { list: [...timeline.messages], appended: [] as number[] };
  timeline.on('append', (messages) => {
    state.list.push(...messages);
    state.appended.push(...messages.map((message) => message.seq));
  });
  timeline.on('prepend', (messages) => state.list.unshift(...messages));
  timeline.on('trim', (count) => state.list.splice(0, count));
  timeline.on('reset', () => void (state.list = []));
  return state;
}

test('it begins with the newest page, loads older ones to the start, and follows', async () => {
  const world = new World();
  const ann = clientOf(world, 'ann');
  const conv = await group(world, ann);
  for (let i = 2; i <= 120; i++) world.server.post(conv, 'bob', String(i));
  const timeline = ann.timeline(conv);
  const mirrored = mirror(timeline);
  await world.time.advance(10);
  assert.deepEqual(seqs(timeline), range(71, 120));
  const older = timeline.loadOlder();
  await world.time.advance(10);
  assert.equal(await older, true);
  world.server.post(conv, 'bob', 'live');
  const oldest = timeline.loadOlder();
  await world.time.advance(10);
  assert.equal(await oldest, false);
  assert.deepEqual(seqs(timeline), range(1, 121));
  assert.equal(timeline.isAtStart, true);
  assert.equal(await timeline.loadOlder(), false);
  assert.deepEqual(mirrored.list, timeline.messages);
});

test('an own message is shown at once, acked in place, and gets its n', async () => {
  const world = new World();
  const ann = clientOf(world, 'ann');
  const conv = await group(world, ann);
  const timeline = ann.timeline(conv);
  await world.time.advance(10);
  const sent = ann.send(conv, 'hello');
  assert.deepEqual(
    timeline.outgoing.map((outgoing) => outgoing.body),
    ['hello'],
  );
  await world.time.advance(10);
  assert.equal((await sent).seq, 2);
  assert.deepEqual(timeline.outgoing, []);
  const { t, body, seq, n, from } = timeline.messages.at(-1) as Message;
  assert.deepEqual({ t, body, seq, n, from }, { t: 'message', body: 'hello', seq: 2, n: 1, from: 'ann' });
  assert.deepEqual(ann.timeline(conv), timeline);
});

test('a lost event is fetched when the next one shows the gap, or a head does', async () => {
  const world = new World();
  const ann = clientOf(world, 'ann');
  const conv = await group(world, ann);
  const timeline = ann.timeline(conv);
  await world.time.advance(10);
  world.server.faults = { ...world.server.faults, event: () => 'lose' };
  world.server.post(conv, 'bob', 'lost');
  world.server.faults = { ...world.server.faults, event: () => 'deliver' };
  world.server.post(conv, 'bob', 'seen');
  await world.time.advance(10);
  assert.deepEqual(seqs(timeline), [1, 2, 3]);
  world.server.faults = { ...world.server.faults, event: () => 'lose' };
  world.server.post(conv, 'bob', 'lost, and the last');
  await world.time.advance(10);
  assert.deepEqual(seqs(timeline), [1, 2, 3]);
  world.server.announceHeads();
  await world.time.advance(10);
  assert.deepEqual(seqs(timeline), [1, 2, 3, 4]);
  assert.equal(timeline.isCurrent, true);
});

test('an own send acked beyond a gap stays outgoing until the gap is closed', async () => {
  const world = new World();
  const ann = clientOf(world, 'ann');
  const conv = await group(world, ann);
  const timeline = ann.timeline(conv);
  await world.time.advance(10);
  world.server.faults = { ...world.server.faults, event: () => 'lose' };
  world.server.post(conv, 'bob', 'lost');
  const counts: number[] = [];
  timeline.on('outgoing', () => counts.push(timeline.outgoing.length));
  const sent = ann.send(conv, 'mine');
  await world.time.advance(2);
  assert.equal((await sent).seq, 3);
  assert.equal(timeline.outgoing.length, 1);
  await world.time.advance(10);
  assert.deepEqual(seqs(timeline), [1, 2, 3]);
  assert.deepEqual(counts, [1, 0]);
});

test('far behind after a pause, it drops what it has and shows the newest page', async () => {
  const world = new World();
  const ann = clientOf(world, 'ann');
  const conv = await group(world, ann);
  const timeline = ann.timeline(conv);
  await world.time.advance(10);
  world.reachable = false;
  for (const session of [...world.server.sessions]) session.cut();
  for (let i = 2; i <= 1_500; i++) world.server.post(conv, 'bob', String(i));
  const mirrored = mirror(timeline);
  world.reachable = true;
  await world.time.advance(2_000);
  assert.deepEqual(seqs(timeline), range(1_451, 1_500));
  assert.deepEqual(mirrored.list, timeline.messages);
});

test('one that fetches all misses nothing however far behind, and stays within its bound', async () => {
  const world = new World();
  const ann = clientOf(world, 'ann');
  const conv = await group(world, ann);
  const options: TimelineOptions = { after: 0, whenBehind: 'fetch', messagesMax: 100 };
  const timeline = ann.timeline(conv, options);
  const mirrored = mirror(timeline);
  await world.time.advance(10);
  world.reachable = false;
  for (const session of [...world.server.sessions]) session.cut();
  for (let i = 2; i <= 2_500; i++) world.server.post(conv, 'bob', String(i));
  world.reachable = true;
  await world.time.advance(5_000);
  assert.deepEqual(mirrored.appended, range(1, 2_500));
  assert.ok(timeline.messages.length <= 100);
  assert.deepEqual(mirrored.list, timeline.messages);
});

test('an older page that arrives after a trim, and fits no longer, is not shown', async () => {
  const world = new World();
  const ann = clientOf(world, 'ann');
  const conv = await group(world, ann);
  for (let i = 2; i <= 300; i++) world.server.post(conv, 'bob', String(i));
  const timeline = ann.timeline(conv, { messagesMax: 100 });
  const mirrored = mirror(timeline);
  await world.time.advance(10);
  for (let i = 301; i <= 345; i++) world.server.post(conv, 'bob', String(i));
  await world.time.advance(5);
  const older = timeline.loadOlder();
  assert.equal(await older, false, 'no room for a page');
  const small = clientOf(world, 'bob').timeline(conv, { messagesMax: 100, pageMax: 40 });
  await world.time.advance(10);
  for (let i = 346; i <= 365; i++) world.server.post(conv, 'ann', String(i));
  await world.time.advance(5);
  const late = small.loadOlder();
  for (let i = 366; i <= 410; i++) world.server.post(conv, 'ann', String(i));
  await world.time.advance(10);
  assert.equal(await late, true);
  assert.deepEqual(seqs(small), range(small.messages[0]?.seq ?? 0, 410));
  assert.deepEqual(mirrored.list, timeline.messages);
});

test('a conversation that may not be read rests with the reason, and comes back with the membership', async () => {
  const world = new World();
  const ann = clientOf(world, 'ann');
  const bob = clientOf(world, 'bob');
  const conv = await group(world, ann);
  await world.time.advance(10);
  const removal = ann.changeMembers(conv, { remove: ['bob'] });
  await world.time.advance(10);
  await removal;
  const timeline = bob.timeline(conv);
  await world.time.advance(10);
  assert.equal(timeline.failure?.code, 'not_member');
  assert.equal(await timeline.loadOlder(), false);
  const addition = ann.changeMembers(conv, { add: ['bob'] });
  await world.time.advance(10);
  await addition;
  assert.equal(timeline.failure, undefined);
  assert.deepEqual(seqs(timeline), [1, 2, 3]);
});

type Step =
  | { readonly do: 'post'; readonly count: number }
  | { readonly do: 'send'; readonly count: number }
  | { readonly do: 'cut' }
  | { readonly do: 'wait'; readonly ms: number }
  | { readonly do: 'older' }
  | { readonly do: 'heads' };

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('post' as const), count: fc.integer({ min: 1, max: 80 }) }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('send' as const), count: fc.integer({ min: 1, max: 30 }) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('cut' as const) }) },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 1_500 }) }),
  },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('older' as const) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('heads' as const) }) },
);

test('whatever is lost, doubled, late, refused or cut, a timeline ends complete, in order and once', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 30 }), fc.integer(), async (steps, seed) => {
      const world = new World(seed);
      const { time, server } = world;
      const ann = clientOf(world, 'ann');
      const conv = await group(world, ann);
      await time.advance(2_000);
      server.faults = {
        loseCursor: () => false,
        refuseSend: () => (time.random() < 0.05 ? 'overloaded' : undefined),
        cutAfterSend: () => time.random() < 0.02,
        event: () =>
          (['lose', 'twice', 'late', 'deliver', 'deliver'] as const)[Math.floor(time.random() * 5)] ??
          'deliver',
      };
      const timeline = ann.timeline(conv);
      const follower = clientOf(world, 'bob').timeline(conv, { after: 0, whenBehind: 'fetch' });
      const mirrored = mirror(timeline);
      const followed = mirror(follower);
      const acks: Promise<{ seq: number }>[] = [];
      for (const { do: what, ...step } of steps as (Step & { count?: number; ms?: number })[]) {
        const count = step.count ?? 0;
        if (what === 'post') for (let i = 0; i < count; i++) server.post(conv, 'bob', `posted ${i}`);
        if (what === 'send') for (let i = 0; i < count; i++) acks.push(ann.send(conv, `sent ${acks.length}`));
        if (what === 'cut') for (const session of [...server.sessions]) session.cut();
        if (what === 'older') void timeline.loadOlder();
        if (what === 'heads') server.announceHeads();
        if (what === 'wait') await time.advance(step.ms ?? 0);
      }
      server.faults = NO_FAULTS;
      await time.advance(60_000);
      server.announceHeads();
      await time.advance(5_000);

      const log = server.conversations.get(conv)?.log ?? [];
      assert.equal(ann.unacked, 0);
      const placed = await Promise.all(acks);
      for (const [i, { seq }] of placed.entries()) assert.equal(log[seq - 1]?.body, `sent ${i}`);
      assert.equal(log.filter((message) => String(message.body).startsWith('sent')).length, placed.length);
      assert.deepEqual(
        placed.map((p) => p.seq),
        placed.map((p) => p.seq).sort((a, b) => a - b),
      );

      assert.equal(timeline.isCurrent, true);
      assert.deepEqual(timeline.outgoing, []);
      assert.deepEqual(timeline.messages, asSent(log.slice(log.length - timeline.messages.length)));
      assert.ok(timeline.messages.length >= Math.min(50, log.length));
      assert.deepEqual(mirrored.list, timeline.messages);
      assert.deepEqual(followed.appended, range(1, log.length));
      assert.equal(ann.conversation(conv)?.head, log.length);
      const read = server.conversations.get(conv)?.read.get('ann') ?? 0;
      assert.equal(ann.unread, (log.at(-1)?.n ?? 0) - (log[read - 1]?.n ?? 0));
    }),
    { numRuns: 60 },
  );
});

test('what arrives in order is shown without asking for history again', async () => {
  const world = new World();
  const ann = clientOf(world, 'ann');
  const conv = await group(world, ann);
  const timeline = ann.timeline(conv);
  await world.time.advance(10);
  const [session] = world.server.sessions;
  const asked = (): number => session?.frames.filter((frame) => frame.t === 'history').length ?? 0;
  assert.equal(asked(), 1);
  for (let i = 0; i < 5; i++) world.server.post(conv, 'bob', String(i));
  const sent = ann.send(conv, 'mine');
  await world.time.advance(10);
  world.server.announceHeads();
  await world.time.advance(10);
  assert.equal((await sent).seq, 7);
  assert.equal(timeline.last, 7);
  assert.equal(asked(), 1);
});
