import assert from 'node:assert/strict';
import test from 'node:test';
import { activate } from '../../../cluster/activation.ts';
import { type ProjectionStore, StoreUnavailable } from '../../../src/core/ports.ts';
import { pause } from '../../../src/core/patience.ts';
import { LEASE_MS, Stage } from './takeover-rig.ts';

import { CONV, row, batch, establish, owner, texts, successorOf, owned, fenceOf } from './takeover-talk.ts';

test('nothing is claimed of a live node, and a dead one’s conversation is taken over with all that was committed', async () => {
  const stage = new Stage();
  const a = await owner(stage);
  const b = await stage.node('b');
  assert.deepEqual(await stage.wait(b.claim(CONV)), { t: 'notOwner', owner: 'a' });
  a.system.kill();
  await stage.system.advance(LEASE_MS / 2);
  assert.equal((await stage.wait(b.claim(CONV))).t, 'notOwner', 'half a lease timeout is no death');
  await stage.system.advance(LEASE_MS);
  assert.deepEqual(owned(await stage.wait(b.claim(CONV))), { fence: 2, recovered: true, tail: [1, 2] });
  assert.deepEqual(await texts(stage, b), ['one', 'two']);
  assert.equal(await stage.wait(b.append(batch(2, 2, ['three']))), 'committed');
});

test('a paused node that wakes after its conversation was taken commits nothing, and its term ends', async () => {
  const stage = new Stage();
  const a = await owner(stage);
  const b = await stage.node('b');
  a.system.pause();
  const late = a.append(batch(1, 2, ['late']));
  await stage.system.advance(2 * LEASE_MS);
  const fence = fenceOf(await stage.wait(b.claim(CONV)));
  const head = await b.log.head(CONV);
  assert.equal(await stage.wait(b.append(batch(fence, head, ['next']))), 'committed');
  a.system.wake();
  const outcome = await stage.wait(late);
  assert.ok(outcome !== 'committed', outcome);
  await stage.system.advance(2_000);
  assert.equal(a.term.state, 'over');
  // What it had written before it was stopped was of unknown outcome, and is kept.
  assert.deepEqual(await texts(stage, b), ['one', 'two', 'late', 'next']);
});

test('a write of unknown outcome that took effect is kept by the next owner, whole and once', async () => {
  const stage = new Stage();
  const a = await owner(stage);
  stage.faults.push({ operation: 'write', fault: 'answerLost' });
  const pending = a.append(batch(1, 2, ['three', 'four']));
  await stage.system.settle();
  a.system.kill();
  void pending;
  const b = await stage.node('b');
  await stage.system.advance(2 * LEASE_MS);
  fenceOf(await stage.wait(b.claim(CONV)));
  assert.deepEqual(await texts(stage, b), ['one', 'two', 'three', 'four']);
  const c = await stage.node('c');
  b.system.kill();
  await stage.system.advance(2 * LEASE_MS);
  fenceOf(await stage.wait(c.claim(CONV)));
  assert.deepEqual(await texts(stage, c), ['one', 'two', 'three', 'four'], 'and by the one after');
});

test('rows that a dead owner writes late, below the new floor’s fence, are void', async () => {
  const stage = new Stage();
  const a = await owner(stage);
  const b = await successorOf(stage, a, 'b');
  const fence = fenceOf(await stage.wait(b.claim(CONV)));
  await stage.wait(stage.log.write(CONV, [{ ...row(3, 'ghost'), fence: 1, c: 2, x: 0 }]));
  const c = await successorOf(stage, b, 'c');
  assert.equal(fenceOf(await stage.wait(c.claim(CONV))), fence + 1);
  assert.deepEqual(await texts(stage, c), ['one', 'two']);
});

test('a settled term goes on under its fence; one with loose ends is claimed anew', async () => {
  const stage = new Stage();
  const a = await owner(stage);
  a.log.letGo(CONV, true);
  await stage.system.advance(100);
  assert.deepEqual(owned(await stage.wait(a.claim(CONV))), { fence: 1, recovered: false, tail: [1, 2] });
  a.log.letGo(CONV, false);
  await stage.system.advance(100);
  assert.deepEqual(owned(await stage.wait(a.claim(CONV))), { fence: 2, recovered: true, tail: [1, 2] });
  assert.deepEqual(await texts(stage, a), ['one', 'two']);
});

test('a term that is claimed anew before its ids are indexed is over, even if that claim’s recovery fails', async () => {
  const stage = new Stage();
  const a = await owner(stage);
  stage.faults.push({ operation: 'writeDedup', fault: 'unavailable' });
  a.log.letGo(CONV, true);
  // The tail cannot be rewritten: of each attempt a raised fence is left, and maybe more that is on its way.
  for (let i = 0; i < 100; i++) stage.faults.push({ operation: 'write', fault: 'unavailable' });
  assert.equal((await stage.wait(a.claim(CONV))).t, 'unavailable');
  await stage.system.advance(1_000);
  stage.faults.length = 0;
  const raised = (await stage.wait(stage.leases.owner(CONV)))?.fence ?? 0;
  assert.ok(raised > 1);
  assert.equal(fenceOf(await stage.wait(a.claim(CONV))), raised + 1);
});

test('a batch of a term that was let go is not committed, though its node lives', async () => {
  const stage = new Stage();
  const a = await owner(stage);
  stage.faults.push({ operation: 'write', fault: 'lost' });
  const late = a.append(batch(1, 2, ['late']));
  await stage.system.settle();
  a.log.letGo(CONV, false); // the node stepped down
  assert.deepEqual(owned(await stage.wait(a.claim(CONV))), { fence: 2, recovered: true, tail: [1, 2] });
  assert.equal(await stage.wait(late), 'timedOutUnknown', 'it was written behind the recovery, and is void');
  await stage.system.advance(5_000);
  const { cmid, user, device } = row(3, 'late');
  assert.deepEqual(await stage.wait(a.log.lookUp(CONV, user, device, cmid)), { t: 'none' });
  assert.deepEqual(await texts(stage, a), ['one', 'two']);
});

test('a creation that was let go does not go on when its conversation was claimed anew', async () => {
  const stage = new Stage();
  const a = await stage.node('a');
  assert.equal((await stage.wait(a.claim(CONV))).t, 'none');
  const insert = stage.leases.insertOwner.bind(stage.leases);
  stage.leases.insertOwner = async (...args) => {
    const inserted = await insert(...args);
    await new Promise<void>((resolve) => void stage.system.after(500, resolve));
    return inserted;
  };
  const late = a.append(batch(1, 0, ['late'], establish));
  await stage.system.advance(100);
  a.log.letGo(CONV, false);
  const fence = fenceOf(await stage.wait(a.claim(CONV)));
  assert.equal(fence, 2);
  assert.equal(await stage.wait(late), 'timedOutUnknown');
  assert.equal(await stage.wait(a.append(batch(fence, 0, ['one'], establish))), 'committed');
  assert.deepEqual(await texts(stage, a), ['one']);
});

test('claims and kills of unknown outcome are looked at again, and end in one owner', async () => {
  for (const fault of ['lost', 'answerLost'] as const) {
    const stage = new Stage();
    const a = await owner(stage);
    const b = await stage.node('b');
    a.system.kill();
    await stage.system.advance(2 * LEASE_MS);
    for (const operation of ['claim', 'markDead', 'writeFloor']) stage.faults.push({ operation, fault });
    assert.equal((await stage.wait(b.claim(CONV))).t, 'unavailable', 'the floor may be written, or not');
    const fence = fenceOf(await stage.wait(b.claim(CONV)));
    assert.ok(fence >= 2, 'the fence was raised');
    assert.deepEqual(await texts(stage, b), ['one', 'two']);
    assert.equal(await stage.wait(b.append(batch(fence, 2, ['three']))), 'committed');
  }
});

test('whatever is taken over at once from a dead node, its death is committed once', async () => {
  const stage = new Stage();
  const a = await owner(stage);
  const others = Array.from({ length: 5 }, (_, i) => CONV.replace(/de$/, `e${i}`));
  for (const conv of others) {
    const established = { ...establish, conversation: { ...establish.conversation, conv } };
    assert.equal(await stage.wait(a.append({ ...batch(1, 0, [], established), conv })), 'committed');
  }
  const b = await stage.node('b');
  a.system.kill();
  await stage.system.advance(2 * LEASE_MS);
  stage.operations.length = 0;
  const claims = await stage.wait(Promise.all([CONV, ...others].map((conv) => b.claim(conv))));
  assert.deepEqual(
    claims.map(({ t }) => t),
    claims.map(() => 'owned'),
  );
  const count = (operation: string): number => stage.operations.filter((each) => each === operation).length;
  assert.deepEqual([count('claim'), count('markDead')], [6, 1]);
});

test('while the store is away nobody is suspected, the owner steps down, and resumes when it is back', async () => {
  const stage = new Stage();
  const a = await owner(stage);
  const b = await stage.node('b');
  stage.away = true;
  const refused = a.append(batch(1, 2, ['three']));
  await stage.system.advance(20_000);
  assert.ok((await refused) !== 'committed');
  assert.equal(a.term.state, 'steppedDown');
  stage.away = false;
  await stage.system.advance(1_500);
  assert.equal(b.watcher.isSuspect('a'), false);
  assert.equal(a.term.state, 'live');
  assert.equal((await stage.wait(b.claim(CONV))).t, 'notOwner');
});

test('a second creator of the same conversation is fenced', async () => {
  const stage = new Stage();
  await owner(stage);
  const b = await stage.node('b');
  assert.equal(await stage.wait(b.append(batch(1, 0, ['mine'], establish))), 'fenced');
});

test('a take-over reads the log once: its ids and its actor start from what the recovery read', async () => {
  const stage = new Stage();
  const a = await owner(stage);
  const b = await successorOf(stage, a, 'b');
  const reads: string[] = [];
  const { log } = stage;
  for (const way of ['rows', 'rowsBackward'] as const) {
    const read = log[way].bind(log);
    log[way] = (conv, from, to, limits) => {
      reads.push(way);
      return read(conv, from, to, limits);
    };
  }
  stage.operations.length = 0;
  assert.deepEqual(owned(await stage.wait(b.claim(CONV))).tail, [1, 2]);
  assert.deepEqual(reads, ['rowsBackward']);
  const needless = stage.operations.filter((each) => ['owner', 'head', 'writeDedup'].includes(each));
  assert.deepEqual(needless, [], 'no serial read of the owner, nor where the log once ended, and ids wait');
  await stage.system.advance(2_100);
  const { cmid, user, device } = row(2, 'two');
  assert.equal((await stage.wait(b.log.lookUp(CONV, user, device, cmid))).t, 'found');
});

test('what is asked of a silent owner waits until it is known whether it is dead', async () => {
  const stage = new Stage();
  const a = await owner(stage);
  const b = await stage.node('b');
  a.system.kill();
  await stage.system.advance(LEASE_MS - 500);
  assert.equal(b.watcher.isSuspect('a'), false);
  const askedAt = stage.system.monotonic();
  assert.deepEqual(owned(await stage.wait(b.claim(CONV))), { fence: 2, recovered: true, tail: [1, 2] });
  const ms = stage.system.monotonic() - askedAt;
  assert.ok(ms > 100 && ms < 1_500, `${ms} ms`);
});

test('what was not indexed of a dead owner’s is before the first row of its successor, but for the last rows', async () => {
  const stage = new Stage();
  const a = await owner(stage);
  a.isRush = true; // it indexes nothing
  for (let c = 2; c < 202; c += 50)
    assert.equal(
      await stage.wait(
        a.append(
          batch(
            1,
            c,
            Array.from({ length: 50 }, (_, i) => `message ${c + i}`),
          ),
        ),
      ),
      'committed',
    );
  const b = await successorOf(stage, a, 'b');
  b.isRush = true;
  const { tail = [] } = owned(await stage.wait(b.claim(CONV)));
  const first = tail[0] as number;
  assert.ok(first > 100, `a tail from ${first}`);
  const found = async (seq: number): Promise<string> => {
    const { cmid, user, device } = row(seq, seq <= 2 ? ['one', 'two'][seq - 1]! : `message ${seq - 1}`);
    return (await stage.wait(b.log.lookUp(CONV, user, device, cmid))).t;
  };
  assert.deepEqual(
    [await found(1), await found(first - 1), await found(first), await found(202)],
    ['found', 'found', 'none', 'none'],
  );
  b.isRush = false;
  await stage.system.advance(2_100);
  assert.deepEqual([await found(first), await found(202)], ['found', 'found']);
});

test('a rehearsal leaves nothing behind, and a store that is away does not matter to it', async () => {
  const stage = new Stage();
  const a = await owner(stage);
  stage.operations.length = 0;
  await stage.wait(a.log.rehearse());
  assert.ok(stage.operations.includes('claim') && stage.operations.includes('release'));
  assert.equal(await stage.wait(stage.leases.owner('a')), undefined);
  stage.away = true;
  await stage.wait(a.log.rehearse());
  stage.away = false;
  assert.equal(await stage.wait(a.append(batch(1, 2, ['three']))), 'committed');
});

test('an owner row of before another took it over is no claim', async () => {
  const stage = new Stage();
  const a = await owner(stage);
  const { leases } = stage;
  const old = await stage.wait(leases.ownerOnce(CONV));
  const [b, c] = [await stage.node('b'), await stage.node('c')];
  a.system.kill();
  await stage.system.advance(2 * LEASE_MS);
  assert.equal(fenceOf(await stage.wait(b.claim(CONV))), 2);
  leases.ownerOnce = async () => old;
  assert.deepEqual(await stage.wait(c.claim(CONV)), { t: 'notOwner', owner: 'b' });
  assert.equal(await stage.wait(b.append(batch(2, 2, ['three']))), 'committed');
});

test('an owner that was silent and beats again keeps what it owns', async () => {
  const stage = new Stage();
  const a = await owner(stage);
  const b = await stage.node('b');
  a.system.pause();
  await stage.system.advance(LEASE_MS - 1_000);
  assert.equal(b.watcher.isSilent('a'), true);
  const claim = b.claim(CONV);
  await stage.system.advance(100);
  a.system.wake();
  assert.deepEqual(await stage.wait(claim), { t: 'notOwner', owner: 'a' });
});

test('an activation that fails waits for what its claim has begun: the next one does not meet it', async () => {
  const stage = new Stage();
  const a = await owner(stage);
  const b = await successorOf(stage, a, 'b');
  const small = { conversation: () => Promise.reject(new StoreUnavailable('away')) };
  const ports = { ownership: b.log, messages: b.log, projections: small as unknown as ProjectionStore };
  const writeFloor = stage.log.writeFloor.bind(stage.log);
  let isWriting = false;
  stage.log.writeFloor = async (...args) => {
    isWriting = true;
    await pause(stage.system, 500);
    return writeFloor(...args);
  };
  let failure: unknown;
  const activated = activate(CONV, ports).catch((error: unknown) => (failure = error));
  await stage.system.advance(100);
  assert.deepEqual([isWriting, failure], [true, undefined]);
  await stage.wait(activated);
  assert.ok(failure instanceof StoreUnavailable);
  assert.equal(await b.log.head(CONV), 2);
});
