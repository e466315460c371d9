import type { NodeId } from '../../../src/core/ids.ts';
import type { StoredRow } from '../../../src/core/rows.ts';
import {
  messageCmid,
  messageFrom,
  messageText,
  readU64,
  TS_AT,
} from '../../../src/protocol/message-frame.ts';
import { Dice, RoughNet } from '../../unit/peer/rough-bus.ts';
import { SimStore } from '../store/sim-store.ts';
import { calm, type StoreWeather } from '../store/weather.ts';
import { VirtualSystem } from '../virtual-system.ts';
import { emptyHistory } from '../world/history.ts';
import { Trace } from '../world/trace.ts';
import { slotOf, type Tally } from '../world/world.ts';
import { OwnerNode } from './node.ts';
import { type Deed, LEASE_MS, type OwnersPlan, type StopPlan, type Trap } from './plan.ts';
import { Reader } from './reader.ts';
import type { Message, Place } from './tenure.ts';
import { Traps } from './traps.ts';
import { Writer } from './writer.ts';

const RESTART_MS_MAX = 300;
const FAIR = { delayMsMax: 2 };
const MAIL_LATE = { twice: 0.1, late: 0.3, lateMsMax: 400 };

/** Owners, and who writes to them and reads of them, over one store. */
export class OwnersWorld {
  readonly plan: OwnersPlan;
  readonly system: VirtualSystem;
  readonly dice: Dice;
  readonly store: SimStore;
  readonly bus: RoughNet;
  readonly traps = new Traps();
  readonly history = emptyHistory();
  readonly tally: Tally = { sends: 0, crashes: 0, takeovers: 0, handOvers: 0, faults: {} };
  readonly convs: readonly string[];
  readonly writers: readonly Writer[];
  readonly users: readonly string[];
  /** The silence after which nodes that start now take another for dead. */
  patienceMs: number;
  readonly #readers: readonly Reader[];
  readonly #trace: Trace;
  /** By slot. */
  readonly #nodes = new Map<string, OwnerNode>();
  readonly #launches = new Map<string, number>();
  /** By conversation: the slot that is to have it. */
  readonly #homes = new Map<string, string>();
  readonly #cut = new Set<string>();
  /** As it is between the squalls. */
  #weather: Partial<StoreWeather> = FAIR;
  #isCalm = false;
  /** What ends a fault that is under way. */
  readonly #ends = new Set<() => void>();

  constructor(plan: OwnersPlan, isTraced: boolean) {
    this.plan = plan;
    this.patienceMs = plan.patienceMs;
    this.system = new VirtualSystem(plan.seed + 1);
    this.#trace = new Trace(isTraced, () => this.system.monotonic());
    this.dice = new Dice(plan.seed ^ 0x5eed);
    const cutFrom = (client: string): boolean => this.#cut.has(slotOf(client));
    const weather = calm({ ...FAIR, cutFrom });
    this.store = new SimStore(this.system, new Dice(plan.seed ^ 0x5704e), weather);
    this.#trace.follow(this.store);
    this.bus = new RoughNet(this.system, plan.seed ^ 0xb05);
    this.bus.weather = { ...MAIL_LATE, loss: plan.busLoss };
    this.convs = Array.from(
      { length: plan.conversations },
      (_, i) => `0190a000-0000-7000-8000-00000000c0d${i}`,
    );
    const of = (i: number): string => this.convs[i % this.convs.length] as string;
    this.writers = Array.from({ length: plan.writers }, (_, i) => new Writer(this, i + 1, of(i)));
    this.#readers = this.convs.map((conv, i) => new Reader(this, i + 1, conv));
    this.users = [...this.writers, ...this.#readers].map(({ user }) => user);
  }

  get lines(): readonly string[] | undefined {
    return this.#trace.lines;
  }

  trace(who: string, what: string): void {
    this.#trace.say(who, what);
  }

  begin(): void {
    const { plan, system, dice } = this;
    for (let i = 1; i <= plan.nodes; i++) this.#start(`s${i}`);
    for (const writer of this.writers) system.after(50 + dice.below(200), () => writer.begin());
    for (const reader of this.#readers) reader.begin();
    for (const { at, deed } of plan.steps) system.after(at, () => this.#do(deed));
  }

  /** All faults end, and whatever was stopped goes on. */
  calm(): void {
    this.trace('world', 'calm');
    this.#isCalm = true;
    this.traps.clear();
    while (this.#ends.size > 0) for (const end of [...this.#ends]) end();
    const { cutFrom } = this.store.weather;
    this.store.weather = calm({ ...FAIR, cutFrom });
    this.patienceMs = LEASE_MS;
    if (this.plan.endsAnew) for (const slot of [...this.#nodes.keys()]) this.#kill(slot);
    for (let i = 1; i <= this.plan.nodes; i++) if (!this.#nodes.has(`s${i}`)) this.#start(`s${i}`);
    for (const writer of this.writers) writer.end();
  }

  countAll(): void {
    for (const node of this.#nodes.values()) this.#count(node);
  }

  /** The node of that id, else any that runs. */
  nodeFor(owner: NodeId | undefined): OwnerNode | undefined {
    const nodes = [...this.#nodes.values()];
    return nodes.find(({ id }) => id === owner) ?? nodes[this.dice.below(nodes.length)];
  }

  homeOf(conv: string): NodeId | undefined {
    const slot = this.#homes.get(conv);
    return slot === undefined ? undefined : this.#nodes.get(slot)?.id;
  }

  // --- what is seen ---

  ownerAcked({ name }: OwnerNode, { conv, cmid, user, body }: Message, { seq, ts }: Place): void {
    this.trace(name, `acks ${conv} ${seq} ${body}`);
    this.history.ownerAcks.push({ at: this.system.monotonic(), node: name, conv, seq, ts, cmid, user, body });
  }

  /** It says to all members what the last message is: as good as an ack. */
  announced({ name }: OwnerNode, conv: string, { seq, env }: Pick<StoredRow, 'seq' | 'env'>): void {
    const [at, ts, user] = [this.system.monotonic(), readU64(env, TS_AT), messageFrom(env)];
    const [cmid, body] = [messageCmid(env), messageText(env)];
    this.history.ownerAcks.push({ at, node: name, conv, seq, ts, cmid, user, body });
  }

  deviceAcked({ conv, user, body, nth }: Message, seq: number, ts: number): void {
    const at = this.system.monotonic();
    this.history.deviceAcks.push({ at, device: user, conv, seq, ts, body, life: 1, nth });
  }

  failed({ name }: OwnerNode, error: unknown): void {
    this.history.errors.push(
      `${name}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`,
    );
  }

  // --- nodes ---

  /** A process ends with its term, and another comes in its place. */
  termOver(node: OwnerNode): void {
    this.system.after(1 + this.dice.below(RESTART_MS_MAX), () => {
      if (this.#nodes.get(node.slot) !== node) return;
      this.#kill(node.slot);
      this.#start(node.slot);
    });
  }

  #start(slot: string): void {
    if (this.#nodes.has(slot)) return;
    const launch = (this.#launches.get(slot) ?? 0) + 1;
    this.#launches.set(slot, launch);
    const node = new OwnerNode(this, slot, `${slot}.${launch}`);
    this.#nodes.set(slot, node);
    this.trace(node.name, `starts as ${node.id}`);
  }

  #kill(slot: string): void {
    const node = this.#nodes.get(slot);
    if (node === undefined) return;
    this.trace(node.name, 'is killed');
    this.#count(node);
    node.kill();
    this.#nodes.delete(slot);
  }

  #count({ counts }: OwnerNode): void {
    this.tally.takeovers += counts.takeovers;
    this.tally.handOvers += counts.handoffs;
  }

  // --- deeds ---

  #do(deed: Deed): void {
    if (this.#isCalm) return;
    const { weather } = this.store;
    switch (deed.t) {
      case 'weather':
        this.#weather = deed.weather;
        Object.assign(weather, deed.weather);
        return this.#note(deed.t, JSON.stringify(deed.weather));
      case 'replicaDown':
        weather.replicasDown.add(deed.replica);
        this.#note(deed.t, String(deed.replica));
        this.#endAfter(deed.ms, () => weather.replicasDown.delete(deed.replica));
        return;
      case 'storeCut':
        this.#cut.add(deed.slot);
        this.#note(deed.t, deed.slot);
        this.#endAfter(deed.ms, () => this.#cut.delete(deed.slot));
        return;
      case 'stop':
        return this.#stop(deed.slot, deed.stop);
      case 'plot':
        return this.#plot(deed.traps);
      case 'rest':
        for (const node of this.#nodes.values()) node.system.soon(() => node.rest());
        return;
      case 'move':
        this.#homes.set(this.convs[deed.conv] as string, deed.to);
        for (const node of this.#nodes.values()) node.system.soon(() => node.homesChanged());
    }
  }

  #plot([trap, ...traps]: readonly Trap[]): void {
    if (trap === undefined) return;
    const { moment, squall, stop } = trap;
    this.traps.lay(moment, (slot) => {
      this.trace('world', `trap on ${slot} at ${moment.operation} ${moment.when}`);
      if (squall !== undefined) this.#squall(squall);
      const strike = (): void => {
        if (this.#isCalm) return;
        if (stop !== undefined) this.#stop(slot, stop);
        this.#plot(traps);
      };
      if (moment.afterMs === undefined || moment.afterMs === 0) strike();
      else this.system.after(moment.afterMs, strike);
    });
  }

  #squall({ weather, ms }: NonNullable<Trap['squall']>): void {
    this.#note('squall', JSON.stringify(weather));
    Object.assign(this.store.weather, weather);
    this.#endAfter(ms, () => Object.assign(this.store.weather, this.#weather));
  }

  #stop(slot: string, { does, ms, until }: StopPlan): void {
    const node = this.#nodes.get(slot);
    if (node === undefined || node.system.isPaused) return;
    this.#note(does, slot);
    if (does === 'crash') {
      this.tally.crashes++;
      this.#kill(slot);
      this.#endAfter(ms, () => this.#start(slot));
      return;
    }
    if (does === 'leave') {
      node.leave();
      return;
    }
    if (does === 'pause') node.system.pause();
    else node.system.freeze();
    const wake = this.#endAfter(ms, () => node.system.wake());
    if (until !== undefined) this.traps.lay(until, wake, slot);
  }

  /** Also earlier, at the calm or when what is returned is called. */
  #endAfter(ms: number, end: () => unknown): () => void {
    const once = (): void => {
      if (!this.#ends.delete(once)) return;
      timer.cancel();
      end();
    };
    const timer = this.system.after(ms, once);
    this.#ends.add(once);
    return once;
  }

  #note(fault: string, about: string): void {
    this.trace('world', `fault: ${fault} ${about}`);
    this.tally.faults[fault] = (this.tally.faults[fault] ?? 0) + 1;
  }
}
