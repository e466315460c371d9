/** The real host and actors over the memory store and a virtual clock; its store can be made to wait. */
import assert from 'node:assert/strict';
import { ConversationSequencer } from '../../../actors/conversation-sequencer.ts';
import { ActorHost } from '../../../cluster/actor-host.ts';
import type { HostMetrics } from '../../../cluster/host-options.ts';
import { clearDirtyMarks } from '../../../cluster/dirty-clearing.ts';
import type { ResidencyLimits } from '../../../cluster/residency.ts';
import { type AppendFault, MemoryStore } from '../../../src/adapters/memory/store.ts';
import type { Activation, ConversationActor, LookUpOutcome } from '../../../src/core/actor.ts';
import type { AppendListener, Claim, EdgeLink, Logger, ReadLimits } from '../../../src/core/ports.ts';
import type { Answer, ConversationRequest, Delivery } from '../../../src/core/requests.ts';
import type { AppendBatch, ConversationRow, ProjectionWrite, StoredRow } from '../../../src/core/rows.ts';
import { VirtualSystem } from '../../sim/virtual-system.ts';
import { inShort } from '../actors/stage.ts';

export const SILENT: Logger = { info: () => {}, warn: () => {}, error: () => {} };

export type Gate = 'append' | 'lookUp' | 'read' | 'conversation' | 'claim' | 'write';

/** A store whose calls can be held back, by the kind of call, and let go in order. */
export class GatedStore extends MemoryStore {
  readonly faults: AppendFault[];
  readonly writes: (readonly ProjectionWrite[])[] = [];
  readonly calls: Gate[] = [];
  readonly #waiting = new Map<Gate, (() => void)[]>();

  constructor(system: VirtualSystem) {
    const faults: AppendFault[] = [];
    super(system, { fault: () => faults.shift() });
    this.faults = faults;
  }

  hold(gate: Gate): void {
    if (!this.#waiting.has(gate)) this.#waiting.set(gate, []);
  }

  /** Lets the calls go that wait, and those to come. */
  release(gate: Gate): void {
    const waiting = this.#waiting.get(gate) ?? [];
    this.#waiting.delete(gate);
    for (const go of waiting) go();
  }

  waiting(gate: Gate): number {
    return this.#waiting.get(gate)?.length ?? 0;
  }

  override append(batch: AppendBatch, listener: AppendListener): void {
    this.calls.push('append');
    const held = this.#waiting.get('append');
    if (held === undefined) super.append(batch, listener);
    else held.push(() => super.append(batch, listener));
  }
  override async lookUp(conv: string, user: string, device: string, cmid: string): Promise<LookUpOutcome> {
    // What it finds is what is there now, however late it says so.
    const outcome = await super.lookUp(conv, user, device, cmid);
    await this.#pass('lookUp');
    return outcome;
  }
  override async read(
    conv: string,
    from: number,
    to: number,
    newestFirst: boolean,
    limits: ReadLimits,
  ): Promise<StoredRow[]> {
    await this.#pass('read');
    return super.read(conv, from, to, newestFirst, limits);
  }
  override async conversation(conv: string): Promise<ConversationRow | undefined> {
    await this.#pass('conversation');
    return super.conversation(conv);
  }
  override async claim(conv: string): Promise<Claim> {
    await this.#pass('claim');
    return super.claim(conv);
  }
  override async write(writes: readonly ProjectionWrite[]): Promise<void> {
    await this.#pass('write');
    await super.write(writes);
    this.writes.push(writes);
  }

  #pass(gate: Gate): Promise<void> {
    this.calls.push(gate);
    const held = this.#waiting.get(gate);
    return held === undefined ? Promise.resolve() : new Promise((resolve) => held.push(resolve));
  }
}

export type ActorMaker = (activation: Activation) => ConversationActor;

export class HostRig implements EdgeLink {
  readonly system: VirtualSystem;
  readonly store: GatedStore;
  readonly answers = new Map<ConversationRequest, Answer>();
  readonly deliveries: Delivery[] = [];
  readonly metrics: HostMetrics = {
    counts: { activations: 0, appendRows: 0, appendFailures: 0, overloaded: 0 },
    gauges: { actors: 0 },
    appendBatchRows: { observe: () => {} },
    appendSeconds: { observe: () => {} },
  };
  readonly #makeActor: ActorMaker;
  readonly #residency: ResidencyLimits | undefined;
  host: ActorHost;
  isRush = false;

  constructor(
    makeActor: ActorMaker = (activation) => new ConversationSequencer(activation),
    residency?: ResidencyLimits,
    seed = 1,
  ) {
    this.system = new VirtualSystem(seed);
    this.store = new GatedStore(this.system);
    this.#makeActor = makeActor;
    this.#residency = residency;
    this.host = this.#start();
  }

  answer(request: ConversationRequest, answer: Answer): void {
    assert.ok(!this.answers.has(request), `a ${request.t} is answered once`);
    this.answers.set(request, answer);
  }
  deliver(delivery: Delivery): void {
    this.deliveries.push(delivery);
  }

  submit<R extends ConversationRequest>(request: R): R {
    this.host.submit(request);
    return request;
  }

  /** Submits, and lets all that follows happen. */
  async ask(...requests: ConversationRequest[]): Promise<string[]> {
    for (const request of requests) this.host.submit(request);
    await this.system.settle();
    return requests.map((request) => this.said(request));
  }

  said(request: ConversationRequest): string {
    return inShort(this.answers.get(request));
  }

  /** What a user was told since `from`: `message 3`, `head 3`, `entry head 3`, `entry removed 3`. */
  toldTo(user: string, from = 0): string[] {
    return this.deliveries.slice(from).flatMap((each) => {
      if (each.t === 'message') return each.audience.users.includes(user) ? [`message ${each.seq}`] : [];
      if (each.t === 'receipt') return [`receipt ${each.items.join(' ')}`];
      if (each.t === 'typing') return [`typing ${each.user} ${each.on}`];
      if (each.t === 'state' || each.user !== user) return [];
      if (each.t === 'settings' || each.t === 'cursor') return [each.t];
      if (each.t === 'head') return [`head ${each.seq}`];
      const { removed, head } = each.entry;
      return [removed === undefined ? `entry head ${head}` : `entry removed ${removed}`];
    });
  }

  /** What a user is told on connecting. */
  announced(user: string): string[] {
    const from = this.deliveries.length;
    this.host.announce(user);
    return this.toldTo(user, from);
  }

  /** The process ends here and now; another starts over what the store holds, without walking yet. */
  crash(): void {
    this.system.crash();
    this.metrics.gauges.actors = 0;
    this.store.restart();
    this.host = this.#start();
  }

  #start(): ActorHost {
    const ports = { ownership: this.store, messages: this.store, projections: this.store };
    const { system, metrics } = this;
    const [makeActor, residency] = [this.#makeActor, this.#residency];
    const host = new ActorHost({
      ports,
      edge: this,
      system,
      logger: SILENT,
      metrics,
      makeActor,
      residency,
      gatherMsMax: 0,
      isRush: () => this.isRush,
    });
    clearDirtyMarks(host, this.store, system, SILENT);
    return host;
  }
}
