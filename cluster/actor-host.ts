import type { Activation, AppendOutcome, Completion, ConversationActor, Outbox } from '../src/core/actor.ts';
import type { Entry } from '../src/core/entry.ts';
import type { ConversationId, NodeId, Seq, UserId } from '../src/core/ids.ts';
import type { Timer } from '../src/core/ports.ts';
import type {
  Answer,
  ConversationRequest,
  Delivery,
  PrefsRequest,
  ReadRequest,
  SendRequest,
} from '../src/core/requests.ts';
import type { AppendBatch } from '../src/core/rows.ts';
import { Activator, type ActivatorListener } from './activator.ts';
import { AppendGather } from './append-gather.ts';
import { Asks } from './asks.ts';
import type { Cell, CellListener } from './cell.ts';
import { ConfirmedReads } from './confirmed-reads.ts';
import { OVERLOADED_RETRY_MS, refuse, refuseTooLate } from './refusals.ts';
import { Projector } from './projector.ts';
import { Residency, RESIDENCY_LIMITS } from './residency.ts';
import { DirtySlots } from './dirty-slots.ts';
import type { HostOptions } from './host-options.ts';
import { DirtyWalk, tellMembers } from './dirty-walk.ts';
import { GATHER_MS_MAX, Turns } from './turns.ts';

const MAILBOX_BYTES_TOTAL_MAX = 256 * 1024 * 1024;
/** Requests that one actor takes in one turn. */
const TURN_REQUESTS_MAX = 256;
const SWEEP_MS = 1_000;
/** A walk opens no further conversation while so many are being opened. */
const WALK_PENDING_MAX = 64;

/**
 * Runs the actors: one bounded mailbox each, activation at the first message, turns in fair rotation,
 * passivation. Turns outbox items into port calls, and their completions into messages.
 */
export class ActorHost implements CellListener, ActivatorListener, Outbox {
  readonly projector: Projector;
  readonly residency: Residency;
  readonly #options: HostOptions;
  readonly #activator: Activator;
  /** What a crash left undone: opened in its turn, projected, and told. */
  readonly dirtyWalk: DirtyWalk;
  readonly #reads: ConfirmedReads;
  readonly #asks: Asks;
  readonly #turns: Turns;
  readonly #gather: AppendGather;
  readonly #slots: DirtySlots;
  readonly #timers: Timer[];
  #mailboxBytes = 0;
  /** The cell whose turn it is: whom the outbox speaks for. */
  #current: Cell | undefined;

  constructor(options: HostOptions) {
    const { ports, edge, system, logger, isRush, isAwaited, projectionRates: rates } = options;
    this.#options = options;
    this.#reads = new ConfirmedReads(ports.ownership, edge);
    const isBusy = (): boolean => this.#turns.isBusy || this.isTakingOver;
    const opening = (): number => this.#activator.pending;
    this.#asks = new Asks({ ...ports, system, logger, isAwaited, opening, isRush });
    const { projections: store, ownership } = ports;
    this.projector = new Projector({ store, ownership, edge, system, logger, isBusy, isRush, rates });
    const limits = options.residency ?? RESIDENCY_LIMITS;
    this.residency = new Residency(limits);
    this.#turns = new Turns(system, limits.cellsMax, options.gatherMsMax ?? GATHER_MS_MAX, this.#takeTurn);
    this.#gather = new AppendGather(system, limits.cellsMax, (cell) => this.#schedule(cell));
    const activating = { cellsMax: limits.cellsMax, againMsMax: options.openAgainMsMax ?? 0 };
    this.#activator = new Activator({ ports, system, logger, ...activating }, this);
    this.#slots = new DirtySlots(system);
    this.dirtyWalk = new DirtyWalk(system, (conv) => this.#openToShow(conv), options.showElsewhere);
    this.#timers = [this.projector.start(), system.every(SWEEP_MS, () => this.#sweep())];
  }

  /** Puts a request into its conversation's mailbox, or answers `overloaded`. */
  submit(request: ConversationRequest): void {
    const cell = this.residency.get(request.conv) ?? this.#open(request.conv);
    const isFull = this.#mailboxBytes + request.bytes > MAILBOX_BYTES_TOTAL_MAX;
    if (cell === undefined || isFull || !cell.mailbox.offer(request)) {
      this.#options.metrics.counts.overloaded++;
      const what = cell === undefined ? 'conversations are open' : 'requests wait for this conversation';
      refuse(this.#options.edge, request, 'overloaded', `Too many ${what}.`, OVERLOADED_RETRY_MS);
      return;
    }
    this.#mailboxBytes += request.bytes;
    this.#schedule(cell);
    this.#turns.arrived();
  }

  /** Tells a user who connects now of what the inbox does not show yet. */
  announce(user: UserId): void {
    this.projector.announce(user);
  }

  /** A conversation in memory as the user sees it; undefined: it is not, or the user never was a member. */
  entryOf(conv: ConversationId, user: UserId): Entry | undefined {
    return this.residency.get(conv)?.actor?.entryFor(user);
  }

  /** The node may not serve for now: all conversations are let go, and opened again when that is possible. */
  sealAll(): void {
    for (const cell of [...this.residency.values()]) {
      const { actor } = cell;
      if (actor === undefined || actor.sealed) continue;
      this.#current = cell;
      actor.seal(this);
      this.#current = undefined;
      this.#leave(cell, actor);
    }
  }

  /**
   * The lowest slot whose marks must outlive this process: of what is not projected, and of the last 10 minutes, in
   * which events may still be on their way. undefined: it is not known, since a walk is under way.
   */
  get oldestDirtySlot(): number | undefined {
    if (this.dirtyWalk.size > 0) return undefined; // what it has yet to open is marked in a slot that nobody here knows
    return this.projector.oldestSlot(this.#slots.current - 1);
  }

  // --- handing over: cluster/handoff.ts ---

  /** Opens a conversation that nobody asks for yet: it was handed over. */
  expect(conv: ConversationId): void {
    if (this.residency.get(conv) === undefined) this.#open(conv);
  }

  /** Shows it before its turn in the walk. */
  showIfDue(cell: Cell): void {
    if (cell.actor !== undefined && this.dirtyWalk.has(cell.conv)) this.#show(cell, cell.actor);
  }

  /** Ends the term of an actor that owes nothing; its requests wait. */
  seal(cell: Cell): void {
    this.#current = cell;
    cell.actor?.seal(this);
    this.#current = undefined;
    cell.leaving = false; // where it goes is to be seen
  }

  /** Its next owner has it. */
  moved(cell: Cell, next: NodeId): void {
    this.#options.metrics.gauges.actors--;
    cell.actor = undefined;
    this.ownedElsewhere(cell, next);
  }

  /** It stays: a sealed one is opened anew, another goes on where it was. */
  stays(cell: Cell): void {
    const { actor } = cell;
    if (actor?.sealed === true) this.#leave(cell, actor);
    else this.#schedule(cell);
  }

  /** Whether nothing is under way: what a drain waits for. */
  get quiet(): boolean {
    return this.#activator.pending === 0 && this.residency.isAtRest;
  }

  /** Whether conversations wait to be opened: what can wait should not stand in their way. */
  get isTakingOver(): boolean {
    return this.#activator.waiting > 0;
  }

  get mailboxBytes(): number {
    return this.#mailboxBytes;
  }

  /** Whether it was opened since it was to be walked, and its members told, those offline by their inboxes. */
  isShown(conv: ConversationId): boolean {
    if (this.dirtyWalk.has(conv)) return false;
    // Not projected yet, it must be found again, here or by the marks of its own that it has since.
    return !this.projector.isDirty(conv) || (this.residency.get(conv)?.markedSlot ?? 0) > 0;
  }

  /** The host is not to be used any more. */
  stop(): void {
    for (const timer of this.#timers) timer.cancel();
    this.dirtyWalk.stop();
    this.#asks.stop();
  }

  // --- the outbox of the actor whose turn it is ---

  append(batch: AppendBatch): void {
    const cell = this.#turn();
    const { system, metrics, ports } = this.#options;
    const slot = this.#slots.current;
    if (cell.markedSlot !== slot) batch.dirtySlot = slot;
    cell.appendedAt = system.monotonic();
    metrics.appendBatchRows.observe(batch.rows.length);
    ports.messages.append(batch, cell);
  }

  answer(request: ConversationRequest, answer: Answer): void {
    this.#reads.answer(request, answer);
  }

  publish(delivery: Delivery): void {
    this.#options.edge.deliver(delivery);
  }

  project(user: UserId | undefined): void {
    const cell = this.#turn();
    if (cell.actor !== undefined) this.#mark(cell, cell.actor, user);
  }

  receipt(user: UserId): void {
    const { actor, markedSlot } = this.#turn();
    if (actor !== undefined) this.projector.markCursor(actor, user, markedSlot);
  }

  whenWritten(request: PrefsRequest): void {
    const { actor, markedSlot: slot } = this.#turn();
    if (actor !== undefined) this.projector.whenWritten(actor, request, slot);
  }

  lookUp(request: SendRequest): void {
    this.#await(this.#asks.lookUp(request));
  }

  confirm(request: ConversationRequest): void {
    this.#await(this.#asks.confirm(request));
  }

  recall(from: Seq, to: Seq): void {
    this.#await(this.#asks.recall(this.#turn().conv, from, to));
  }

  fetch(request: ReadRequest, seq: Seq): void {
    this.#await(this.#asks.fetch(request, seq));
  }

  passivate(): void {
    this.#turn().leaving = true;
  }

  // --- completions ---

  #await(completion: Promise<Completion>): void {
    const cell = this.#turn();
    const { actor } = cell;
    void completion.then((completed) => this.#complete(cell, completed, actor));
  }

  appendedFor(cell: Cell, batch: AppendBatch, outcome: AppendOutcome): void {
    const { system, metrics } = this.#options;
    const ms = system.monotonic() - cell.appendedAt;
    metrics.appendSeconds.observe(ms / 1_000);
    if (outcome === 'committed') {
      this.#gather.appended(cell, ms);
      metrics.counts.appendRows += batch.rows.length;
      if (batch.dirtySlot !== 0) cell.markedSlot = batch.dirtySlot;
    } else metrics.counts.appendFailures++;
    this.#complete(cell, { t: 'appended', batch, outcome }, cell.actor);
  }

  activated(cell: Cell, activation: Activation, recovered: boolean): void {
    const { metrics, makeActor } = this.#options;
    const actor = makeActor(activation);
    cell.actor = actor;
    metrics.counts.activations++;
    metrics.gauges.actors++;
    if (recovered || this.dirtyWalk.has(cell.conv) || activation.unprojected.length > 0)
      this.#show(cell, actor);
    this.#options.opened?.(cell.conv);
    this.#schedule(cell);
  }

  notActivated(cell: Cell, retryAfterMs: number): void {
    const { edge } = this.#options;
    this.#empty(cell, (request) => {
      refuse(edge, request, 'unavailable', 'The conversation cannot be read now.', retryAfterMs);
    });
    if (this.dirtyWalk.has(cell.conv)) this.dirtyWalk.retry(cell.conv, retryAfterMs);
  }

  ownedElsewhere(cell: Cell, owner: NodeId): void {
    const { redirect } = this.#options;
    this.#empty(cell, (request) => {
      if (redirect === undefined)
        refuse(this.#options.edge, request, 'unavailable', 'Another node owns it.', OVERLOADED_RETRY_MS);
      else redirect(request, owner);
    });
    this.dirtyWalk.ownedElsewhere(cell.conv, owner);
  }

  /** Lets a cell go that has no actor, and what waits for one. */
  #empty(cell: Cell, each: (request: ConversationRequest) => void): void {
    this.residency.remove(cell);
    for (let request = cell.mailbox.take(); request !== undefined; request = cell.mailbox.take()) {
      this.#mailboxBytes -= request.bytes;
      each(request);
    }
  }

  // --- turns ---

  #turn(): Cell {
    if (this.#current !== undefined) return this.#current;
    throw new Error('the outbox was used outside a turn');
  }

  #complete(cell: Cell, completion: Completion, actor: ConversationActor | undefined): void {
    if (actor === undefined || cell.actor !== actor) return this.#tooLate(completion);
    cell.mailbox.complete(completion);
    this.#schedule(cell);
  }

  /** The actor's term has ended. It answered what it held; a cursor that waited for its row was not among that. */
  #tooLate(completion: Completion): void {
    if (completion.t === 'fetched') refuseTooLate(this.#options.edge, completion.request);
  }

  #schedule(cell: Cell): void {
    const waits = (cell.held || cell.moving) && !cell.mailbox.hasCompletions;
    if (cell.actor !== undefined && !waits) this.#turns.schedule(cell);
  }

  /** One turn of one actor; returns the number of requests taken. */
  readonly #takeTurn = (cell: Cell, withRequests: boolean, now: number): number => {
    const { mailbox, actor } = cell;
    if (actor === undefined) return 0;
    cell.lastActive = now;
    this.#current = cell;
    let taken = 0;
    while (!actor.sealed) {
      const completion = mailbox.takeCompletion();
      if (completion === undefined) break;
      actor.receive(completion, now, this);
    }
    const takes = withRequests && !cell.held && !cell.moving;
    while (takes && taken < TURN_REQUESTS_MAX && !actor.busy && !actor.sealed) {
      const request = mailbox.take();
      if (request === undefined) break;
      this.#mailboxBytes -= request.bytes;
      taken++;
      actor.receive(request, now, this);
    }
    if (!actor.sealed) actor.endTurn(now, this);
    this.#current = undefined;
    this.residency.account(cell, actor.bytes);
    if (cell.leaving) this.#leave(cell, actor);
    if (mailbox.length > 0 && !actor.busy && !actor.sealed) this.#schedule(cell);
    return taken;
  };

  /** The actor asked to go: its term is over, or there is no such conversation (if that is still so). */
  #leave(cell: Cell, actor: ConversationActor): void {
    cell.leaving = false;
    if (!actor.sealed && (actor.exists || !cell.atRest)) return;
    this.#options.metrics.gauges.actors--;
    cell.actor = undefined;
    for (let left = cell.mailbox.takeCompletion(); left !== undefined; left = cell.mailbox.takeCompletion())
      this.#tooLate(left);
    this.#options.ports.ownership.letGo(cell.conv, !actor.sealed);
    if (actor.sealed) {
      this.dirtyWalk.expect(cell.conv);
      this.#activator.activate(cell);
    } else this.residency.remove(cell);
  }

  #open(conv: ConversationId): Cell | undefined {
    const cell = this.residency.open(conv, this.#options.system.now(), this);
    if (cell !== undefined) this.#activator.activate(cell);
    return cell;
  }

  #sweep(): void {
    const { system, metrics, ports } = this.#options;
    const mayGo = (cell: Cell): boolean => !this.projector.isDirty(cell.conv);
    metrics.gauges.actors -= this.residency.sweep(system.now(), mayGo, (cell) =>
      ports.ownership.letGo(cell.conv, true),
    );
  }

  // --- projections ---

  /** False: there is no room, or requests would have to wait behind too many activations. */
  #openToShow(conv: ConversationId): boolean {
    if (this.#activator.pending >= WALK_PENDING_MAX) return false;
    const cell = this.residency.get(conv) ?? this.#open(conv);
    if (cell?.actor !== undefined) this.#show(cell, cell.actor);
    return cell !== undefined;
  }

  /** Has what was committed and maybe never spoken of projected, and tells all whom it concerns where they stand. */
  #show(cell: Cell, actor: ConversationActor): void {
    this.dirtyWalk.shown(cell.conv);
    if (!actor.exists) return;
    this.#mark(cell, actor, undefined);
    // No members any more, they are to be remembered by name until their inboxes show it.
    for (const user of tellMembers(actor, this.#options.edge)) this.#mark(cell, actor, user);
  }

  #mark(cell: Cell, actor: ConversationActor, user: UserId | undefined): void {
    if (actor.exists) this.projector.mark(actor, user, cell.markedSlot);
  }
}
