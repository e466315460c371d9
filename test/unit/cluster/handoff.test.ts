import assert from 'node:assert/strict';
import test from 'node:test';
import { cmid, createGroup, history, send } from '../actors/requests.ts';
import { inShort } from '../actors/stage.ts';
import { ME, node, OTHER, THIRD } from './handoff-rig.ts';

test('a conversation is offered sealed, released by name, and only then said to be released', async () => {
  const made = await node();
  const sent = made.ask(send('ann', cmid(1), { conv: 'c0' }));
  await made.pass(100);
  made.next = () => OTHER;
  made.handoff.look();
  await made.pass(749);
  assert.deepEqual([made.said, made.handoff.moving], [[], 1], 'others must have seen the ring before');
  await made.pass(100);
  assert.equal(inShort(made.answers.get(sent)), 'ack 2');
  assert.deepEqual(made.said, [`offer c0 to ${OTHER}: fence 2, head 2`, `released c0 to ${OTHER}`]);
  assert.deepEqual(
    [made.gauges.actors, made.host.residency.size, made.handoff.moving, made.counts.handoffs],
    [0, 0, 0, 1],
  );
  assert.equal(made.handoff.movedTo('c0'), OTHER);
  const owner = made.leases.owner('c0');
  await made.pass(0);
  assert.deepEqual(await owner, { owner: OTHER, fence: 2, head: 2 });
  const inbox = await made.store.inboxRow('bob', 'c0');
  assert.equal(inbox?.entry.head, 2, 'the rows of those offline are written before');
  const found = made.table.lookUp('c0', 'ann', 'phone', cmid(1));
  await made.pass(0);
  assert.equal((await found).t, 'found', 'and so are the ids');
});

test('what comes meanwhile is sent on in its order, and nothing is answered twice', async () => {
  const made = await node();
  made.next = () => OTHER;
  made.fault = (operation) => (operation === 'writeDedup' ? 'unavailable' : undefined);
  const before = made.ask(send('ann', cmid(1), { conv: 'c0' }));
  made.handoff.look();
  await made.pass(1_900);
  assert.equal(made.moving, 1, 'its ids are not indexed yet');
  const later = [2, 3, 4].map((i) => made.ask(send('ann', cmid(i), { conv: 'c0' })));
  later.push(made.ask(history('bob', { conv: 'c0' }) as never));
  made.fault = () => undefined;
  await made.pass(500);
  assert.equal(inShort(made.answers.get(before)), 'ack 2');
  assert.deepEqual(
    made.said.filter((said) => said.startsWith('redirect')),
    later.map(({ id }) => `redirect ${id} to ${OTHER}`),
  );
  assert.equal(made.answers.size, 2, 'of the create and the first send alone');
});

test('a busy conversation is paused between two batches, with its small rows and ids written by then', async () => {
  const made = await node();
  const late = () => new Promise<void>((resolve) => void made.system.after(20, resolve));
  const { table, store } = made;
  const [append, index, project] = [
    table.write.bind(table),
    table.writeDedup.bind(table),
    store.write.bind(store),
  ];
  table.write = async (conv, rows) => late().then(() => append(conv, rows));
  table.writeDedup = async (conv, rows) => late().then(() => index(conv, rows));
  store.write = async (writes) => late().then(() => project(writes));
  made.next = () => OTHER;
  made.handoff.look();
  await made.pass(60); // so that a batch is in flight when the rows before it are written
  for (let i = 1; made.counts.handoffs === 0 && i < 100; i++) {
    made.ask(send('ann', cmid(i), { conv: 'c0', ordinal: i, base: i }));
    await made.pass(70);
  }
  assert.deepEqual(
    [made.counts.handoffs, made.pauses],
    [1, [0]],
    'the release alone, which takes no time here',
  );
});

test('a ring that changes while a conversation is on its way does not send it off twice', async () => {
  const made = await node();
  made.next = () => OTHER;
  made.fault = (operation) => (operation === 'writeDedup' ? 'unavailable' : undefined);
  made.ask(send('ann', cmid(1), { conv: 'c0' }));
  await made.pass(100);
  made.store.available = false; // its small rows are waited for, and then its ids, in vain
  made.handoff.look();
  await made.pass(800);
  made.handoff.look();
  await made.pass(800);
  made.store.available = true;
  await made.pass(1_200);
  assert.equal(made.counts.handoffs, 0);
  made.fault = () => undefined;
  await made.pass(5_000);
  assert.deepEqual([made.counts.handoffs, made.handoff.moving, made.host.residency.size], [1, 0, 0]);
  assert.equal(made.said.filter((said) => said.startsWith('offer')).length, 1);
});

test('nothing is handed over while others wait to be opened, but for a bounded time', async () => {
  const made = await node(4);
  let held = true;
  const { leases } = made;
  const owner = leases.owner.bind(leases);
  leases.owner = async (conv) => {
    while (held) await new Promise<void>((resolve) => void made.system.after(100, resolve));
    return owner(conv);
  };
  for (let i = 0; i < 40; i++) made.ask(createGroup(['ann'], { conv: `d${i}` }));
  await made.pass(10);
  assert.ok(made.host.isTakingOver);
  made.next = () => OTHER;
  made.handoff.look();
  await made.pass(5_000);
  assert.equal(made.counts.handoffs, 0);
  await made.pass(7_000);
  assert.equal(made.counts.handoffs, 4, 'who waits for longer holds nothing up');
  held = false;
  await made.pass(5_000);
  assert.equal(made.counts.handoffs, 44);
});

test('only so many are on their way at once, and all go', async () => {
  const made = await node(60);
  made.next = (conv) => (Number(conv.slice(1)) % 2 === 0 ? OTHER : THIRD);
  made.handoff.look();
  await made.pass(3_000);
  assert.equal(made.counts.handoffs, 60);
  assert.ok(made.inFlightMost <= 24, `${made.inFlightMost}`);
  assert.ok(made.inFlightMost > 1);
  assert.deepEqual([made.handoff.movedTo('c0'), made.handoff.movedTo('c1')], [OTHER, THIRD]);
});

test('the slower hand-overs are, the fewer are made at once', async () => {
  const made = await node(30);
  made.next = () => OTHER;
  // The ids of each are indexed by a second try, 200 ms later.
  let writes = 0;
  made.fault = (operation) => (operation === 'writeDedup' && writes++ % 2 === 0 ? 'unavailable' : undefined);
  for (let i = 0; i < 30; i++) made.ask(send('ann', cmid(i), { conv: `c${i}` }));
  made.handoff.look();
  await made.pass(1_500);
  made.inFlightMost = 0;
  await made.pass(30_000);
  assert.equal(made.counts.handoffs, 30);
  assert.ok(made.inFlightMost <= 2, `${made.inFlightMost}`);
});

test('the slower the next owner opens what it is given, the less it is given at once', async () => {
  const made = await node(60);
  made.next = () => OTHER;
  made.openingMs = 200;
  made.handoff.look();
  await made.pass(2_000);
  const before = made.counts.handoffs;
  await made.pass(2_000);
  assert.equal(made.counts.handoffs - before, 10, 'one at a time');
  assert.ok(
    made.pauses.every((s) => s === 0.2),
    `${made.pauses.join()}`,
  );
});

test('a next owner that says nothing is waited for a second', async () => {
  const made = await node(2);
  made.next = () => OTHER;
  made.openingMs = undefined;
  made.handoff.look();
  await made.pass(1_500);
  assert.deepEqual([made.handoff.movedTo('c0'), made.handoff.moving, made.pauses], [OTHER, 2, []]);
  await made.pass(500);
  assert.deepEqual([made.handoff.moving, made.pauses], [0, [1, 1]]);
});

test('a stopped one waits for no word', async () => {
  const made = await node();
  made.next = () => OTHER;
  made.openingMs = undefined;
  made.handoff.look();
  await made.pass(800);
  assert.equal(made.handoff.moving, 1);
  made.handoff.stop();
  await made.pass(0);
  assert.equal(made.handoff.moving, 0);
});

test('who released a conversation is told once that it is served here, however the release was heard of', async () => {
  const made = await node();
  made.handoff.released('c0', THIRD);
  assert.deepEqual(made.said, [`arrived c0 from ${THIRD}`], 'a request has had it opened before');
  made.handoff.released('c1', THIRD);
  assert.equal(made.said.length, 1, 'it is not served yet');
  made.ask(createGroup(['ann', 'bob'], { conv: 'c1' }));
  await made.pass(100);
  made.handoff.opened('c1');
  assert.deepEqual(made.said.slice(1), [`arrived c1 from ${THIRD}`]);
});

test('one that is back before its next owner was heard goes again', async () => {
  const made = await node();
  made.next = () => OTHER;
  made.openingMs = undefined;
  made.handoff.look();
  await made.pass(800);
  assert.equal(made.handoff.movedTo('c0'), OTHER);
  const given = made.leases.release('c0', OTHER, 2, ME, 1);
  await made.pass(0);
  assert.equal((await given).t, 'applied');
  made.host.expect('c0');
  await made.pass(0);
  assert.equal(made.gauges.actors, 1);
  made.openingMs = 0;
  await made.pass(3_000);
  assert.equal(made.said.filter((said) => said.startsWith('released')).length, 2);
  assert.equal(made.handoff.moving, 0);
});

test('what the ring gives back before its turn stays, and goes on without a new term', async () => {
  const made = await node(3);
  made.next = () => OTHER;
  made.handoff.look();
  await made.pass(300);
  made.next = () => undefined;
  made.handoff.look();
  await made.pass(2_000);
  assert.deepEqual([made.said, made.handoff.moving, made.gauges.actors], [[], 0, 3]);
});

test('the time of a look counts from the last change of the ring', async () => {
  const made = await node();
  made.next = () => OTHER;
  made.handoff.look();
  await made.pass(500);
  made.next = () => THIRD;
  made.handoff.look();
  await made.pass(700);
  assert.deepEqual(made.said, []);
  await made.pass(200);
  assert.equal(made.handoff.movedTo('c0'), THIRD);
});

test('a conversation that is opened here and belongs elsewhere goes, too', async () => {
  const made = await node();
  made.next = (conv) => (conv === 'c9' ? OTHER : undefined);
  made.host.submit(createGroup(['ann'], { conv: 'c9' }));
  await made.pass(1_500);
  assert.equal(made.handoff.movedTo('c9'), OTHER);
  assert.equal(made.handoff.movedTo('c0'), undefined);
  made.handoff.offered('c9');
  assert.equal(made.handoff.movedTo('c9'), undefined, 'it is being given back');
});

test('of a conversation that does not exist nothing is handed over', async () => {
  const made = await node();
  made.next = (conv) => (conv === 'c9' ? OTHER : undefined);
  const asked = made.ask(send('ann', cmid(1), { conv: 'c9' }));
  await made.pass(2_000);
  assert.equal(inShort(made.answers.get(asked)), 'not_found');
  assert.deepEqual([made.said, made.handoff.moving, made.gauges.actors], [[], 0, 1]);
});

for (const fault of ['unavailable', 'lost'] as const)
  test(`after a release that is ${fault} it is served here again, under a new fence, and tried again`, async () => {
    const made = await node();
    made.next = () => OTHER;
    let tries = 0;
    made.fault = (operation) => (operation === 'release' && ++tries === 1 ? fault : undefined);
    made.handoff.look();
    await made.pass(800);
    assert.deepEqual([tries, made.counts.handoffs, made.gauges.actors], [1, 0, 1]);
    const sent = made.ask(send('ann', cmid(1), { conv: 'c0' }));
    await made.pass(100);
    assert.equal(inShort(made.answers.get(sent)), 'ack 2');
    await made.pass(2_000);
    assert.deepEqual(made.said, [
      `offer c0 to ${OTHER}: fence 2, head 1`,
      `offer c0 to ${OTHER}: fence 3, head 2`,
      `released c0 to ${OTHER}`,
    ]);
    assert.equal(made.gauges.actors, 0);
  });

test('one whose batch takes too long goes on being served, and is tried again', async () => {
  const made = await node();
  made.next = () => OTHER;
  made.handoff.look();
  await made.pass(740);
  made.fault = (operation) => (operation === 'barrier' ? 'unavailable' : undefined);
  const sent = made.ask(send('ann', cmid(1), { conv: 'c0' }));
  await made.pass(2_500);
  assert.deepEqual([made.said, made.answers.get(sent), made.term.state], [[], undefined, 'live']);
  made.fault = () => undefined;
  await made.pass(50);
  assert.equal(inShort(made.answers.get(sent)), 'ack 2');
  await made.pass(3_000);
  assert.equal(made.handoff.movedTo('c0'), OTHER);
});

test('one whose projections cannot be written stays, and is served between the tries', async () => {
  const made = await node();
  made.next = () => OTHER;
  made.ask(send('ann', cmid(1), { conv: 'c0' }));
  await made.pass(20);
  made.store.available = false;
  made.handoff.look();
  await made.pass(5_000);
  const sent = made.ask(send('ann', cmid(2), { conv: 'c0' }));
  await made.pass(1_100);
  assert.equal(inShort(made.answers.get(sent)), 'ack 3');
  assert.deepEqual(made.said, []);
  made.store.available = true;
  await made.pass(8_000);
  assert.equal(made.handoff.movedTo('c0'), OTHER);
  assert.equal((await made.store.inboxRow('bob', 'c0'))?.entry.head, 3);
});

test('a stopped one starts nothing any more, and what it had begun stays', async () => {
  const made = await node(2);
  made.next = () => OTHER;
  made.ask(send('ann', cmid(1), { conv: 'c0' }));
  made.fault = (operation) => (operation === 'writeDedup' ? 'unavailable' : undefined);
  made.handoff.look();
  await made.pass(1_900);
  assert.equal(made.moving, 1);
  made.handoff.stop();
  made.fault = () => undefined;
  await made.pass(1_000);
  assert.deepEqual([made.moving, made.host.residency.get('c0')?.actor?.sealed], [0, false]);
  const sent = made.ask(send('ann', cmid(2), { conv: 'c0' }));
  made.handoff.look();
  await made.pass(3_000);
  assert.equal(inShort(made.answers.get(sent)), 'ack 3');
  assert.equal(made.handoff.movedTo('c0'), undefined);
});

test('what is committed after a hand-over was given up is indexed as ever', async () => {
  const made = await node();
  made.next = () => OTHER;
  made.ask(send('ann', cmid(1), { conv: 'c0' }));
  made.fault = (operation) => (operation === 'writeDedup' ? 'unavailable' : undefined);
  made.handoff.look();
  await made.pass(900);
  made.handoff.stop();
  made.fault = () => undefined;
  await made.pass(1_000);
  made.ask(send('ann', cmid(2), { conv: 'c0' }));
  await made.pass(5_000);
  const found = made.table.lookUp('c0', 'ann', 'phone', cmid(2));
  await made.pass(0);
  assert.equal((await found).t, 'found');
});

test('a conversation that a walk is to show is shown before it goes', async () => {
  const made = await node(65);
  made.next = (conv) => (conv === 'c64' ? OTHER : undefined);
  made.handoff.look();
  await made.pass(745);
  made.host.dirtyWalk.start(Array.from({ length: 65 }, (_, i) => `c${i}`));
  await made.pass(1_000);
  assert.deepEqual([made.handoff.movedTo('c64'), made.host.dirtyWalk.size], [OTHER, 0]);
  assert.ok(made.told.has('bob of c63'));
  assert.ok(made.told.has('bob of c64'));
});
