import { Acquirer } from '../../../cluster/acquire.ts';
import type { ActorHost } from '../../../cluster/actor-host.ts';
import { Barrier } from '../../../cluster/barrier.ts';
import type { Cell } from '../../../cluster/cell.ts';
import { CommittedLog } from '../../../cluster/committed-log.ts';
import { CommittedReader } from '../../../cluster/committed-reader.ts';
import { DedupIndexer } from '../../../cluster/dedup-indexer.ts';
import { DirtyMarks } from '../../../cluster/dirty-marks.ts';
import { Handoff } from '../../../cluster/handoff.ts';
import { hearHeartbeats, tellHeartbeats } from '../../../cluster/heartbeat-news.ts';
import { NodeMail, receiveNodeMail } from '../../../cluster/node-mail.ts';
import { Offers } from '../../../cluster/offers.ts';
import { Term } from '../../../cluster/term.ts';
import { Watcher } from '../../../cluster/watcher.ts';
import type { Activation } from '../../../src/core/actor.ts';
import { type ClusterStore, NO_BEAT } from '../../../src/core/cluster-ports.ts';
import { type NodeId, uuidV7 } from '../../../src/core/ids.ts';
import { type Logger, StoreUnavailable } from '../../../src/core/ports.ts';
import type { StoredRow } from '../../../src/core/rows.ts';
import { NodeSystem } from '../node-system.ts';
import { ProcessBus } from '../world/bus.ts';
import { probed } from '../world/probe.ts';
import { Keeper, type Request } from './keeper.ts';
import { LEASE_MS } from './plan.ts';
import type { OwnersWorld } from './world.ts';

const READ_ROWS_MAX = 50;
const READ_BYTES_MAX = 1024 * 1024;
const UNMEASURED = { observe: (): void => undefined };

export interface Page {
  readonly head: number;
  readonly rows: readonly StoredRow[];
}

/** One sequencer process of all that takes part in the ownership protocol, and of nothing else. */
export class OwnerNode {
  readonly id: NodeId;
  readonly slot: string;
  readonly name: string;
  readonly system: NodeSystem;
  readonly counts = { takeovers: 0, handoffs: 0 };
  readonly #world: OwnersWorld;
  readonly #bus: ProcessBus;
  readonly #mail: NodeMail;
  readonly #store: ClusterStore;
  readonly #term: Term;
  readonly #watcher: Watcher;
  readonly #acquirer: Acquirer;
  readonly #log: CommittedLog;
  readonly #handoff: Handoff;
  readonly #keepers = new Map<string, Keeper>();
  #isOver = false;

  constructor(world: OwnersWorld, slot: string, name: string) {
    this.#world = world;
    this.slot = slot;
    this.name = name;
    const system = (this.system = new NodeSystem(world.system));
    this.id = uuidV7(system.now(), system.random(10));
    this.#bus = new ProcessBus(world.bus.client(), system);
    this.#mail = new NodeMail(this.#bus, this.id);
    this.#store = probed(world.store.client(name, system), slot, world.traps);
    const { leases, log } = this.#store;
    const { logger } = this;
    this.#term = new Term(leases, {
      node: this.id,
      addr: '',
      roles: 'sequencer',
      leaseTimeoutMs: LEASE_MS,
      system,
      logger,
      busUp: () => true,
      beat: () => ({ ...NO_BEAT, bus: true }),
    });
    this.#watcher = new Watcher(leases, world.patienceMs, system, logger);
    const barrier = new Barrier(leases, this.#term, system);
    const offers = new Offers(system);
    const shared = { leases, log, barrier };
    const { counts } = this;
    this.#acquirer = new Acquirer({
      ...shared,
      counts,
      offers,
      me: this.id,
      watcher: this.#watcher,
      buried: (node, isFirst) => {
        if (isFirst) this.#tellOfDeath(node);
      },
    });
    const reader = new CommittedReader(log);
    this.#log = new CommittedLog({
      ...shared,
      reader,
      term: this.#term,
      acquirer: this.#acquirer,
      dirty: new DirtyMarks(leases, this.id, system),
      dedup: new DedupIndexer(log, reader, system, logger),
      system,
    });
    this.#handoff = this.#makeHandoff(offers);
    tellHeartbeats(this.#term, this.#bus);
    hearHeartbeats(this.#watcher, this.#bus);
    this.#term.onChange(() => this.#changed());
    this.#start().catch((error: unknown) => {
      if (!(error instanceof StoreUnavailable)) throw error;
      world.termOver(this);
    });
  }

  async #start(): Promise<void> {
    await this.#term.start();
    await this.#watcher.start();
  }

  /** kill -9. */
  kill(): void {
    this.system.kill();
    this.#bus.cut();
    void this.#bus.close();
  }

  /** Ends its term: who takes over need not wait for a silence. */
  leave(): void {
    void this.#term.end();
  }

  submit(conv: string, requests: readonly Request[]): void {
    this.#keeper(conv).submit(requests);
  }

  /** What is after `after`, if the node may tell. Rejects with StoreUnavailable. */
  async read(conv: string, after: number): Promise<Page | undefined> {
    const keeper = this.#keepers.get(conv);
    if (keeper?.tenure === undefined || keeper.tenure.sealed || keeper.cell.moving) return undefined;
    const { head } = keeper.tenure;
    if (!(await this.#log.confirmed())) return undefined;
    if (head <= after) return { head, rows: [] };
    const limits = { rowsMax: READ_ROWS_MAX, bytesMax: READ_BYTES_MAX };
    return { head, rows: await this.#log.read(conv, after + 1, head, false, limits) };
  }

  /** Lets go what is at rest, as a sweep does. */
  rest(): void {
    for (const [conv, keeper] of this.#keepers) {
      if (!keeper.atRest) continue;
      this.#keepers.delete(conv);
      this.#log.letGo(conv, true);
    }
  }

  /** Somebody else is to have a conversation. */
  homesChanged(): void {
    this.#handoff.look();
  }

  #keeper(conv: string): Keeper {
    let keeper = this.#keepers.get(conv);
    if (keeper !== undefined) return keeper;
    const world = this.#world;
    keeper = new Keeper({
      conv,
      log: this.#log,
      ports: { ownership: this.#log, messages: this.#log, projections: this.#store.projections },
      system: this.system,
      users: world.users,
      batchMax: world.plan.batchMax,
      opened: (activation, recovered) => this.#opened(activation, recovered),
      committed: (message, place) => world.ownerAcked(this, message, place),
      failed: (error) => world.failed(this, error),
    });
    this.#keepers.set(conv, keeper);
    return keeper;
  }

  #opened(activation: Activation, recovered: boolean): void {
    const { conv, fence, head, tail } = activation;
    this.#world.trace(this.name, `has ${conv} at ${fence} up to ${head}${recovered ? ', recovered' : ''}`);
    // Members are told where a recovered conversation stands, and what its last message is.
    const last = tail.at(-1);
    if (recovered && last !== undefined) this.#world.announced(this, conv, last);
    this.#handoff.opened(conv);
  }

  /** As SequencerTerm does. */
  #changed(): void {
    const { state } = this.#term;
    this.#world.trace(this.name, `is ${state}`);
    if (state === 'live') return;
    this.#acquirer.unsettleAll();
    for (const keeper of this.#keepers.values()) if (keeper.tenure !== undefined) keeper.end();
    if (state !== 'over' || this.#isOver) return;
    this.#isOver = true;
    this.#world.termOver(this);
  }

  #nextOf(conv: string): NodeId | undefined {
    const home = this.#world.homeOf(conv);
    return home === undefined || home === this.id || this.#watcher.get(home)?.state !== 'live'
      ? undefined
      : home;
  }

  #tellOfDeath(node: NodeId): void {
    for (const row of this.#watcher.live) if (row.node !== this.id) this.#mail.buried(row.node, node);
  }

  /** The hand-over takes from its host what concerns the term alone. */
  #makeHandoff(offers: Offers): Handoff {
    const mail = this.#mail;
    receiveNodeMail(
      this.#bus,
      this.id,
      {
        offered: (offer) => {
          handoff.offered(offer.conv);
          offers.add(offer);
        },
        released: (conv, giver) => {
          handoff.released(conv, giver);
          this.#keeper(conv).goOn();
        },
        arrived: (conv) => handoff.arrived(conv),
        show: () => undefined,
        buried: (node) => this.#acquirer.heardOfDeath(node),
        drain: () => undefined,
      },
      this.logger,
    );
    const keepers = this.#keepers;
    const host = {
      residency: {
        get: (conv: string) => keepers.get(conv)?.cell,
        values: () => [...keepers.values()].map(({ cell }) => cell),
      },
      projector: { hurry: () => undefined, isDirty: () => false },
      showIfDue: () => undefined,
      seal: ({ conv }: Cell) => keepers.get(conv)?.seal(),
      moved: ({ conv }: Cell, next: NodeId) => {
        keepers.get(conv)?.refuseAll(next);
        keepers.delete(conv);
      },
      stays: ({ conv }: Cell) => {
        const keeper = keepers.get(conv);
        if (keeper?.tenure?.sealed === true) keeper.end();
        else keeper?.goOn();
      },
    };
    const handoff = new Handoff({
      host: host as unknown as ActorHost,
      log: this.#log,
      nextOf: (conv) => this.#nextOf(conv),
      offer: (next, conv, fence, state) => mail.offer(next, conv, fence, state),
      released: (next, conv) => mail.released(next, conv),
      arrived: (giver, conv) => mail.arrived(giver, conv),
      system: this.system,
      metrics: { counts: this.counts, handoffSeconds: UNMEASURED },
    });
    return handoff;
  }

  get logger(): Logger {
    const say = (_fields: object, message: string): void => this.#world.trace(this.name, message);
    return { info: say, warn: say, error: say };
  }
}
