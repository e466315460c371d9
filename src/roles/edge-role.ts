import { CommittedReader } from '../../cluster/committed-reader.ts';
import { hearHeartbeats } from '../../cluster/heartbeat-news.ts';
import { newPeerMetrics } from '../../cluster/peer/peer-metrics.ts';
import { RemoteOwners } from '../../cluster/peer/remote-owners.ts';
import { Ring, ringNodes } from '../../cluster/ring.ts';
import { NodeRingControl } from '../../cluster/ring-control.ts';
import { Watcher } from '../../cluster/watcher.ts';
import type { Bus, BusSubscription, ClusterStore } from '../core/cluster-ports.ts';
import { uuidV7 } from '../core/ids.ts';
import type { System } from '../core/ports.ts';
import type { Presence } from '../core/presence-port.ts';
import type { RingControl } from '../core/ring-control.ts';
import type { Edge } from '../edge/edge.ts';
import type { Component } from '../lifecycle.ts';
import { type EdgeFiles, openEdge, type Surroundings } from './surroundings.ts';

/** How long requests still go to whom the ring named before it changed. */
const FORMER_RING_MS = 60_000;
/**
 * An owner without heartbeats steps down after 3/4 of the lease timeout. From here that looks a second shorter if the last
 * one was applied and its owner not told so, and a quarter of a second if the next look is still to come.
 */
const STEPPED_DOWN_SHARE = 0.4;

export interface EdgeRoleOptions {
  readonly files: EdgeFiles;
  readonly store: ClusterStore;
  /** Its own: a process does not hear what it publishes itself. */
  readonly bus: Bus;
  readonly presence: Presence;
  readonly leaseTimeoutMs: number;
}

/** Sockets and sessions of a process; the owners of conversations are elsewhere, behind the bus. */
export class EdgeRole implements Component {
  readonly name = 'edge';
  readonly id: string;
  readonly edge: Edge;
  readonly ringControl: RingControl;
  readonly #owners: RemoteOwners;
  readonly #watcher: Watcher;
  readonly #heartbeats: BusSubscription;
  readonly #bus: Bus;
  readonly #system: System;
  #ring = new Ring([]);
  /** Before the last change; of use until what moves has moved, mostly. */
  #former = this.#ring;
  #formerUntil = 0;
  #live: readonly string[] = [];

  constructor(surroundings: Surroundings, { files, store, bus, presence, leaseTimeoutMs }: EdgeRoleOptions) {
    const { system, logger, metrics } = surroundings;
    this.id = uuidV7(system.now(), system.random(10));
    this.#bus = bus;
    this.#system = system;
    this.edge = openEdge(this.id, surroundings, files, {
      messages: new CommittedReader(store.log),
      projections: store.projections,
      presence,
    });
    const peers = newPeerMetrics();
    metrics.peers('edge', peers);
    this.#owners = new RemoteOwners({
      isSilent: (owner) => this.#watcher.isSilent(owner, leaseTimeoutMs * STEPPED_DOWN_SHARE),
      id: this.id,
      bus,
      system,
      logger,
      metrics: peers,
      edge: this.edge,
      ownerOf: (conv) => this.#ring.ownerOf(conv),
      formerOwnerOf: (conv) =>
        system.monotonic() < this.#formerUntil ? this.#former.ownerOf(conv) : undefined,
      resync: (user) => this.edge.resync(user),
    });
    this.edge.useOwners(this.#owners);
    this.#watcher = new Watcher(store.leases, leaseTimeoutMs, system, logger);
    this.#watcher.onLook(() => this.#look());
    this.#heartbeats = hearHeartbeats(this.#watcher, bus);
    this.ringControl = new NodeRingControl({
      me: () => this.id,
      leases: store.leases,
      watcher: this.#watcher,
      ring: () => this.#ring,
      leaseTimeoutMs,
      bus,
    });
  }

  start(): Promise<void> {
    return this.#watcher.start();
  }

  drain(msLeft: number): Promise<void> {
    return this.edge.drain(msLeft / 2);
  }

  async stop(): Promise<void> {
    this.#watcher.stop();
    this.#heartbeats.stop();
    this.edge.stop();
    this.#owners.stop();
    await this.#bus.close();
  }

  unready(): string | undefined {
    if (!this.#bus.connected) return 'the bus is away';
    return this.#ring.nodes.length === 0 ? 'no sequencer lives' : undefined;
  }

  #look(): void {
    const rows = this.#watcher.live;
    const live = rows.map((row) => row.node).sort();
    const nodes = ringNodes(rows);
    const isSameRing = this.#ring.isOf(nodes);
    if (!isSameRing) {
      this.#former = this.#ring;
      this.#formerUntil = this.#system.monotonic() + FORMER_RING_MS;
      this.#ring = new Ring(nodes);
    }
    if (isSameRing && live.join() === this.#live.join()) return;
    this.#live = live;
    this.#owners.useSequencers(live); // one that drains is still an owner
  }
}
