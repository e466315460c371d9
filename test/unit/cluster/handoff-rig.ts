/** One node that owns conversations and hands them over to others, who are played. */
/** Hand-overs from one node alone: the real host, log and actors over memory tables, told by the test to whom. */
import assert from 'node:assert/strict';
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
import { createGroup } from '../actors/requests.ts';
import { SILENT } from '../peer/link-rig.ts';

export const [ME, OTHER, THIRD] = ['node me', 'node other', 'node third'] as const;
const LEASE_MS = 4_000;

export class Node {
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
  /** How long the next owner takes until it serves; undefined: it says nothing. */
  openingMs: number | undefined = 0;

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
        answer: (asked, answer) => {
          const request = asked as ConversationRequest;
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
      opened: (conv) => this.handoff.opened(conv),
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
      released: (next, conv) => {
        this.said.push(`released ${conv} to ${next}`);
        if (this.openingMs !== undefined) system.after(this.openingMs, () => this.handoff.arrived(conv));
      },
      arrived: (giver, conv) => void this.said.push(`arrived ${conv} from ${giver}`),
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

export async function node(count = 1): Promise<Node> {
  const made = new Node();
  await made.start(count);
  return made;
}
