import type { Conditional, WriteOutcome } from '../../../src/core/cluster-ports.ts';
import { StoreUnavailable, type System } from '../../../src/core/ports.ts';
import type { Cell, Mutation } from './cells.ts';
import { type Lwt, type LwtName, type Paxos, type Round, UNKNOWN_FATES } from './paxos.ts';
import { ALL_REPLICAS, type Query, type Replicas } from './replicas.ts';
import type { ReplicaIndex, Surroundings } from './weather.ts';

/** What the statements about leases have, and all others. */
export const LEASE_TIMEOUT_MS = 1_000;
export const TIMEOUT_MS = 2_500;
/** How often a connection tries to send what it still holds. */
const LATE_TRIES_MAX = 8;

/** A plain write, as its outcome is known where the store is; its client may be told otherwise, or nothing. */
export interface WriteEvent {
  readonly at: number;
  readonly client: string;
  readonly operation: string;
  readonly mutation: Mutation;
  readonly outcome: WriteOutcome;
}

export interface LwtEvent {
  readonly at: number;
  /** Whose change it is: of a chosen one, it may have been completed by another. */
  readonly client: string;
  readonly operation: string;
  readonly key: string;
  /** chosen: it has happened, and all later rounds see it. The others are answers. */
  readonly what: 'chosen' | Conditional<unknown>['t'];
  /** As chosen. */
  readonly row: unknown;
}

/** What all clients of a store have in common. */
export interface Shared {
  readonly around: Surroundings;
  readonly replicas: Replicas;
  /** Of plain reads: 2 for LOCAL_QUORUM, 1 for LOCAL_ONE. */
  readNeed: 1 | 2;
  readonly writeListeners: ((event: WriteEvent) => void)[];
  readonly lwtListeners: ((event: LwtEvent) => void)[];
}

/**
 * One process's way to the store: what it asks takes effect whatever becomes of the process, and is answered
 * through the process's own System. Being cut off, timeouts and unknown outcomes happen here.
 */
export class Route {
  readonly client: string;
  readonly system: System;
  readonly #shared: Shared;
  readonly #around: Surroundings;

  constructor(client: string, system: System, shared: Shared) {
    this.client = client;
    this.system = system;
    this.#shared = shared;
    this.#around = shared.around;
  }

  /** Of the store's own clock: what expires, expires by it. */
  get storeNow(): number {
    return this.#around.system.now();
  }

  write(operation: string, mutation: Mutation, msMax = TIMEOUT_MS): Promise<WriteOutcome> {
    return new Promise((resolve) => {
      const answer = new Answer<WriteOutcome>(this, this.#around, msMax, 'unknown', resolve, (outcome) =>
        this.#wrote(operation, mutation, outcome),
      );
      if (this.#isCut) this.#getLost(answer, (until) => this.#deliver(mutation, ALL_REPLICAS, until, ignore));
      else if (!this.#around.hasQuorum && this.#around.dice.happens(0.5)) answer.give('unavailable');
      else if (this.#around.happens(this.#around.weather.timeoutShare)) this.#timeOut(mutation, answer);
      else {
        this.#deliver(mutation, ALL_REPLICAS, answer.deadline, (reached) =>
          answer.give(reached ? 'written' : 'unknown'),
        );
      }
    });
  }

  /** Rejects with StoreUnavailable. */
  async read(operation: string, query: Query, msMax = TIMEOUT_MS): Promise<readonly Cell[]> {
    const cells = await new Promise<readonly Cell[] | undefined>((resolve) => {
      const answer = new Answer<readonly Cell[] | undefined>(this, this.#around, msMax, undefined, resolve);
      if (this.#failsToRead(answer)) return;
      this.#shared.replicas.read(query, this.#shared.readNeed, answer.deadline, (found) =>
        answer.give(found),
      );
    });
    if (cells === undefined) throw new StoreUnavailable(`${operation}: the store did not answer`);
    return cells;
  }

  /** A conditional write; of one that is not applied the row comes from a serial read behind it. */
  async change<T>(paxos: Paxos<T>, lwt: Lwt<T>, msMax = TIMEOUT_MS): Promise<Conditional<T>> {
    const t = await this.#tryChange(paxos, lwt, msMax);
    if (t !== 'notApplied') return { t };
    try {
      return { t, row: await this.serialRead(lwt.operation, paxos, lwt.key, msMax) };
    } catch (error) {
      if (error instanceof StoreUnavailable) return { t: 'unavailable' };
      throw error;
    }
  }

  /** Rejects with StoreUnavailable. */
  async serialRead<T>(
    operation: string,
    paxos: Paxos<T>,
    key: string,
    msMax = TIMEOUT_MS,
  ): Promise<T | undefined> {
    const round = await new Promise<Round<T>>((resolve) => {
      const answer = new Answer<Round<T>>(this, this.#around, msMax, undefined, resolve);
      if (this.#failsToRead(answer)) return;
      paxos.read(key, answer.deadline, (found) => answer.give(found));
    });
    if (round?.t !== 'read') throw new StoreUnavailable(`${operation}: the store did not answer`);
    return round.row;
  }

  get #isCut(): boolean {
    return this.#around.weather.cutFrom(this.client);
  }

  #tryChange<T>(paxos: Paxos<T>, lwt: Lwt<T>, msMax: number): Promise<Conditional<T>['t']> {
    return new Promise((resolve) => {
      const { dice, weather, hasQuorum } = this.#around;
      const answer = new Answer<Conditional<T>['t']>(this, this.#around, msMax, 'unknown', resolve, (t) =>
        this.#changed(lwt, t),
      );
      const arriveUnheard = (until: number): void => paxos.change(lwt, 'answerLost', until, ignore);
      if (this.#isCut) this.#getLost(answer, arriveUnheard);
      else if (!hasQuorum && dice.happens(0.5)) answer.give('unavailable');
      else if (this.#around.happens(weather.lwtUnknownShare)) {
        answer.failSome();
        const fate = UNKNOWN_FATES[dice.below(UNKNOWN_FATES.length + 1)];
        if (fate === undefined) this.#comeLate(arriveUnheard);
        else paxos.change(lwt, fate, answer.deadline, ignore);
      } else paxos.change(lwt, 'plain', answer.deadline, (round) => answer.give(outcomeOf(round)));
    });
  }

  /** Nothing arrives while the client is cut off, or ever; what its connection still holds may arrive later. */
  #getLost<T>(answer: Answer<T>, arrive: (until: number) => void): void {
    answer.fail();
    if (this.#around.happens(this.#around.weather.lateShare)) this.#comeLate(arrive);
  }

  #comeLate(arrive: (until: number) => void, tries = LATE_TRIES_MAX): void {
    const { dice, weather } = this.#around;
    this.#around.later(1 + dice.below(weather.lateMsMax), () => {
      if (!this.#isCut) arrive(this.#around.now + TIMEOUT_MS);
      else if (tries > 1) this.#comeLate(arrive, tries - 1);
    });
  }

  /** A write that times out was lost, came late, got to one replica alone, or is done. */
  #timeOut(mutation: Mutation, answer: Answer<WriteOutcome>): void {
    const { dice } = this.#around;
    answer.failSome();
    const what = dice.below(4);
    if (what === 0) return;
    if (what === 1) this.#comeLate((until) => this.#deliver(mutation, ALL_REPLICAS, until, ignore));
    else if (what === 2) {
      const only = dice.below(3) as ReplicaIndex;
      this.#deliver(mutation, [only], answer.deadline, ignore);
      for (const other of ALL_REPLICAS) if (other !== only) this.#shared.replicas.miss(mutation, other);
    } else this.#deliver(mutation, ALL_REPLICAS, answer.deadline, ignore);
  }

  #deliver(
    mutation: Mutation,
    to: readonly ReplicaIndex[],
    until: number,
    done: (reached: boolean) => void,
  ): void {
    this.#shared.replicas.write(mutation, to, Math.min(2, to.length), until, done);
  }

  #failsToRead<T>(answer: Answer<T>): boolean {
    const { dice, hasQuorum, weather } = this.#around;
    if (this.#isCut) answer.fail();
    else if (!hasQuorum && dice.happens(0.5)) answer.failNow();
    else if (this.#around.happens(weather.timeoutShare)) answer.failSome();
    else return false;
    return true;
  }

  #wrote(operation: string, mutation: Mutation, outcome: WriteOutcome): void {
    const event = { at: this.#around.now, client: this.client, operation, mutation, outcome };
    for (const listener of this.#shared.writeListeners) listener(event);
  }

  #changed({ client, operation, key }: LwtName, what: LwtEvent['what']): void {
    const event = { at: this.#around.now, client, operation, key, what, row: undefined };
    for (const listener of this.#shared.lwtListeners) listener(event);
  }
}

function outcomeOf<T>(round: Round<T>): 'applied' | 'notApplied' | 'unknown' {
  if (round === undefined) return 'unknown';
  return round.t === 'applied' ? 'applied' : 'notApplied';
}

function ignore(): void {
  return; // nobody is there to be told
}

/** The answer to one request, on its way to the client: given once, and by the deadline at the latest. */
class Answer<T> {
  /** Monotonic ms of the store. */
  readonly deadline: number;
  readonly #route: Route;
  readonly #around: Surroundings;
  readonly #failure: T;
  readonly #resolve: (value: T) => void;
  readonly #note: (value: T) => void;
  #isGiven = false;

  /** `failure` is what the client makes of no answer; `note` hears what it will be told, before it is. */
  constructor(
    route: Route,
    around: Surroundings,
    msMax: number,
    failure: T,
    resolve: (value: T) => void,
    note: (value: T) => void = ignore,
  ) {
    this.#route = route;
    this.#around = around;
    this.deadline = around.now + msMax;
    this.#failure = failure;
    this.#resolve = resolve;
    this.#note = note;
  }

  /** Too late, or while the client is cut off, it is as good as none. */
  give(value: T): void {
    if (this.#isGiven) return;
    const ms = this.#around.hop();
    const { weather, now } = this.#around;
    if (now + ms >= this.deadline || weather.cutFrom(this.#route.client)) this.fail();
    else this.#send(value, ms);
  }

  /** No answer: the client's own timeout ends it. */
  fail(): void {
    this.#send(this.#failure, this.deadline - this.#around.now);
  }

  /** The same, or it learns sooner that there will be none: a connection ends, a server gives up. */
  failSome(): void {
    this.#send(this.#failure, 1 + this.#around.dice.below(this.deadline - this.#around.now));
  }

  failNow(): void {
    this.#send(this.#failure, this.#around.hop());
  }

  #send(value: T, ms: number): void {
    if (this.#isGiven) return;
    this.#isGiven = true;
    this.#note(value);
    if (ms <= 0) this.#route.system.soon(() => this.#resolve(value));
    else this.#route.system.after(ms, () => this.#resolve(value));
  }
}
