import type { Mutation } from './cells.ts';
import { ALL_REPLICAS, type Replicas } from './replicas.ts';
import type { Surroundings } from './weather.ts';

/** What becomes of a conditional write; of all but `plain` its client hears only that the outcome is unknown. */
export type LwtFate =
  /** Commits, and answers. */
  | 'plain'
  /** Commits, though the answer is lost. */
  | 'answerLost'
  /** Never arrives. */
  | 'lost'
  /** A minority accepted it: the next round finds it and completes it, or outbids it for good. */
  | 'minority'
  /** Accepted, its commit sent to nobody: the next round completes it. */
  | 'uncommitted'
  /** Accepted, its commit sent late: the next round may be before. */
  | 'commitLate';

export const UNKNOWN_FATES: readonly LwtFate[] = [
  'answerLost',
  'lost',
  'minority',
  'uncommitted',
  'commitLate',
];

/** What a conditional write makes of a row: the row as it will be, and what of it is written. */
export interface Change<T> {
  readonly row: T;
  readonly mutation: (ballot: number) => Mutation;
}

/** Whose conditional write it is, and of which row. */
export interface LwtName {
  readonly client: string;
  readonly operation: string;
  readonly key: string;
}

export interface Lwt<T> extends LwtName {
  /** Makes nothing of a row for which the condition does not hold. */
  readonly decide: (row: T | undefined) => Change<T> | undefined;
}

interface Proposal<T> {
  readonly lwt: Lwt<T>;
  readonly change: Change<T>;
}

/** How a round ended; undefined: it did not, within its deadline or for want of a majority. */
export type Round<T> =
  | { readonly t: 'applied' }
  | { readonly t: 'notApplied' | 'read'; readonly row: T | undefined }
  | undefined;

/** The state of one row that is changed by conditional writes alone. */
interface Slot<T> {
  /** As the last proposal that was chosen made it; the replicas may not have that yet. */
  row: T | undefined;
  ballot: number;
  /** Chosen, and perhaps not at a majority of the replicas: each round sees to that first. */
  uncommitted: Mutation | undefined;
  /** Accepted by one replica alone. */
  minority: Proposal<T> | undefined;
}

export interface PaxosOptions {
  /** How many replicas have a change before it is called applied: 2 for LOCAL_QUORUM, 1 for LOCAL_ONE. */
  commitNeed: 1 | 2;
}

/** How long a commit that comes late is waited for; nobody is told. */
const LATE_COMMIT_MS = 2_500;

/**
 * Paxos of Cassandra 5 as far as it can be told from outside: rounds of one row in a line, chosen changes that reach
 * the replicas' plain cells afterwards, in their own time. Promises and acceptances are one moment here, at which
 * a majority must be up; what of a round can be seen or lost in between is in the fates.
 */
export class Paxos<T> {
  /** Told of each change at the moment from which all later rounds see it. */
  onChosen: ((lwt: LwtName, row: T) => void) | undefined;
  readonly #around: Surroundings;
  readonly #replicas: Replicas;
  readonly #options: PaxosOptions;
  readonly #slots = new Map<string, Slot<T>>();

  constructor(around: Surroundings, replicas: Replicas, options: PaxosOptions) {
    this.#around = around;
    this.#replicas = replicas;
    this.#options = options;
  }

  /** The row as chosen last, from above. */
  row(key: string): T | undefined {
    return this.#slots.get(key)?.row;
  }

  rows(): T[] {
    return [...this.#slots.values()].flatMap(({ row }) => (row === undefined ? [] : [row]));
  }

  change(lwt: Lwt<T>, fate: LwtFate, deadline: number, done: (round: Round<T>) => void): void {
    if (fate === 'lost') return;
    this.#begin(lwt.key, deadline, done, (slot) => {
      const change = lwt.decide(slot.row);
      if (change === undefined) done({ t: 'notApplied', row: slot.row });
      else if (fate === 'minority') slot.minority = { lwt, change };
      else {
        const mutation = this.#choose(slot, { lwt, change });
        if (fate !== 'uncommitted') this.#commit(slot, mutation, fate === 'commitLate', deadline, done);
      }
    });
  }

  /** A serial read: sees all that was chosen, and so completes it. */
  read(key: string, deadline: number, done: (round: Round<T>) => void): void {
    this.#begin(key, deadline, done, ({ row }) => done({ t: 'read', row }));
  }

  /** The request takes a hop, and so do the promises. */
  #begin(
    key: string,
    deadline: number,
    done: (round: undefined) => void,
    then: (slot: Slot<T>) => void,
  ): void {
    let slot = this.#slots.get(key);
    if (slot === undefined) {
      slot = { row: undefined, ballot: 0, uncommitted: undefined, minority: undefined };
      this.#slots.set(key, slot);
    }
    const of = slot;
    const ms = this.#around.hop() + this.#around.hop();
    this.#around.later(ms, () => this.#settle(of, deadline, done, then));
  }

  /** Completes what earlier rounds left, until nothing is left. */
  #settle(
    slot: Slot<T>,
    deadline: number,
    done: (round: undefined) => void,
    then: (slot: Slot<T>) => void,
  ): void {
    const { now, hasQuorum, dice } = this.#around;
    if (now >= deadline || !hasQuorum) return this.#around.later(deadline - now, () => done(undefined));
    if (slot.minority !== undefined) {
      const found = slot.minority;
      slot.minority = undefined;
      // Two of three promise: mostly the one that accepted is among them. If it is not, it is outbid.
      if (dice.happens(2 / 3)) this.#choose(slot, found);
    }
    const { uncommitted } = slot;
    if (uncommitted === undefined) return then(slot);
    this.#replicas.write(uncommitted, ALL_REPLICAS, 2, deadline, (reached) => {
      if (!reached) return done(undefined);
      if (slot.uncommitted === uncommitted) slot.uncommitted = undefined;
      this.#settle(slot, deadline, done, then);
    });
  }

  #choose(slot: Slot<T>, { lwt, change }: Proposal<T>): Mutation {
    slot.row = change.row;
    slot.uncommitted = change.mutation(++slot.ballot);
    this.onChosen?.(lwt, change.row);
    return slot.uncommitted;
  }

  #commit(
    slot: Slot<T>,
    mutation: Mutation,
    isLate: boolean,
    deadline: number,
    done: (round: Round<T>) => void,
  ): void {
    const { commitNeed } = this.#options;
    const send = (until: number): void =>
      this.#replicas.write(mutation, ALL_REPLICAS, commitNeed, until, (reached) => {
        if (reached && commitNeed === 2 && slot.uncommitted === mutation) slot.uncommitted = undefined;
        done(reached ? { t: 'applied' } : undefined);
      });
    if (!isLate) return send(deadline);
    const { dice, weather } = this.#around;
    this.#around.later(1 + dice.below(weather.lateMsMax), () => send(this.#around.now + LATE_COMMIT_MS));
  }
}
