import { newPeerMetrics } from '../../cluster/peer/peer-metrics.ts';
import type { Bus, ClusterStore } from '../core/cluster-ports.ts';
import type { RingControl } from '../core/ring-control.ts';
import type { Component } from '../lifecycle.ts';
import { SequencerTerm, type SequencerTermOptions } from './sequencer-term.ts';
import type { Surroundings } from './surroundings.ts';

export interface SequencerRoleOptions {
  readonly store: ClusterStore;
  /** Its own: a process does not hear what it publishes itself. */
  readonly bus: Bus;
  readonly leaseTimeoutMs: number;
  readonly addr: string;
}

const RESTART_MS = 1_000;
/** Of the time to drain; the rest is for settling what nobody took. */
const HAND_OVER_SHARE = 0.6;

/**
 * The sequencer of a process, term after term. A process that is nothing else ends with its term, since whatever
 * looks after processes can start it afresh; one with an edge begins a new term beside it.
 */
export class SequencerRole implements Component {
  readonly name = 'sequencer';
  readonly #surroundings: Surroundings;
  readonly #options: SequencerTermOptions;
  readonly #bus: Bus;
  #current: SequencerTerm;
  #isLeaving = false;

  constructor(surroundings: Surroundings, { store, bus, leaseTimeoutMs, addr }: SequencerRoleOptions) {
    const peers = newPeerMetrics();
    const { metrics } = surroundings;
    metrics.peers('owner', peers);
    const cluster = metrics.cluster();
    this.#surroundings = surroundings;
    this.#bus = bus;
    this.#options = { store, bus, leaseTimeoutMs, peers, cluster, addr, over: () => this.#over() };
    this.#current = new SequencerTerm(surroundings, this.#options);
    metrics.beforeScrape(() => this.#current.refresh());
  }

  get node(): string {
    return this.#current.node;
  }

  /** Of the present term, whichever that is. */
  readonly ringControl: RingControl = {
    status: () => this.#current.ringControl.status(),
    owner: (conv) => this.#current.ringControl.owner(conv),
    drain: (node) => this.#current.ringControl.drain(node),
    undrain: (node) => this.#current.ringControl.undrain(node),
    forget: (node) => this.#current.ringControl.forget(node),
  };

  async start(): Promise<void> {
    const { logger } = this.#surroundings;
    await this.#current.start();
    logger.info({ node: this.node }, 'a term begins');
  }

  drain(msLeft: number): Promise<void> {
    this.#isLeaving = true;
    return this.#current.drain(msLeft * HAND_OVER_SHARE);
  }

  async stop(): Promise<void> {
    this.#isLeaving = true;
    await this.#current.stop();
    await this.#bus.close();
  }

  unready(): string | undefined {
    if (!this.#bus.connected) return 'the bus is away';
    return this.#current.state === 'live' ? undefined : `the term is ${this.#current.state}`;
  }

  #over(): void {
    const { config, logger, system } = this.#surroundings;
    if (this.#isLeaving) return;
    if (!config.roles.edge) {
      logger.error({ node: this.node }, 'the term is over, and the process with it');
      system.after(RESTART_MS, () => process.exit(1)); // what was refused last is on its way
      return;
    }
    system.after(RESTART_MS, () => void this.#renew());
  }

  async #renew(): Promise<void> {
    const { logger, system, metrics } = this.#surroundings;
    await this.#current.stop();
    metrics.gauges.actors = 0;
    if (this.#isLeaving) return;
    this.#current = new SequencerTerm(this.#surroundings, this.#options);
    try {
      await this.start();
    } catch (err) {
      logger.warn({ err }, 'a new term could not begin: again');
      system.after(RESTART_MS, () => void this.#renew());
    }
  }
}
