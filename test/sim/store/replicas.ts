import { type Cell, merged, missing, type Mutation, reconcile } from './cells.ts';
import type { ReplicaIndex, Surroundings } from './weather.ts';

export const ALL_REPLICAS: readonly ReplicaIndex[] = [0, 1, 2];
const HINT_TRIES_MAX = 8;

/** Cells of one partition. */
export interface Query {
  readonly partition: string;
  /** Those with these keys, else … */
  readonly keys?: readonly string[];
  /** … those of which it says so, else all. */
  readonly matches?: (columns: object) => boolean;
  /** Of the cells found, those that are answered, and so repaired: what a limit leaves. */
  readonly select?: (cells: readonly Cell[]) => readonly Cell[];
}

type Partitions = Map<string, Map<string, Cell>>;

/**
 * Three replicas as Cassandra keeps them: cells with timestamps, each mutation whole on a replica but at a time of
 * its own, hints for what a replica missed, and read repair of those that a quorum read has asked.
 */
export class Replicas {
  readonly #around: Surroundings;
  readonly #replicas: readonly [Partitions, Partitions, Partitions] = [new Map(), new Map(), new Map()];

  constructor(around: Surroundings) {
    this.#around = around;
  }

  /**
   * Sends a mutation to replicas. `done` hears true as soon as `need` of them have it, or false at `deadline`
   * (monotonic ms); the others may still get it.
   */
  write(
    mutation: Mutation,
    to: readonly ReplicaIndex[],
    need: number,
    deadline: number,
    done: (reached: boolean) => void,
  ): void {
    const delivery = new Delivery(this.#around, to.length, need, deadline, done);
    for (const replica of to) this.#send(mutation, replica, delivery);
  }

  /** The replica has not got a mutation: a hint may tell it later. */
  miss(mutation: Mutation, replica: ReplicaIndex): void {
    const { weather } = this.#around;
    if (this.#around.happens(weather.hintShare)) this.#hint(mutation, replica, HINT_TRIES_MAX);
  }

  /**
   * Reads from the `need` replicas that answer first. Of a quorum, those that are behind have what is answered
   * before it is, if read repair is blocking. `done` hears undefined at `deadline` when that did not come about.
   */
  read(
    query: Query,
    need: 1 | 2,
    deadline: number,
    done: (cells: readonly Cell[] | undefined) => void,
  ): void {
    const answers: { readonly replica: ReplicaIndex; readonly cells: readonly Cell[] }[] = [];
    const spare = this.#byNearness();
    const ask = (): void => {
      const next = spare.shift();
      if (next === undefined) return this.#around.later(deadline - this.#around.now, () => done(undefined));
      this.#around.later(next.ms, () => {
        if (!this.#around.isUp(next.replica)) return ask();
        answers.push({ replica: next.replica, cells: this.#find(next.replica, query) });
        if (answers.length === need) this.#answer(query, answers, deadline, done);
      });
    };
    for (let asked = 0; asked < need; asked++) ask();
  }

  /** What a replica has: for whoever looks from above. */
  cells(replica: ReplicaIndex, partition: string): readonly Cell[] {
    return [...(this.#replicas[replica].get(partition)?.values() ?? [])];
  }

  /** The names of partitions that begin so, on any replica; from above. */
  partitions(prefix: string): string[] {
    const names = new Set<string>();
    for (const partitions of this.#replicas)
      for (const name of partitions.keys()) if (name.startsWith(prefix)) names.add(name);
    return [...names].sort();
  }

  #send(mutation: Mutation, replica: ReplicaIndex, delivery: Delivery): void {
    if (this.#around.happens(this.#around.weather.lossPerReplica)) {
      this.miss(mutation, replica);
      return delivery.failed();
    }
    const ms = this.#around.hop();
    const inTime = delivery.expects(ms);
    this.#around.later(ms, () => {
      const isUp = this.#around.isUp(replica);
      if (isUp) this.#apply(mutation, replica);
      else this.miss(mutation, replica);
      if (!inTime) return;
      if (isUp) delivery.acked();
      else delivery.failed();
    });
  }

  #hint(mutation: Mutation, replica: ReplicaIndex, tries: number): void {
    const { dice, weather } = this.#around;
    this.#around.later(1 + dice.below(weather.hintMsMax), () => {
      if (this.#around.isUp(replica)) this.#apply(mutation, replica);
      else if (tries > 1) this.#hint(mutation, replica, tries - 1);
    });
  }

  #apply({ partition, cells }: Mutation, replica: ReplicaIndex): void {
    const partitions = this.#replicas[replica];
    let present = partitions.get(partition);
    if (present === undefined) partitions.set(partition, (present = new Map()));
    for (const cell of cells) {
      const old = present.get(cell.key);
      const won = old === undefined ? cell : reconcile(old, cell);
      if (won !== old) present.set(cell.key, won);
    }
  }

  /** The replicas that are up, the nearest first; of equally near ones the dice decide. */
  #byNearness(): { readonly replica: ReplicaIndex; readonly ms: number }[] {
    const { dice } = this.#around;
    const [first, step] = [dice.below(3), 1 + dice.below(2)];
    return [first, first + step, first + 2 * step]
      .map((index) => ({ replica: (index % 3) as ReplicaIndex, ms: this.#around.hop() }))
      .filter(({ replica }) => this.#around.isUp(replica))
      .sort((a, b) => a.ms - b.ms);
  }

  #find(replica: ReplicaIndex, { partition, keys, matches }: Query): readonly Cell[] {
    const cells = this.#replicas[replica].get(partition);
    if (cells === undefined) return [];
    if (keys !== undefined) {
      const found: Cell[] = [];
      for (const key of keys) {
        const cell = cells.get(key);
        if (cell !== undefined) found.push(cell);
      }
      return found;
    }
    const all = [...cells.values()];
    return matches === undefined ? all : all.filter(({ columns }) => matches(columns));
  }

  #answer(
    { partition, select }: Query,
    answers: readonly { readonly replica: ReplicaIndex; readonly cells: readonly Cell[] }[],
    deadline: number,
    done: (cells: readonly Cell[] | undefined) => void,
  ): void {
    const found = merged(answers.map(({ cells }) => cells));
    const cells = select === undefined ? found : select(found);
    let behind = 0;
    const repaired = (reached: boolean): void => {
      if (!reached) done(undefined);
      else if (--behind === 0) done(cells);
    };
    const repairs = answers
      .map((answer) => ({ to: [answer.replica], lacks: missing(answer.cells, cells) }))
      .filter(({ lacks }) => lacks.length > 0);
    const { readRepair } = this.#around.weather;
    behind = repairs.length;
    if (behind === 0 || readRepair !== 'blocking') done(cells);
    if (readRepair === 'none') return;
    const told = readRepair === 'blocking' ? repaired : (): void => undefined;
    for (const { to, lacks } of repairs) this.write({ partition, cells: lacks }, to, 1, deadline, told);
  }
}

/** One mutation on its way: counts who has it. */
class Delivery {
  readonly #around: Surroundings;
  readonly #deadline: number;
  #needed: number;
  /** Replicas that may still tell that they have it in time. */
  #open: number;
  #done: ((reached: boolean) => void) | undefined;

  constructor(
    around: Surroundings,
    replicas: number,
    need: number,
    deadline: number,
    done: (reached: boolean) => void,
  ) {
    this.#around = around;
    this.#open = replicas;
    this.#needed = need;
    this.#deadline = deadline;
    this.#done = done;
  }

  /** Whether a replica that is reached in `ms` counts; else it takes the mutation, and nobody waits for it. */
  expects(ms: number): boolean {
    const inTime = this.#around.now + ms < this.#deadline;
    if (!inTime) this.failed();
    return inTime;
  }

  acked(): void {
    this.#open--;
    if (--this.#needed === 0) this.#end(true);
  }

  failed(): void {
    this.#open--;
    if (this.#open !== this.#needed - 1) return; // possible still, or known already
    this.#around.later(this.#deadline - this.#around.now, () => this.#end(false));
  }

  #end(reached: boolean): void {
    const done = this.#done;
    this.#done = undefined;
    done?.(reached);
  }
}
