import { makeRoom } from '../src/core/bounded-map.ts';
import type { ConversationId, NodeId, Seq } from '../src/core/ids.ts';
import { pause } from '../src/core/patience.ts';
import type { System } from '../src/core/ports.ts';
import type { HandOver } from '../src/core/rows.ts';
import type { ActorHost } from './actor-host.ts';
import { Arrivals } from './arrivals.ts';
import type { Cell } from './cell.ts';
import type { CommittedLog } from './committed-log.ts';

/** Conversations on their way at once, at most; fewer when each takes longer than it should. */
const IN_FLIGHT_MAX = 24;
const IN_FLIGHT_FIRST = 2;
/** For how long nobody should serve one. */
const PAUSE_MS_AIM = 35;
/** Of conversations that have gone, where they went. */
const MOVED_MAX = 65_536;
/** How long a conversation that goes on serving has to get small rows and ids written, before it is paused in any case. */
const WARM_MS_MAX = 1_000;
/** How long a paused one may take to settle, until it goes on here and is tried again. */
const SETTLE_MS_MAX = 1_000;
const LOOK_MS = 2;
/** Nothing is handed over while conversations wait to be opened here, maybe a dead node's, but for so long; … */
const TAKE_OVER_MS_MAX = 10_000;
/** … looked at so often. */
const TAKE_OVER_LOOK_MS = 100;
/** Others must have seen the same ring before, or they would hand back what they are given: several looks at the leases. */
const RING_SEEN_MS = 750;

export interface HandoffOptions {
  readonly host: ActorHost;
  readonly log: CommittedLog;
  /** Who is to have the conversation; undefined: this node, or nobody who could take it now. */
  readonly nextOf: (conv: ConversationId) => NodeId | undefined;
  readonly offer: (next: NodeId, conv: ConversationId, fence: number, state: HandOver) => void;
  /** The next owner may open it. */
  readonly released: (next: NodeId, conv: ConversationId) => void;
  /** A conversation that `giver` has released is served here. */
  readonly arrived: (giver: NodeId, conv: ConversationId) => void;
  readonly system: System;
  /** Conversations handed over, and seconds for which nobody served each. */
  readonly metrics: {
    readonly counts: { handoffs: number };
    readonly handoffSeconds: { observe(s: number): void };
  };
}

/**
 * Hands over what the ring gives to others, a bounded number at a time, by the release of DESIGN section 6: its small
 * rows are written while it goes on serving; then it takes no request, settles, writes the rest, is sealed, offered,
 * and released by name. What came meanwhile goes to the next owner in its order, whose word ends the hand-over.
 */
export class Handoff {
  readonly #o: HandoffOptions;
  /** Bounded by what is in memory. */
  readonly #waiting = new Set<ConversationId>();
  readonly #moved = new Map<ConversationId, NodeId>();
  readonly #arrivals: Arrivals;
  /** On their way: each once, however often the ring changes meanwhile. */
  readonly #inFlight = new Set<ConversationId>();
  /** Adapts: a little more after each quick hand-over, a fifth less after each slow one. */
  #inFlightMax = IN_FLIGHT_FIRST;
  /** Monotonic ms from which conversations that wait to be opened do not hold hand-overs up. */
  #goesOnAt = 0;
  #isHeldUp = false;
  /** Looks under way: until the last one's time has come, nothing starts. */
  #looks = 0;
  #stopped = false;

  constructor(options: HandoffOptions) {
    this.#o = options;
    this.#arrivals = new Arrivals(options.system, options.arrived);
  }

  rehearse(): Promise<void> {
    return this.#o.log.rehearse();
  }

  /** Conversations that are to go, and those on their way. */
  get moving(): number {
    return this.#waiting.size + this.#inFlight.size;
  }

  /** The ring has changed: who is to go is judged anew. */
  look(): void {
    this.#waiting.clear();
    for (const { conv } of this.#o.host.residency.values())
      if (this.#o.nextOf(conv) !== undefined) this.#waiting.add(conv);
    this.#goesOnAt = this.#o.system.monotonic() + TAKE_OVER_MS_MAX;
    this.#looks++;
    this.#o.system.after(RING_SEEN_MS, () => {
      this.#looks--;
      this.#start();
    });
  }

  /** `giver` has released it to this node. */
  released(conv: ConversationId, giver: NodeId): void {
    this.#arrivals.expect(conv, giver);
    if (this.#o.host.residency.get(conv)?.actor !== undefined) this.#arrivals.opened(conv);
  }

  /** The next owner says that it serves it. */
  arrived(conv: ConversationId): void {
    this.#arrivals.heard(conv);
  }

  /** The conversation is served here, perhaps since another has handed it over by a ring that is not known here yet. */
  opened(conv: ConversationId): void {
    this.#arrivals.opened(conv);
    this.#consider(conv);
  }

  #consider(conv: ConversationId): void {
    this.#moved.delete(conv);
    if (this.#o.nextOf(conv) === undefined) return;
    this.#o.system.after(RING_SEEN_MS, () => {
      if (this.#o.host.residency.get(conv) === undefined || this.#o.nextOf(conv) === undefined) return;
      this.#waiting.add(conv);
      this.#start();
    });
  }

  /** Whom this node gave the conversation to; a guess, since that one may have given it away. */
  movedTo(conv: ConversationId): NodeId | undefined {
    return this.#moved.get(conv);
  }

  /** It is offered to this node: whoever it was given to gives it back. */
  offered(conv: ConversationId): void {
    this.#moved.delete(conv);
  }

  stop(): void {
    this.#stopped = true;
    this.#waiting.clear();
    this.#arrivals.stop();
  }

  #start(): void {
    if (this.#looks > 0 || this.#stopped || this.#waiting.size === 0 || this.#waitForTakeOvers()) return;
    for (const conv of this.#waiting) {
      if (this.#inFlight.size >= Math.floor(this.#inFlightMax)) return;
      this.#waiting.delete(conv);
      if (!this.#inFlight.has(conv)) void this.#run(conv);
    }
  }

  /** Those that are handed over are served; those that wait to be opened are not. */
  #waitForTakeOvers(): boolean {
    const { host, system } = this.#o;
    if (this.#isHeldUp) return true;
    if (!host.isTakingOver || system.monotonic() >= this.#goesOnAt) return false;
    this.#isHeldUp = true;
    system.after(TAKE_OVER_LOOK_MS, () => {
      this.#isHeldUp = false;
      this.#start();
    });
    return true;
  }

  async #run(conv: ConversationId): Promise<void> {
    this.#inFlight.add(conv);
    const cell = this.#o.host.residency.get(conv);
    const next = this.#o.nextOf(conv);
    if (cell !== undefined && next !== undefined) await this.#move(cell, next);
    this.#inFlight.delete(conv);
    if (this.#o.host.residency.get(conv) !== undefined) this.#consider(conv); // it stayed, or is back already
    this.#start();
  }

  /** Unless it stays, for now. */
  async #move(cell: Cell, next: NodeId): Promise<void> {
    const { host, released, system, metrics } = this.#o;
    const { conv, actor } = cell;
    if (actor?.exists !== true || cell.moving) return; // being opened, or created: to be seen later
    host.showIfDue(cell);
    // Between two batches, if there is such a moment: then nothing is left to do in the pause but the release.
    await this.#until(
      WARM_MS_MAX,
      () => !this.#isServing(cell, actor) || (this.#isWritten(conv) && cell.settled),
    );
    if (!this.#isServing(cell, actor)) return;
    const pausedAt = system.monotonic();
    cell.moving = true;
    const isReleased = (await this.#settle(cell, actor)) && (await this.#release(cell, actor, next));
    cell.moving = false;
    if (!isReleased) {
      if (host.residency.get(conv) === cell) host.stays(cell);
      return;
    }
    host.moved(cell, next);
    this.#keepMoved(conv, next);
    const arrival = this.#arrivals.arrival(conv);
    released(next, conv);
    await arrival;
    const pauseMs = system.monotonic() - pausedAt;
    metrics.counts.handoffs++;
    metrics.handoffSeconds.observe(pauseMs / 1_000);
    this.#inFlightMax =
      pauseMs > PAUSE_MS_AIM
        ? Math.max(1, this.#inFlightMax * 0.8)
        : Math.min(IN_FLIGHT_MAX, this.#inFlightMax + 1 / this.#inFlightMax);
  }

  #keepMoved(conv: ConversationId, next: NodeId): void {
    makeRoom(this.#moved, MOVED_MAX);
    this.#moved.set(conv, next);
  }

  /** Settles what is in flight, and flushes projections and ids. False: that took too long, or the term ended. */
  async #settle(cell: Cell, actor: Cell['actor']): Promise<boolean> {
    const isSettled = (): boolean => cell.settled && this.#isWritten(cell.conv);
    await this.#until(SETTLE_MS_MAX, () => !this.#isServing(cell, actor) || isSettled());
    return this.#isServing(cell, actor) && isSettled();
  }

  /** Whether its small rows and ids are all written; if not, they are next. */
  #isWritten(conv: ConversationId): boolean {
    const { log, host } = this.#o;
    const [isIndexed, isDirty] = [log.isIndexed(conv), host.projector.isDirty(conv)];
    if (!isIndexed) log.hurry(conv);
    if (isDirty) host.projector.hurry(conv);
    return isIndexed && !isDirty;
  }

  async #release(cell: Cell, actor: Cell['actor'], next: NodeId): Promise<boolean> {
    const { host, log, offer } = this.#o;
    const state = actor?.handOver();
    host.seal(cell);
    return log.release(cell.conv, next, (fence: number, head: Seq) => {
      if (state?.head !== head) throw new Error(`${cell.conv}: handed over at another head than ${head}`);
      offer(next, cell.conv, fence, state);
    });
  }

  #isServing(cell: Cell, actor: Cell['actor']): boolean {
    return (
      !this.#stopped &&
      this.#o.host.residency.get(cell.conv) === cell &&
      cell.actor === actor &&
      actor?.sealed === false
    );
  }

  async #until(msMax: number, isSo: () => boolean): Promise<void> {
    const { system } = this.#o;
    const deadline = system.monotonic() + msMax;
    while (!isSo() && system.monotonic() < deadline) await pause(system, LOOK_MS);
  }
}
