import assert from 'node:assert/strict';
import test from 'node:test';
import type { SendRequest } from '../../../src/core/requests.ts';
import { cmid, CONV, createGroup, history, members, prefs, read, send } from '../actors/requests.ts';
import { SeenHeads } from '../../../cluster/peer/seen-heads.ts';
import { inShort } from '../actors/stage.ts';
import { OwnerNode } from './owner-node.ts';
import { isData, withGroup, world } from './peer-world.ts';

test('requests of all kinds are answered over the bus', async () => {
  const { a, b, system, owner } = await world();
  const asked = [
    a.ask(createGroup(['ann', 'cid'], { session: 1 })),
    a.ask(send('ann', cmid(1), { session: 1, ordinal: 1, base: 1 })),
    a.ask(send('ann', cmid(2), { session: 1, ordinal: 2, base: 1 })),
    a.ask(history('ann', { session: 1, after: 1 })),
    a.ask(members('ann', undefined, { session: 1 })),
    a.ask(members('ann', { op: 'add', users: ['bob'] }, { session: 1 })),
    b.ask(members('cid', { op: 'add', users: ['eve'] })),
    b.ask(history('eve')),
    b.ask(read('cid', 2)),
    b.ask(send('cid', cmid(3), { conv: '0190a000-0000-7000-8000-00000000000f' })),
  ];
  await system.advance(2_500);
  const said = asked.map((request) => {
    const edge = a.answered.has(request) ? a : b;
    return inShort(edge.answered.get(request));
  });
  assert.deepEqual(said, [
    'created',
    'ack 2',
    'ack 3',
    'page of 2',
    'ok 1',
    'ok 4',
    'forbidden',
    'not_member',
    'nothing',
    'not_found',
  ]);
  assert.equal(a.owners.pending + b.owners.pending, 0);
  assert.equal(owner.taken.length, asked.length, 'each went once');
});

test('a request whose packet is lost for good goes again in order, and counts once', async () => {
  const { a, system, net, ann, store, owner } = await withGroup({ ringPacketsMax: 1 });
  net.cut = (subject, bytes) => subject.startsWith('n.') && isData(bytes);
  const ids = [a.say(ann, CONV), a.say(ann, CONV)];
  await system.settle();
  ids.push(a.say(ann, CONV));
  await system.settle();
  net.cut = () => false;
  for (let i = 0; i < 20; i++) {
    await system.advance(100);
    a.work();
  }
  assert.deepEqual(
    ids.map((id) => a.acked.get(id)),
    [2, 3, 4],
  );
  assert.equal(await store.head(CONV), 4);
  assert.ok(a.metrics.counts.requestsResent >= 2);
  const resent = owner.taken.filter((request) => request.t === 'send' && request.retry);
  assert.ok(resent.length >= 2, 'flagged as retries');
});

test('with a send goes the highest seq acknowledged before it came; of what its client sent before nothing is known', async () => {
  const { a, system, ann, owner } = await withGroup();
  const ask = async (id: number, ordinal: number, retry = false): Promise<void> => {
    a.ask(send('ann', cmid(900_000 + id), { session: ann.number, ordinal, retry }));
    await system.advance(300);
  };
  await ask(1, 1);
  await ask(2, 2);
  await ask(3, 3, true);
  owner.deaf = true;
  await ask(4, 4);
  owner.deaf = false;
  await system.advance(4_000); // it is sent again
  const sends = owner.taken.filter((request) => request.t === 'send').slice(-5);
  assert.deepEqual(
    sends.map(({ retry, after }) => [retry, after]),
    [
      [false, 0],
      [false, 2],
      [true, 0],
      [false, 4],
      [true, 4],
    ],
  );
});

test('an edge remembers the highest seqs of so many conversations', () => {
  const heads = new SeenHeads(2);
  heads.note('x', 5);
  heads.note('x', 4);
  heads.note('y', 1);
  assert.deepEqual([heads.of('x'), heads.of('y'), heads.of('z')], [5, 1, 0]);
  heads.note('z', 9);
  assert.deepEqual([heads.of('x'), heads.of('y'), heads.of('z')], [0, 1, 9]);
});

test('while the bus is down requests are refused at once; what was under way goes on when it is back', async () => {
  const { a, system, net, ann, owner } = await withGroup();
  owner.deaf = true;
  const first = a.ask(send('ann', cmid(900_001), { session: ann.number, ordinal: 1 }));
  await system.settle();
  net.hub.stop();
  const refused = a.ask(history('ann', { session: ann.number }));
  assert.equal(inShort(a.answered.get(refused)), 'unavailable');
  owner.deaf = false;
  await system.advance(2_000);
  net.hub.start();
  await system.advance(2_500);
  assert.equal(inShort(a.answered.get(first)), 'ack 2');
});

test('a silent owner: writes are unknown after 8 s, reads unavailable, and late answers change nothing', async () => {
  const { a, system, owner, ann, store } = await withGroup();
  owner.deaf = true;
  const write = a.ask(send('ann', cmid(900_002), { session: ann.number }));
  const page = a.ask(history('ann', { session: ann.number }));
  await system.advance(7_700);
  assert.equal(a.answered.size, 1, 'the group alone');
  await system.advance(600);
  assert.equal(inShort(a.answered.get(write)), 'timed_out_unknown');
  assert.equal(inShort(a.answered.get(page)), 'unavailable');
  assert.equal(a.owners.pending, 0);
  for (const request of owner.taken) if (request.t === 'send') owner.host.submit(request);
  await system.advance(1_000);
  assert.ok(a.metrics.counts.lateAnswers >= 1);
  assert.equal(await store.head(CONV), 2, 'it had arrived, and happened once');
});

test('a new owner takes what is unanswered, although the session had an earlier send answered', async () => {
  const { a, system, net, store, owner, ann, ring } = await withGroup();
  owner.deaf = true;
  const at = { session: ann.number, base: 1 };
  const first = a.ask(send('ann', cmid(900_010), { ...at, ordinal: 1 }));
  const second = a.ask(send('ann', cmid(900_011), { ...at, ordinal: 2 }));
  await system.settle();
  owner.host.submit(owner.taken.at(-2) as (typeof owner.taken)[0]);
  await system.settle();
  assert.equal(inShort(a.answered.get(first)), 'ack 2');
  const next = new OwnerNode(4, system, net, store);
  next.deaf = true;
  ring.owner = next.id;
  a.owners.useSequencers([owner.id, next.id]);
  assert.equal(inShort(a.answered.get(second)), 'nothing');
  await system.settle();
  // What the earlier owner could not do, the present one may be doing.
  owner.edges.answer(owner.taken.at(-1) as (typeof owner.taken)[0], {
    t: 'error',
    code: 'unavailable',
    message: '',
    retryAfterMs: 1,
  });
  await system.settle();
  assert.equal(a.metrics.counts.lateAnswers, 1);
  assert.equal(inShort(a.answered.get(second)), 'nothing');
  for (const request of next.taken) next.host.submit(request);
  await system.settle();
  assert.equal(inShort(a.answered.get(second)), 'ack 3');
});

test('what an owner whose lease runs out refuses is done by its successor, in order, before the deadline', async () => {
  const { a, system, net, store, owner, ann, ring } = await withGroup();
  owner.deaf = true;
  const at = { session: ann.number, base: 1 };
  const asked = [1, 2].map((ordinal) => a.ask(send('ann', cmid(900_010 + ordinal), { ...at, ordinal })));
  await system.settle();
  a.silent.add(owner.id);
  const refusal = { t: 'error', code: 'unavailable', message: '', retryAfterMs: 1 } as const;
  const refuseAll = (): void => {
    for (const request of owner.taken.splice(0)) owner.edges.answer(request, refusal);
  };
  for (let i = 0; i < 10; i++) {
    refuseAll();
    await system.advance(100);
  }
  assert.deepEqual(
    asked.map((each) => inShort(a.answered.get(each))),
    ['nothing', 'nothing'],
  );
  assert.ok(a.metrics.counts.refusalsKept >= 4, 'each was sent again');
  const next = new OwnerNode(4, system, net, store);
  ring.owner = next.id;
  a.owners.useSequencers([next.id]);
  await system.settle();
  assert.deepEqual(
    asked.map((each) => inShort(a.answered.get(each))),
    ['ack 2', 'ack 3'],
  );
});

test('one that nobody takes over from is heard, and what it refuses with its lease renewed at once', async () => {
  const { a, system, owner, ann } = await withGroup();
  owner.deaf = true;
  a.silent.add(owner.id);
  const asked = a.ask(send('ann', cmid(900_010), { session: ann.number }));
  await system.advance(8_300);
  assert.equal(inShort(a.answered.get(asked)), 'timed_out_unknown');
  a.silent.clear();
  const again = a.ask(history('ann', { session: ann.number }));
  await system.settle();
  const refusal = { t: 'error', code: 'unavailable', message: '', retryAfterMs: 1 } as const;
  owner.edges.answer(owner.taken.at(-1) as (typeof owner.taken)[0], refusal);
  await system.settle();
  assert.equal(inShort(a.answered.get(again)), 'unavailable');
});

test('a redirect is followed, remembered, and keeps the order', async () => {
  const { a, system, net, store, owner, ann } = await withGroup();
  const other = new OwnerNode(4, system, net, store);
  a.owners.useSequencers([owner.id, other.id]);
  await system.settle();
  owner.otherOwnerOf = () => other.id;
  const ids = [1, 2, 3].map(() => a.say(ann, CONV));
  await system.settle();
  assert.deepEqual(
    ids.map((id) => a.acked.get(id)),
    [2, 3, 4],
  );
  const redirects = a.metrics.counts.redirects;
  a.say(ann, CONV);
  await system.settle();
  assert.equal(a.metrics.counts.redirects, redirects, 'it goes there at once now');
  other.otherOwnerOf = () => owner.id; // round and round
  a.ask(history('ann', { session: ann.number }));
  await system.advance(900);
  assert.ok(a.metrics.counts.redirects < 30, `${a.metrics.counts.redirects} redirects`);
});

test('a membership change that is sent again is done once and answered the same', async () => {
  const { a, system, net, ann, owner } = await withGroup({ ringPacketsMax: 1 });
  net.cut = (subject, bytes) => subject === `e.${a.id}` && isData(bytes);
  const leave = a.ask(members('ann', { op: 'leave' }, { session: ann.number }));
  await system.advance(400);
  owner.edges.deliver({ t: 'head', conv: CONV, user: 'ann', seq: 1, n: 0, unread: 0 }); // pushes the answer out
  await system.settle();
  net.cut = () => false;
  await system.advance(2_000);
  assert.equal(owner.taken.filter((request) => request.t === 'members').length, 1);
  assert.equal(inShort(a.answered.get(leave)), 'ok 2');
});

test('S3.25: a copy that its owner comes to when another has answered the change is not done', async () => {
  const { a, system, net, store, owner, ring } = await withGroup();
  owner.deaf = true;
  const at = { session: a.connect('bob').number };
  const [change, other] = [
    members('ann', { op: 'remove', users: ['cid'] }, at),
    prefs('bob', { pin: true }, at),
  ];
  const asked = [a.ask(change), a.ask(other)];
  await system.settle();
  const copies = owner.taken.slice(-2);
  const next = new OwnerNode(4, system, net, store);
  ring.owner = next.id;
  a.owners.useSequencers([owner.id, next.id]);
  await system.advance(3_000);
  assert.deepEqual(
    asked.map((each) => inShort(a.answered.get(each))),
    ['ok 2', 'ok undefined'],
  );
  const undone = [
    a.ask(members('ann', { op: 'add', users: ['cid'] }, at)),
    a.ask(prefs('bob', { pin: false }, at)),
  ];
  await system.advance(3_000);
  assert.deepEqual(
    undone.map((each) => inShort(a.answered.get(each))),
    ['ok 3', 'ok undefined'],
  );
  owner.host.sealAll(); // it opens the conversation anew, as one does who is given it back
  for (const copy of copies) owner.host.submit(copy);
  await system.advance(6_000);
  assert.equal(await store.head(CONV), 3);
  assert.equal((await store.members(CONV)).find(({ user }) => user === 'bob')?.prefs?.pin, false);
});

test('an edge that does not say whether it waits for a change is asked for 3 s, and one that is gone not at all', async () => {
  const { a, system, net, owner, ann } = await withGroup();
  const change = members('ann', { op: 'leave' }, { session: ann.number });
  a.ask(change);
  net.cut = (subject) => subject === `e.${a.id}`;
  await system.settle();
  const copy = owner.taken.at(-1) as (typeof owner.taken)[0];
  const said: boolean[] = [];
  void owner.edges.isAwaited(copy).then((is) => said.push(is));
  await system.advance(2_900);
  assert.equal(said.length, 0);
  await system.advance(200);
  assert.equal(said.at(-1), false);
  void owner.edges.isAwaited(copy).then((is) => said.push(is));
  owner.edges.edgeGone(a.id);
  await system.settle();
  assert.equal(said.length, 2, 'who is gone is not waited for');
  assert.equal(await owner.edges.isAwaited(copy), false);
});

test('frames of unknown types are counted and dropped', async () => {
  const { a, b, system, owner, ann } = await withGroup();
  const link = [...owner.edges.directory.edges()][0]?.link;
  assert.ok(link);
  for (const type of [0x00, 0x01, 0x45, 0x48, 0xff]) {
    const at = link.reserve(3);
    link.buffer.set([type, 1, 2], at);
  }
  await system.settle();
  assert.equal(a.metrics.counts.malformed + b.metrics.counts.malformed, 5);
  a.say(ann, CONV);
  await system.settle();
  assert.equal(a.idle, true);
});

test('S4.5: a send under way behind one that was refused, or given up, is not taken when it goes again', async () => {
  for (const how of ['refused', 'given up'] as const) {
    const { a, system, owner, ann } = await withGroup();
    owner.deaf = true;
    const at = { session: ann.number, base: 1 };
    const first = a.ask(send('ann', cmid(900_010), { ...at, ordinal: 1 }));
    if (how === 'given up') await system.advance(2_000);
    const second = a.ask(send('ann', cmid(900_011), { ...at, ordinal: 2 }));
    if (how === 'refused') {
      await system.settle();
      const refusal = { t: 'error', code: 'unavailable', message: '', retryAfterMs: 1 } as const;
      owner.edges.answer(owner.taken.at(-2) as SendRequest, refusal);
      await system.settle();
    } else await system.advance(6_300);
    assert.equal(inShort(a.answered.get(first)), how === 'refused' ? 'unavailable' : 'timed_out_unknown');
    assert.equal(a.answered.get(second), undefined);
    owner.deaf = false;
    await system.advance(4_000); // the second one goes again
    assert.match(inShort(a.answered.get(second)), /unavailable|timed_out_unknown/);
    const again = [3, 4].map((ordinal) =>
      a.ask(send('ann', cmid(900_007 + ordinal), { ...at, ordinal, base: 3, retry: true })),
    );
    await system.advance(500);
    assert.deepEqual(
      again.map((each) => inShort(a.answered.get(each))),
      ['ack 2', 'ack 3'],
    );
  }
});
