/** Hand-overs from one node alone: the real host, log and actors over memory tables, told by the test to whom. */
import assert from 'node:assert/strict';
import test from 'node:test';
import { ConversationSequencer } from '../../../actors/conversation-sequencer.ts';
import { Acquirer } from '../../../cluster/acquire.ts';
import { ActorHost } from '../../../cluster/actor-host.ts';
import { Barrier } from '../../../cluster/barrier.ts';
import { CommittedLog } from '../../../cluster/committed-log.ts';
import { CommittedReader } from '../../../cluster/committed-reader.ts';
import { DedupIndexer } from '../../../cluster/dedup-indexer.ts';
import { DirtyMarks } from '../../../cluster/dirty-marks.ts';
import { Handoff } from '../../../cluster/handoff.ts';
import { Term } from '../../../cluster/term.ts';
import { Watcher } from '../../../cluster/watcher.ts';
import {
  MemoryLeaseTable,
  MemoryLogTable,
  type TableFault,
} from '../../../src/adapters/memory/cluster-tables.ts';
import { MemoryStore } from '../../../src/adapters/memory/store.ts';
import { NO_BEAT } from '../../../src/core/cluster-ports.ts';
import type { Answer, ConversationRequest } from '../../../src/core/requests.ts';
import { drainMicrotasks, outsidePromises } from '../../sim/microtasks.ts';
import { VirtualSystem } from '../../sim/virtual-system.ts';
import { cmid, createGroup, history, send } from '../actors/requests.ts';
import { inShort } from '../actors/stage.ts';
import { SILENT } from '../peer/link-rig.ts';

const [ME, OTHER, THIRD] = ['node me', 'node other', 'node third'] as const;
const LEASE_MS = 4_000;

class Node {
  readonly system = new VirtualSystem(7);
  fault: (operation: string) => TableFault | undefined = () => undefined;
  readonly #options = { fault: (operation: string) => this.fault(operation) };
  readonly store = new MemoryStore(this.system);
  readonly leases = new MemoryLeaseTable(this.system, this.#options);
  readonly table = new MemoryLogTable(this.system, this.store, this.#options);
  readonly term: Term;
  readonly host: ActorHost;
  readonly handoff: Handoff;
  readonly answers = new Map<ConversationRequest, Answer>();
  /** What was said to others, in order: `redirect 7`, `offer c1 2`, `released c1`. */
  readonly said: string[] = [];
  /** Who was told where a conversation stands. */
  readonly told = new Set<string>();
  readonly gauges = { actors: 0 };
  readonly counts = { handoffs: 0 };
  readonly pauses: number[] = [];
  /** To whom conversations are to go. */
  next: (conv: string) => string | undefined = () => undefined;
  inFlightMost = 0;

  constructor() {
    const { system, leases, table } = this;
    this.term = new Term(leases, {
      node: ME,
      addr: '',
      roles: '',
      leaseTimeoutMs: LEASE_MS,
      system,
      logger: SILENT,
      busUp: () => true,
      beat: () => ({ ...NO_BEAT, bus: true }),
    });
    const watcher = new Watcher(leases, LEASE_MS, system, SILENT);
    const barrier = new Barrier(leases, this.term, system);
    const shared = { leases, log: table, barrier };
    const acquirer = new Acquirer({ ...shared, me: ME, watcher, counts: { takeovers: 0 } });
    const reader = new CommittedReader(table);
    const dedup = new DedupIndexer(table, reader, system, SILENT);
    const dirty = new DirtyMarks(leases, ME, system);
    const log = new CommittedLog({ ...shared, reader, term: this.term, acquirer, dirty, dedup, system });
    this.host = new ActorHost({
      ports: { ownership: log, messages: log, projections: this.store },
      edge: {
        answer: (request, answer) => {
          assert.ok(!this.answers.has(request), 'answered once');
          this.answers.set(request, answer);
        },
        deliver: (delivery) => {
          if (delivery.t === 'head') this.told.add(`${delivery.user} of ${delivery.conv}`);
        },
      },
      system,
      logger: SILENT,
      metrics: {
        counts: { activations: 0, appendRows: 0, appendFailures: 0, overloaded: 0 },
        gauges: this.gauges,
        appendBatchRows: { observe: () => {} },
        appendSeconds: { observe: () => {} },
      },
      makeActor: (activation) => new ConversationSequencer(activation),
      redirect: (request, owner) => void this.said.push(`redirect ${request.id} to ${owner}`),
      opened: (conv) => this.handoff.consider(conv),
    });
    this.handoff = new Handoff({
      host: this.host,
      log,
      nextOf: (conv) => this.next(conv),
      offer: (next, conv, fence, { head }) => {
        const cell = this.host.residency.get(conv);
        assert.equal(cell?.actor?.sealed, true, 'sealed before it is offered');
        assert.equal(cell?.moving, true, 'and takes no requests');
        this.inFlightMost = Math.max(this.inFlightMost, this.moving);
        this.said.push(`offer ${conv} to ${next}: fence ${fence}, head ${head}`);
      },
      released: (next, conv) => void this.said.push(`released ${conv} to ${next}`),
      system,
      metrics: { counts: this.counts, handoffSeconds: { observe: (s) => void this.pauses.push(s) } },
    });
  }

  /** Conversations that take no requests now. */
  get moving(): number {
    return [...this.host.residency.values()].filter((cell) => cell.moving).length;
  }

  pass(ms: number): Promise<void> {
    return outsidePromises(() => this.system.run(ms, drainMicrotasks));
  }

  /** With as many conversations of ann and bob. */
  async start(count: number): Promise<string[]> {
    const starting = this.term.start();
    await this.pass(50);
    await starting;
    const convs = Array.from({ length: count }, (_, i) => `c${i}`);
    for (const conv of convs) this.host.submit(createGroup(['ann', 'bob'], { conv }));
    await this.pass(2_000);
    assert.equal(this.gauges.actors, count);
    return convs;
  }

  ask<R extends ConversationRequest>(request: R): R {
    this.host.submit(request);
    return request;
  }
}

async function node(count = 1): Promise<Node> {
  const made = new Node();
  await made.start(count);
  return made;
}

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
  await made.pass(900);
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
  await made.pass(900);
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
