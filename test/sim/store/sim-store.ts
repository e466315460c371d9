import type { ClusterStore, LeaseRow, OwnerRow } from '../../../src/core/cluster-ports.ts';
import type { ConversationId } from '../../../src/core/ids.ts';
import type { System } from '../../../src/core/ports.ts';
import type { StoredRow } from '../../../src/core/rows.ts';
import type { UserSettings } from '../../../src/core/users.ts';
import type { Dice } from '../../unit/peer/rough-bus.ts';
import { type Cell, merged } from './cells.ts';
import { SimLeaseTable } from './lease-table.ts';
import { inOrder, logPrefix, rowOf, SimLogTable } from './log-table.ts';
import { type LwtName, Paxos, type PaxosOptions } from './paxos.ts';
import { SimProjectionStore } from './projections.ts';
import { ALL_REPLICAS, Replicas } from './replicas.ts';
import { type LwtEvent, Route, type Shared, type WriteEvent } from './route.ts';
import { type StoreWeather, Surroundings } from './weather.ts';

export type Consistency = 'quorum' | 'one';

/** The shared tables of a simulated cluster: three replicas under a weather, seen by processes and from above. */
export class SimStore {
  readonly #around: Surroundings;
  readonly #replicas: Replicas;
  readonly #shared: Shared;
  readonly #paxosOptions: PaxosOptions = { commitNeed: 2 };
  readonly #leases: Paxos<LeaseRow>;
  readonly #owners: Paxos<OwnerRow>;
  readonly #settings: Paxos<UserSettings>;

  /** `system` is the one that all share: its time goes on whatever becomes of a process. */
  constructor(system: System, dice: Dice, weather: StoreWeather) {
    this.#around = new Surroundings(system, dice, weather);
    this.#replicas = new Replicas(this.#around);
    this.#shared = {
      around: this.#around,
      replicas: this.#replicas,
      readNeed: 2,
      writeListeners: [],
      lwtListeners: [],
    };
    this.#leases = new Paxos(this.#around, this.#replicas, this.#paxosOptions);
    this.#owners = new Paxos(this.#around, this.#replicas, this.#paxosOptions);
    this.#settings = new Paxos(this.#around, this.#replicas, this.#paxosOptions);
    this.#settings.onChosen = (lwt, row) => this.#chosen(lwt, row);
    this.#leases.onChosen = (lwt, row) => this.#chosen(lwt, row);
    this.#owners.onChosen = (lwt, row) => this.#chosen(lwt, row);
  }

  /** The tables as the process `name` sees them; its `system` gets the answers, or loses them. */
  client(name: string, system: System): ClusterStore {
    const route = new Route(name, system, this.#shared);
    const projections = new SimProjectionStore(route, this.#settings);
    return {
      leases: new SimLeaseTable(route, this.#leases, this.#owners),
      log: new SimLogTable(route, projections),
      projections,
    };
  }

  /** Its fields may be changed at any time, and so may it. */
  get weather(): StoreWeather {
    return this.#around.weather;
  }
  set weather(weather: StoreWeather) {
    this.#around.weather = weather;
  }

  /** At how many replicas a conditional write is committed before it counts as applied; rightly at a quorum. */
  set commitConsistency(consistency: Consistency) {
    this.#paxosOptions.commitNeed = consistency === 'one' ? 1 : 2;
  }
  /** Of all plain reads, rightly quorum. */
  set readConsistency(consistency: Consistency) {
    this.#shared.readNeed = consistency === 'one' ? 1 : 2;
  }

  /** Told of each plain write when its outcome is known, before its client is. */
  onWrite(listener: (event: WriteEvent) => void): void {
    this.#shared.writeListeners.push(listener);
  }
  onLwt(listener: (event: LwtEvent) => void): void {
    this.#shared.lwtListeners.push(listener);
  }

  /** From above: what each replica has of a conversation's log, by rising seq and falling fence. */
  rowsOf(conv: ConversationId): [StoredRow[], StoredRow[], StoredRow[]] {
    const of = (replica: 0 | 1 | 2): StoredRow[] =>
      this.#logCells(conv, replica)
        .map(rowOf)
        .sort((a, b) => inOrder(a, b));
    return [of(0), of(1), of(2)];
  }

  /** From above: the rows that any quorum read sees. */
  quorumTruth(conv: ConversationId): StoredRow[] {
    const replicas = ALL_REPLICAS.map((replica) => this.#logCells(conv, replica));
    const counts = new Map<string, number>();
    for (const { key } of replicas.flat()) counts.set(key, (counts.get(key) ?? 0) + 1);
    return merged(replicas)
      .filter(({ key }) => (counts.get(key) as number) >= 2)
      .map(rowOf)
      .sort((a, b) => inOrder(a, b));
  }

  /** From above: as the last change that was chosen made it. */
  ownerRow(conv: ConversationId): OwnerRow | undefined {
    return this.#owners.row(conv);
  }
  leaseRows(): LeaseRow[] {
    return this.#leases.rows();
  }

  #logCells(conv: ConversationId, replica: 0 | 1 | 2): Cell[] {
    const buckets = this.#replicas.partitions(logPrefix(conv));
    return buckets.flatMap((bucket) => this.#replicas.cells(replica, bucket));
  }

  #chosen({ client, operation, key }: LwtName, row: unknown): void {
    const event = { at: this.#around.now, client, operation, key, what: 'chosen', row } as const;
    for (const listener of this.#shared.lwtListeners) listener(event);
  }
}
