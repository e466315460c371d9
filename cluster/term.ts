import type { Beat, LeaseRow, LeaseTable } from '../src/core/cluster-ports.ts';
import type { NodeId } from '../src/core/ids.ts';
import { askPatiently } from '../src/core/patience.ts';
import { type Logger, StoreUnavailable, type System, type Timer } from '../src/core/ports.ts';

/** live: may commit. steppedDown: it may be taken for dead soon, and must not serve. over: dead for good. */
export type TermState = 'starting' | 'live' | 'steppedDown' | 'over';

export interface TermOptions {
  readonly node: NodeId;
  readonly addr: string;
  readonly roles: string;
  readonly leaseTimeoutMs: number;
  readonly system: System;
  readonly logger: Logger;
  /** Whether the bus is up. */
  readonly busUp: () => boolean;
  /** What the next heartbeat is to say. */
  readonly beat: () => Beat;
}

const HEARTBEAT_MS = 1_000;
/** What of the lease timeout may pass without a sign of health before the node steps down. */
const STEP_DOWN_SHARE = 0.75;
const LOOK_MS = 100;

/**
 * One node's life in `node_lease`: inserted once, kept by heartbeats, ended for good. It never judges itself
 * alive by a clock: that it may commit, it learns from barriers; the clock only makes it step down early.
 */
export class Term {
  readonly node: NodeId;
  readonly #table: LeaseTable;
  readonly #options: TermOptions;
  readonly #listeners: ((state: TermState) => void)[] = [];
  readonly #heartbeatListeners: ((hb: number) => void)[] = [];
  #state: TermState = 'starting';
  #hb = 0;
  #timers: Timer[] = [];
  #beating = false;
  /** Monotonic ms of the last sign that heartbeats, barriers, the bus and the loop are well. */
  #heartbeatOk = 0;
  #barrierFailingSince = 0;
  #busDownSince = 0;
  #lookedAt = 0;

  constructor(table: LeaseTable, options: TermOptions) {
    this.node = options.node;
    this.#table = table;
    this.#options = options;
  }

  get state(): TermState {
    return this.#state;
  }

  onChange(listener: (state: TermState) => void): void {
    this.#listeners.push(listener);
  }

  /** Called with each heartbeat that was applied. */
  onHeartbeat(listener: (hb: number) => void): void {
    this.#heartbeatListeners.push(listener);
  }

  /**
   * Claims nothing until an applied insert, or a serial read, shows the row live. Rejects with StoreUnavailable if the
   * store does not answer, or did so too late: the row may be there for longer than its node knows.
   */
  async start(): Promise<void> {
    const { node, addr, roles, system, logger } = this.#options;
    const row = {
      node,
      state: 'live',
      hb: 0,
      addr,
      roles,
      walked: false,
      ...this.#options.beat(),
    } as const;
    const insert = async (): Promise<LeaseRow['state'] | undefined> => {
      const inserted = await this.#table.insertNode(row);
      if (inserted.t === 'applied') return 'live';
      return (inserted.t === 'notApplied' ? inserted.row : await this.#table.node(node))?.state;
    };
    let state: LeaseRow['state'] | undefined;
    while (state === undefined) state = await askPatiently(insert, system, logger);
    if (state === 'dead')
      throw new StoreUnavailable('the node was taken for dead before it knew that it lived');
    this.#heartbeatOk = system.monotonic();
    this.#lookedAt = system.monotonic();
    this.#set('live');
    this.#timers = [
      system.every(HEARTBEAT_MS, () => void this.#beat()),
      system.every(LOOK_MS, () => this.#look()),
    ];
  }

  /** Says now what the next heartbeat would. */
  sayNow(): void {
    if (this.#timers.length > 0) void this.#beat();
  }

  /** What barriers found: a failing one counts against the node's health, an ended term ends it. */
  barrierSaid(said: 'live' | 'failed' | 'dead'): void {
    if (said === 'dead') this.#end('a barrier found the node dead');
    else if (said === 'live') this.#barrierFailingSince = 0;
    else if (this.#barrierFailingSince === 0) this.#barrierFailingSince = this.#options.system.monotonic();
  }

  /** Ends the term from here: others may take over at once. */
  async end(): Promise<void> {
    this.#end('the node leaves');
    for (let tries = 0; tries < 3; tries++) {
      const killed = await this.#table.markDead(this.node, this.#hb);
      if (killed.t === 'applied' || (killed.t === 'notApplied' && killed.row?.state === 'dead')) return;
      if (killed.t === 'notApplied' && killed.row !== undefined) this.#hb = killed.row.hb;
    }
  }

  async #beat(): Promise<void> {
    if (this.#beating || this.#state === 'over') return;
    this.#beating = true;
    const started = this.#options.system.monotonic();
    const hb = ++this.#hb;
    const beat = await this.#table.heartbeat(this.node, hb, this.#options.beat());
    this.#beating = false;
    if (beat.t === 'notApplied') this.#end('a heartbeat was not applied');
    else if (beat.t === 'applied') {
      this.#heartbeatOk = started;
      this.#barrierFailingSince = 0;
      for (const listener of this.#heartbeatListeners) listener(hb);
      if (this.#state === 'steppedDown' && this.#isHealthy()) this.#set('live');
    }
  }

  /** Looks at the node's health, often enough to see its own stalls. */
  #look(): void {
    const now = this.#options.system.monotonic();
    const stalledMs = now - this.#lookedAt;
    this.#lookedAt = now;
    this.#lookAtBus(now);
    if (this.#state === 'live' && (stalledMs > this.#patienceMs || !this.#isHealthy()))
      this.#set('steppedDown');
  }

  /** The node serves again at the next applied heartbeat: a bus that comes back is worth one at once. */
  #lookAtBus(now: number): void {
    if (!this.#options.busUp()) {
      if (this.#busDownSince === 0) this.#busDownSince = now;
      return;
    }
    const isBack = this.#busDownSince > 0;
    this.#busDownSince = 0;
    if (isBack && this.#state === 'steppedDown') this.sayNow();
  }

  get #patienceMs(): number {
    return this.#options.leaseTimeoutMs * STEP_DOWN_SHARE;
  }

  #isHealthy(): boolean {
    const now = this.#options.system.monotonic();
    const failing = (since: number): boolean => since > 0 && now - since > this.#patienceMs;
    return (
      now - this.#heartbeatOk <= this.#patienceMs &&
      !failing(this.#barrierFailingSince) &&
      !failing(this.#busDownSince)
    );
  }

  #end(why: string): void {
    if (this.#state === 'over') return;
    for (const timer of this.#timers) timer.cancel();
    this.#options.logger.warn({ node: this.node, why }, 'the term is over');
    this.#set('over');
  }

  #set(state: TermState): void {
    if (state === this.#state) return;
    this.#state = state;
    for (const listener of this.#listeners) listener(state);
  }
}
