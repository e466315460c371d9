import { ConversationSequencer } from '../../actors/conversation-sequencer.ts';
import { Acquirer } from '../../cluster/acquire.ts';
import { ActorHost } from '../../cluster/actor-host.ts';
import { Barrier } from '../../cluster/barrier.ts';
import { CommittedLog } from '../../cluster/committed-log.ts';
import { CommittedReader } from '../../cluster/committed-reader.ts';
import { DeadNodes } from '../../cluster/dead-nodes.ts';
import { DedupIndexer } from '../../cluster/dedup-indexer.ts';
import { DirtyMarks } from '../../cluster/dirty-marks.ts';
import { dirtySlotAt } from '../../cluster/dirty-slots.ts';
import { Handoff } from '../../cluster/handoff.ts';
import { hearHeartbeats, tellHeartbeats } from '../../cluster/heartbeat-news.ts';
import { NodeMail, type NodeMailListener, receiveNodeMail } from '../../cluster/node-mail.ts';
import { Offers } from '../../cluster/offers.ts';
import type { PeerMetrics } from '../../cluster/peer/peer-metrics.ts';
import { RemoteEdges } from '../../cluster/peer/remote-edges.ts';
import { Ring, ringNodes } from '../../cluster/ring.ts';
import { NodeRingControl } from '../../cluster/ring-control.ts';
import { Term, type TermState } from '../../cluster/term.ts';
import { UserHub, type UserMetrics } from '../../cluster/users/user-hub.ts';
import { Watcher } from '../../cluster/watcher.ts';
import type { Beat, Bus, BusSubscription, ClusterStore, LeaseTable } from '../core/cluster-ports.ts';
import { type ConversationId, type NodeId, type UserId, uuidV7 } from '../core/ids.ts';
import { pause } from '../core/patience.ts';
import { type Logger, StoreUnavailable, type System } from '../core/ports.ts';
import type { NodeRequest } from '../core/requests.ts';
import type { RingControl } from '../core/ring-control.ts';
import { homeOf } from '../core/users.ts';
import type { ClusterMetrics } from '../telemetry.ts';
import type { Surroundings } from './surroundings.ts';

export interface SequencerTermOptions {
  readonly store: ClusterStore;
  readonly bus: Bus;
  readonly leaseTimeoutMs: number;
  readonly peers: PeerMetrics;
  readonly cluster: ClusterMetrics;
  /** Where the admin port answers; '' if nowhere. */
  readonly addr: string;
  /** The term is over for good. */
  readonly over: () => void;
}

const QUIET_LOOK_MS = 10;
/** Edges acknowledge what they were told every second. */
const TOLD_MS_MAX = 2_000;
/** Below the edges' deadline for a request, so that the answer to one that waited is still heard. */
const OPEN_AGAIN_MS_MAX = 7_000;
/** A row is a partition of its own at a quorum: it costs the store as much as a message. */
const PROJECTION_RATES = { rowsPerTick: 128, rowsPerBusyTick: 16 };
/** For so long after a death all that can wait does: what its conversations are taken over with goes first. */
const RUSH_MS = 3_000;
/** How long after another a node may be back on a bus that all were cut from: it tries four times a second. */
const BUS_BACK_MS = 1_000;
const TERM_STATES: readonly TermState[] = ['starting', 'live', 'steppedDown', 'over'];

/** One term of a sequencer: from a fresh node id until that is dead. All its parts live as long as it does. */
export class SequencerTerm {
  readonly node: NodeId;
  readonly #system: System;
  readonly #options: SequencerTermOptions;
  readonly #term: Term;
  readonly #watcher: Watcher;
  readonly #acquirer: Acquirer;
  readonly #dedup: DedupIndexer;
  readonly #host: ActorHost;
  readonly #edges: RemoteEdges;
  readonly #users: UserHub;
  readonly #dead: DeadNodes;
  readonly #handoff: Handoff;
  readonly #nodeMail: NodeMail;
  readonly #subscriptions: readonly BusSubscription[];
  /** Monotonic ms when last no other was on the bus. */
  #othersOnBusFrom = Number.NEGATIVE_INFINITY;
  readonly ringControl: RingControl;
  #isDraining = false;
  /** Those whose bus is up: only they are handed anything. */
  #takers = '';
  #ring = new Ring([]);
  /** Monotonic ms at which a death was last confirmed here. */
  #buriedAt = Number.NEGATIVE_INFINITY;
  #dirtyFrom: number;
  #isLeaving = false;

  constructor({ system, logger, metrics }: Surroundings, options: SequencerTermOptions) {
    const { store, bus, leaseTimeoutMs, peers, cluster, addr } = options;
    const { leases, log } = store;
    this.node = uuidV7(system.now(), system.random(10));
    this.#system = system;
    this.#options = options;
    this.#dirtyFrom = dirtySlotAt(system.now()) - 1;
    this.#term = new Term(leases, {
      node: this.node,
      addr,
      roles: 'sequencer',
      leaseTimeoutMs,
      system,
      logger,
      busUp: () => bus.connected,
      beat: () => this.#beat(),
    });
    this.#watcher = new Watcher(leases, leaseTimeoutMs, system, logger);
    const barrier = new Barrier(leases, this.#term, system, cluster.barrierSeconds);
    const reader = new CommittedReader(log);
    const shared = { leases, log, barrier };
    const { counts } = cluster;
    const offers = new Offers(system);
    const buriesFirst = (node: NodeId): boolean => this.#ring.ownerOf(node) === this.node;
    const watcher = this.#watcher;
    const buried = (node: NodeId, isFirst: boolean): void => this.#buried(node, isFirst);
    this.#acquirer = new Acquirer({ ...shared, counts, offers, buriesFirst, buried, watcher, me: this.node });
    const isRush = (): boolean => system.monotonic() < this.#buriedAt + RUSH_MS;
    this.#dedup = new DedupIndexer(log, reader, system, logger, isRush);
    const committed = new CommittedLog({
      ...shared,
      reader,
      term: this.#term,
      acquirer: this.#acquirer,
      dirty: new DirtyMarks(leases, this.node, system),
      dedup: this.#dedup,
      system,
    });
    this.#nodeMail = new NodeMail(bus, this.node);
    this.#edges = new RemoteEdges({ id: this.node, bus, system, logger, metrics: peers });
    this.#host = new ActorHost({
      ports: { ownership: committed, messages: committed, projections: store.projections },
      edge: this.#edges,
      system,
      logger,
      metrics,
      projectionRates: PROJECTION_RATES,
      isRush,
      openAgainMsMax: OPEN_AGAIN_MS_MAX,
      makeActor: (activation) => new ConversationSequencer(activation),
      redirect: (request, owner) => this.#edges.redirect(request, owner),
      isAwaited: (request) => this.#edges.isAwaited(request),
      showElsewhere: (conv, owner) => this.#nodeMail.show(owner, conv),
      opened: (conv) => this.#handoff.opened(conv),
    });
    this.#users = this.#makeUsers(system, logger, metrics);
    const conversations = {
      submit: (request: NodeRequest) => this.#submit(request),
      announce: (user: UserId) => this.#host.announce(user),
      entryOf: (conv: ConversationId, user: UserId) => this.#host.entryOf(conv, user),
      otherOwnerOf: (conv: ConversationId) => this.#movedTo(conv),
    };
    this.#edges.useConversations(conversations, this.#users);
    this.#dead = this.#makeDeadNodes(leases, system, logger);
    this.#handoff = this.#makeHandoff(committed);
    this.#subscriptions = [this.#receiveMail(offers, logger), hearHeartbeats(this.#watcher, bus)];
    this.ringControl = this.#makeRingControl();
    this.#term.onChange((state) => this.#changed(state));
    this.#watcher.onLook(() => this.#look());
  }

  get state(): TermState {
    return this.#term.state;
  }

  /** Rejects with StoreUnavailable. */
  async start(): Promise<void> {
    tellHeartbeats(this.#term, this.#options.bus);
    await this.#term.start();
    await this.#watcher.start();
    await this.#handoff.rehearse();
  }

  /** The node is to own nothing: the ring leaves it out, and it hands over what it has; or it comes back. */
  setDraining(isWanted: boolean): void {
    if (this.#isDraining === isWanted || this.#isLeaving) return;
    this.#isDraining = isWanted;
    this.#useRing();
    this.#term.sayNow();
  }

  /**
   * Hands over what it can within `msMax`, as long as there is someone to take it, and settles the rest: that, and what
   * comes from then on, is left to the node's successor.
   */
  async drain(msMax: number): Promise<void> {
    const deadline = this.#system.monotonic() + msMax;
    this.#host.dirtyWalk.stop();
    this.setDraining(true);
    while (this.#hasSuccessor && this.#host.residency.size > 0 && this.#system.monotonic() < deadline)
      await pause(this.#system, QUIET_LOOK_MS);
    this.#handoff.stop();
    this.#isLeaving = true;
    while (!this.#host.quiet) await pause(this.#system, QUIET_LOOK_MS);
    await this.#host.projector.flush();
    await this.#users.flush();
    const toldBy = this.#system.monotonic() + TOLD_MS_MAX;
    while (!this.#edges.allTold && this.#system.monotonic() < toldBy)
      await pause(this.#system, QUIET_LOOK_MS);
    const isTold = this.#edges.allTold;
    await this.#term.end();
    // All is told and written: nobody need look after it.
    if (isTold) await this.#options.store.leases.markWalked(this.node);
  }

  async stop(): Promise<void> {
    await this.#term.end();
    this.#handoff.stop();
    for (const subscription of this.#subscriptions) subscription.stop();
    this.#dead.stop();
    this.#watcher.stop();
    this.#users.stop();
    this.#host.stop();
    this.#dedup.stop();
    this.#edges.stop();
  }

  /** For a scrape of the metrics. */
  refresh(): void {
    const { gauges } = this.#options.cluster;
    gauges.termState = TERM_STATES.indexOf(this.#term.state);
    gauges.handoffsPending = this.#handoff.moving;
    gauges.dirtyWalkPending = this.#host.dirtyWalk.size;
    gauges.projectionsPending = this.#host.projector.pending;
  }

  /** Whoever leaves answers no more: the edge asks the next owner when it knows of one. */
  #submit(request: NodeRequest): void {
    if (this.#isLeaving) return;
    if (request.t !== 'settings') {
      this.#host.submit(request);
      return;
    }
    const home = this.#ring.ownerOf(request.conv) ?? this.node;
    if (home === this.node) this.#users.change(request);
    else this.#edges.redirect(request, home);
  }

  #changed(state: TermState): void {
    const { cluster, over } = this.#options;
    if (state === 'live') {
      this.#host.dirtyWalk.again();
      return;
    }
    if (state === 'steppedDown') cluster.counts.stepDowns++;
    this.#acquirer.unsettleAll();
    this.#host.sealAll();
    if (state === 'over' && !this.#isLeaving) over();
  }

  #look(): void {
    this.#useRing();
    this.#dead.look();
    this.#lookAtBus();
  }

  #makeDeadNodes(leases: LeaseTable, system: System, logger: Logger): DeadNodes {
    const host = this.#host;
    return new DeadNodes({
      me: this.node,
      leases,
      watcher: this.#watcher,
      acquirer: this.#acquirer,
      ring: () => this.#ring,
      walk: (convs) => host.dirtyWalk.start(convs),
      isShown: (conv) => host.isShown(conv),
      isHere: (conv) => host.residency.get(conv) !== undefined,
      system,
      logger,
    });
  }

  #makeUsers(system: System, logger: Logger, metrics: UserMetrics): UserHub {
    return new UserHub({
      store: this.#options.store.projections,
      edge: this.#edges,
      system,
      logger,
      metrics,
      online: this.#edges.online,
      haveHeard: (user) => this.#edges.haveHeardSettings(user),
      isHome: (user) => this.#ring.ownerOf(homeOf(user)) === this.node,
    });
  }

  #makeHandoff(log: CommittedLog): Handoff {
    const mail = this.#nodeMail;
    return new Handoff({
      host: this.#host,
      log,
      nextOf: (conv) => this.#nextOf(conv),
      offer: (next, conv, fence, state) => mail.offer(next, conv, fence, state),
      released: (next, conv) => mail.released(next, conv),
      arrived: (giver, conv) => mail.arrived(giver, conv),
      system: this.#system,
      metrics: this.#options.cluster,
    });
  }

  #receiveMail(offers: Offers, logger: Logger): BusSubscription {
    const listener: NodeMailListener = {
      offered: (offer) => {
        this.#handoff.offered(offer.conv);
        offers.add(offer);
      },
      released: (conv, giver) => this.#released(conv, giver),
      arrived: (conv) => this.#handoff.arrived(conv),
      show: (conv) => this.#host.dirtyWalk.start([conv]),
      buried: (node) => this.#acquirer.heardOfDeath(node),
      drain: (isWanted) => this.setDraining(isWanted),
    };
    return receiveNodeMail(this.#options.bus, this.node, listener, logger);
  }

  #makeRingControl(): RingControl {
    const { store, leaseTimeoutMs, bus } = this.#options;
    return new NodeRingControl({
      me: () => this.node,
      leases: store.leases,
      watcher: this.#watcher,
      ring: () => this.#ring,
      leaseTimeoutMs,
      bus,
      drainSelf: (isWanted) => this.setDraining(isWanted),
    });
  }

  #useRing(): void {
    const { node } = this;
    // Of itself it need not read.
    const rows = this.#watcher.live.map((row) =>
      row.node === node ? { ...row, draining: this.#isDraining } : row,
    );
    const nodes = ringNodes(rows);
    const takers = rows
      .filter((row) => row.bus)
      .map((row) => row.node)
      .sort()
      .join();
    const isSame = this.#ring.isOf(nodes);
    if (!isSame) this.#ring = new Ring(nodes);
    if (isSame && takers === this.#takers) return;
    this.#takers = takers;
    this.#handoff.look();
  }

  get #hasSuccessor(): boolean {
    return this.#ring.nodes.some((node) => node !== this.node);
  }

  /** To whom the conversation is to go: to the one whom the ring names, while that one is well. */
  #nextOf(conv: ConversationId): NodeId | undefined {
    const next = this.#ring.ownerOf(conv);
    if (next === undefined || next === this.node || this.#term.state !== 'live') return undefined;
    return this.#watcher.get(next)?.bus === true ? next : undefined;
  }

  #movedTo(conv: ConversationId): NodeId | undefined {
    const other = this.#handoff.movedTo(conv);
    return other !== undefined && this.#watcher.get(other)?.state === 'live' ? other : undefined;
  }

  #released(conv: ConversationId, giver: NodeId): void {
    if (this.#term.state !== 'live' || this.#isLeaving) return;
    this.#handoff.released(conv, giver);
    this.#host.expect(conv);
  }

  /** The others need not see it for themselves first. */
  #buried(node: NodeId, isFirst: boolean): void {
    this.#buriedAt = this.#system.monotonic();
    if (!isFirst) return;
    for (const row of this.#watcher.live) if (row.node !== this.node) this.#nodeMail.buried(row.node, node);
  }

  #beat(): Beat {
    this.#dirtyFrom = this.#host.oldestDirtySlot ?? this.#dirtyFrom;
    const host = this.#host;
    return {
      bus: this.#options.bus.connected,
      dirtyFrom: this.#dirtyFrom,
      draining: this.#isDraining,
      owned: host.residency.size,
      moving: this.#handoff.moving,
      lag: host.projector.pending + host.dirtyWalk.size,
    };
  }

  /** Cut from the bus while others are not: they may have what it owns. When all were cut, one of them is back first. */
  #lookAtBus(): void {
    const now = this.#system.monotonic();
    if (!this.#watcher.live.some((row) => row.node !== this.node && row.bus)) this.#othersOnBusFrom = now;
    if (this.#options.bus.connected || this.#term.state !== 'steppedDown') return;
    if (now - this.#othersOnBusFrom < BUS_BACK_MS) return;
    this.#term.end().catch((error: unknown) => {
      if (!(error instanceof StoreUnavailable)) throw error;
    });
  }
}
