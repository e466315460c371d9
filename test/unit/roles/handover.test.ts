/** Conversations that change hands between two sequencers, while things go wrong. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { nodeSubject } from '../../../cluster/peer/subjects.ts';
import { cmid, send } from '../actors/requests.ts';
import { inShort } from '../actors/stage.ts';
import { catchOffer, handOver, outage, pair, say } from './pair.ts';
import { isMail, LEASE_MS, refusals } from './term-world.ts';

// --- offers ---

test('an offer that comes twice is used once: what was acknowledged since is not forgotten', async () => {
  const all = await pair();
  const { world, conv, to, a } = all;
  await say(all, 3);
  const offer = catchOffer(world, false);
  await handOver(all);
  assert.equal(to.cluster.counts.takeovers, 0, 'the offer was used');
  await say(all, 5);
  await outage(world, () => void a.bus.publish(nodeSubject(to.node), offer.bytes as Uint8Array));
  await say(all, 3);
  await world.checkLog(conv, a.acked);
});

test('an offer that comes after its addressee has claimed the conversation is of no use', async () => {
  const all = await pair('direct');
  const { world, conv, from, to, a } = all;
  world.faults.set('release', 'lost');
  const offer = catchOffer(world, true, () => from.kill());
  from.term.setDraining(true);
  await world.live(LEASE_MS + 3_000);
  assert.ok(offer.bytes !== undefined);
  await say(all, 5);
  assert.equal(await world.ownerOf(conv), to.node);
  world.faults.clear();
  await outage(world, () => void a.bus.publish(nodeSubject(to.node), offer.bytes as Uint8Array));
  await say(all, 3);
  await world.checkLog(conv, a.acked);
});

test('a late offer is of no use once the conversation moved on and came back', async () => {
  const all = await pair();
  const { world, conv, from, to, a } = all;
  await say(all, 3);
  const offer = catchOffer(world, false);
  await handOver(all);
  await say(all, 2);
  from.term.setDraining(false);
  await world.live(1_000);
  await handOver({ ...all, from: to, to: from });
  await say(all, 2);
  to.term.setDraining(false);
  await world.live(1_000);
  world.net.cut = (subject, bytes) => isMail(subject, bytes, 'offer'); // the next one is lost
  a.bus.publish(nodeSubject(to.node), offer.bytes as Uint8Array);
  await world.live(50);
  await handOver(all);
  await say(all, 2);
  const takeovers = from.cluster.counts.takeovers + to.cluster.counts.takeovers;
  assert.equal(takeovers, 1, 'the last move alone was no warm one');
  await world.checkLog(conv, a.acked);
});

test('without its offer a released conversation is recovered, and goes on', async () => {
  const all = await pair();
  const { world, conv, to, a, bob } = all;
  await say(all, 3);
  world.net.cut = (subject, bytes) => isMail(subject, bytes, 'offer');
  await handOver(all);
  await say(all, 2);
  assert.equal(to.cluster.counts.takeovers, 1);
  assert.equal((await world.checkLog(conv, a.acked)).length, 6);
  assert.equal(bob.heads.get(conv), 6);
  assert.deepEqual(refusals(a), []);
});

// --- releases ---

for (const fault of ['answerLost', 'lost', 'unavailable'] as const) {
  test(`a release of which is known only "${fault}" leaves one owner, and every send is answered once`, async () => {
    const all = await pair();
    const { world, conv, from, to, a, bob } = all;
    await say(all, 3);
    let tries = 0;
    world.fault = (operation) => (operation === 'release' && tries++ === 0 ? fault : undefined);
    from.term.setDraining(true);
    for (let i = 0; i < 300; i++) {
      if (i % 3 === 0) a.say(all.ann, conv);
      await world.live(10);
    }
    await world.until('all is acknowledged', () => a.idle);
    assert.ok(tries > (fault === 'answerLost' ? 0 : 1), `${tries} tries`);
    assert.equal(await world.ownerOf(conv), to.node);
    assert.deepEqual(refusals(a), []);
    assert.equal((await world.checkLog(conv, a.acked)).length, 1 + 3 + 100);
    await world.live(1_500);
    assert.equal(bob.heads.get(conv), 104);
    assert.equal(from.host.gauges.actors, 0);
  });
}

test('a successor that dies between release and service is succeeded itself, and the last message is not lost', async () => {
  const all = await pair();
  const { world, conv, from, to, a, bob } = all;
  await say(all, 3);
  let died = false;
  world.net.cut = (subject, bytes) => {
    if (died || subject !== nodeSubject(to.node) || !isMail(subject, bytes, 'released')) return false;
    died = true;
    to.kill();
    return true;
  };
  from.term.setDraining(true);
  await world.until('the successor dies', () => died);
  a.say(all.ann, conv);
  await world.live(LEASE_MS + 3_000);
  await world.until('all is acknowledged', () => a.idle);
  assert.equal(await world.ownerOf(conv), from.node, 'a draining one is better than none');
  await world.checkLog(conv, a.acked);
  assert.equal(bob.heads.get(conv), 5);
});

// --- while the store is away, and other interruptions ---

test('a conversation whose ids cannot be indexed for now stays and is served', async () => {
  const all = await pair();
  const { world, conv, from, a } = all;
  world.faults.set('writeDedup', 'unavailable');
  await say(all, 3);
  from.term.setDraining(true);
  await world.live(1_500);
  a.say(all.ann, conv);
  await world.live(3_000);
  assert.ok(a.idle, 'the send is acknowledged');
  world.faults.clear();
  await world.live(3_000);
  assert.equal(await world.ownerOf(conv), all.to.node);
  await world.checkLog(conv, a.acked);
});

for (const operation of [
  'owner',
  'release',
  'writeDedup',
  'barrier',
  'rowsBackward',
  'floor',
  'write',
  'claim',
])
  test(`the store is away for ${operation} during a hand-over: all goes on afterwards`, async () => {
    const all = await pair();
    const { world, conv, from, a, bob } = all;
    await say(all, 3);
    from.term.setDraining(true);
    await world.live(600);
    world.faults.set(operation, 'unavailable');
    for (let i = 0; i < 100; i++) {
      if (i % 5 === 0) a.say(all.ann, conv);
      await world.live(10);
    }
    world.faults.clear();
    await world.live(3_000);
    await world.until('all is acknowledged', () => a.idle);
    await world.live(3_000);
    assert.equal(await world.ownerOf(conv), all.to.node);
    assert.equal((await world.checkLog(conv, a.acked)).length, 1 + 3 + 20);
    assert.equal(bob.heads.get(conv), 24);
    assert.equal(from.host.gauges.actors, 0);
  });

test('the store away altogether: the hand-over is given up with the service, and taken up again', async () => {
  const all = await pair();
  const { world, conv, from, to, a, bob } = all;
  await say(all, 3);
  from.term.setDraining(true);
  await world.live(740);
  a.say(all.ann, conv);
  world.away = true;
  await world.live(LEASE_MS);
  assert.deepEqual([from.term.state, to.term.state], ['steppedDown', 'steppedDown']);
  world.away = false;
  await world.live(5_000);
  await world.until('all is acknowledged', () => a.idle);
  await world.checkLog(conv, a.acked);
  assert.equal(bob.heads.get(conv), 5);
  assert.deepEqual([from.isOver, to.isOver], [false, false], 'nobody kills another');
  a.say(all.ann, conv);
  await world.live(3_000);
  assert.equal(await world.ownerOf(conv), to.node);
});

// The release is one of some ten steps of 2 ms at most: each is interrupted.
test('a step-down at any moment of a hand-over leaves nothing unanswered', async () => {
  for (let ms = 2; ms <= 30; ms += 4) {
    const all = await pair();
    const { world, conv, from, a } = all;
    await say(all, 2);
    from.term.setDraining(true);
    await world.live(740);
    a.say(all.ann, conv);
    await world.pass(ms);
    from.bus.inner.disconnect();
    from.system.pause();
    await world.live(LEASE_MS - 500);
    from.system.wake();
    await world.live(20);
    from.bus.inner.reconnect();
    a.say(all.ann, conv);
    await world.live(6_000);
    await world.until(`all is acknowledged (${ms})`, () => a.idle);
    assert.equal((await world.checkLog(conv, a.acked)).length, 5);
  }
});

test('a conversation with a look-up held stays until that is answered, and all are answered once', async () => {
  const all = await pair();
  const { world, conv, from, to, a } = all;
  // So many that the first id has left the window.
  const first = send('ann', cmid(9_001), { session: 70, conv });
  assert.equal(await world.ask(a, first), 'ack 2');
  for (let i = 0; i < 11; i++) await say(all, 100);
  await handOver(all);
  const before = await world.logOf(conv);
  const retry = send('ann', cmid(9_001), { session: 71, conv, retry: true, ordinal: 1, base: 1 });
  const behind = send('ann', cmid(9_002), { session: 71, conv, ordinal: 2, base: 1 });
  from.term.setDraining(false);
  await world.live(900);
  to.term.setDraining(true);
  await world.live(730);
  const asked = [a.ask(retry), a.ask(behind)];
  await world.live(3_000);
  assert.deepEqual(
    asked.map((request) => inShort(a.answered.get(request))),
    ['ack 2 again', `ack ${before.length + 1}`],
  );
  assert.equal(await world.ownerOf(conv), from.node);
  await world.checkLog(conv, a.acked);
});
