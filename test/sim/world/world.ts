import type { SendRequest } from '../../../src/core/requests.ts';
import { SimStore } from '../store/sim-store.ts';
import { calm } from '../store/weather.ts';
import { VirtualSystem } from '../virtual-system.ts';
import { Dice, FAIR, RoughNet } from '../../unit/peer/rough-bus.ts';
import { Ambushes } from './ambushes.ts';
import { Device } from './device.ts';
import { Faults } from './faults.ts';
import { emptyHistory } from './history.ts';
import type { Action, Plan } from './plan.ts';
import { EdgeProcess, SequencerProcess } from './process.ts';
import { SocketNet } from './sockets.ts';
import { Trace } from './trace.ts';

const RESTART_MS = 1_000;
export const EDGE_SLOTS = ['e1', 'e2'] as const;
const decoder = new TextDecoder();

/** Counts for the table. */
export interface Tally {
  sends: number;
  crashes: number;
  takeovers: number;
  handOvers: number;
  readonly faults: Record<string, number>;
}

/** A cluster, its clients and what is between them, on one virtual clock: all chance is from the plan's seed. */
export class World {
  readonly plan: Plan;
  readonly system: VirtualSystem;
  readonly dice: Dice;
  readonly store: SimStore;
  readonly bus: RoughNet;
  readonly net: SocketNet;
  readonly history = emptyHistory();
  readonly tally: Tally = { sends: 0, crashes: 0, takeovers: 0, handOvers: 0, faults: {} };
  readonly probe: Ambushes;
  readonly faults: Faults;
  readonly devices = new Map<string, Device>();
  /** By slot: the process that runs there now. */
  readonly sequencers = new Map<string, SequencerProcess>();
  readonly edges = new Map<string, EdgeProcess>();
  /** By their places in the plan, as far as they are created. */
  readonly conversations: (string | undefined)[] = [];
  readonly #trace: Trace;
  readonly #launches = new Map<string, number>();

  constructor(plan: Plan, isTraced: boolean) {
    this.plan = plan;
    this.system = new VirtualSystem(plan.seed + 1);
    this.#trace = new Trace(isTraced, () => this.now);
    this.dice = new Dice(plan.seed ^ 0x5eed);
    const weather = calm({
      delayMsMax: plan.storeDelayMsMax,
      lossPerReplica: plan.storeLoss,
      hintMsMax: 5_000,
      cutFrom: (client) => this.faults.isCutFromStore(slotOf(client)),
    });
    this.store = new SimStore(this.system, new Dice(plan.seed ^ 0x5704e), weather);
    this.bus = new RoughNet(this.system, plan.seed ^ 0xb05);
    this.net = new SocketNet(this.system, new Dice(plan.seed ^ 0x50c4e7));
    this.faults = new Faults(this);
    this.probe = new Ambushes(this);
    this.quietBus();
    this.#trace.follow(this.store);
  }

  get lines(): readonly string[] | undefined {
    return this.#trace.lines;
  }

  get isTraced(): boolean {
    return this.lines !== undefined;
  }

  get now(): number {
    return this.system.monotonic();
  }

  trace(who: string, what: string): void {
    this.#trace.say(who, what);
  }

  /** The bus as it is without faults. */
  quietBus(): void {
    const { busDelayMsMax } = this.plan;
    this.bus.weather = busDelayMsMax > 0 ? { ...FAIR, late: 0.3, lateMsMax: busDelayMsMax } : FAIR;
  }

  begin(): void {
    const { plan, system } = this;
    for (const slot of EDGE_SLOTS) this.startEdge(slot);
    for (let i = 1; i <= plan.sequencers; i++) this.startSequencer(`s${i}`);
    for (const { user, name, subprotocol } of plan.devices) {
      system.after(100 + this.dice.below(200), () => this.#startDevice(user, name, subprotocol));
    }
    for (const step of plan.steps) {
      system.after(step.at, () => {
        if (step.fault !== undefined) this.faults.begin(step.fault);
        else this.#act(step.action);
      });
    }
  }

  // --- processes ---

  startSequencer(slot: string): void {
    const process = new SequencerProcess(this, slot, this.#launch(slot));
    this.sequencers.set(slot, process);
    this.trace(process.name, `starts as ${process.term.node}`);
  }

  startEdge(slot: string): void {
    const process = new EdgeProcess(this, slot, this.#launch(slot));
    this.edges.set(slot, process);
    this.net.listen(urlOf(slot), process.port);
    this.trace(process.name, `starts as ${process.role.id}`);
  }

  /** Ends the process of a slot at once. */
  kill(slot: string): void {
    const process = this.sequencers.get(slot) ?? this.edges.get(slot);
    if (process === undefined) return;
    this.trace(process.name, 'is killed');
    if (process instanceof SequencerProcess) this.#count(process);
    process.kill();
    this.sequencers.delete(slot);
    this.edges.delete(slot);
  }

  start(slot: string): void {
    if (this.sequencers.has(slot) || this.edges.has(slot)) return;
    if (slot.startsWith('e')) this.startEdge(slot);
    else this.startSequencer(slot);
  }

  /** A process ends with its term, and whatever looks after processes starts it afresh. */
  termOver(process: SequencerProcess): void {
    this.system.after(RESTART_MS, () => {
      if (this.sequencers.get(process.slot) !== process) return;
      this.kill(process.slot);
      this.start(process.slot);
    });
  }

  ownerAcked(node: string, { conv, cmid, user, body }: SendRequest, seq: number, ts: number): void {
    const at = this.now;
    this.trace(node, `acks ${conv} ${seq} ${cmid}`);
    this.history.ownerAcks.push({ at, node, conv, seq, ts, cmid, user, body: decoder.decode(body) });
  }

  /** What the sequencers that run have counted, added to what the others had. */
  countAll(): void {
    for (const process of this.sequencers.values()) this.#count(process);
  }

  #count({ counts }: SequencerProcess): void {
    this.tally.takeovers += counts['takeovers'] ?? 0;
    this.tally.handOvers += counts['handoffs'] ?? 0;
  }

  #launch(slot: string): string {
    const launch = (this.#launches.get(slot) ?? 0) + 1;
    this.#launches.set(slot, launch);
    return `${slot}.${launch}`;
  }

  // --- people ---

  #startDevice(user: string, name: string, subprotocol: 'binary' | 'json'): void {
    const urls = EDGE_SLOTS.map(urlOf);
    if (this.dice.happens(0.5)) urls.reverse();
    const { system, dice, net, history } = this;
    const trace = this.trace.bind(this);
    this.devices.set(name, new Device({ user, name, subprotocol, urls, system, dice, net, history, trace }));
  }

  #act(action: Action): void {
    if (action.t === 'create') return this.#create(action.conv);
    const device = this.devices.get(action.device);
    if (action.t === 'settings') {
      device?.settings(action.change);
      return;
    }
    if ('users' in action) {
      device?.watch(action.t, action.users);
      return;
    }
    const conv = this.conversations[action.conv];
    if (device === undefined || conv === undefined) return;
    switch (action.t) {
      case 'say':
        this.tally.sends += action.count;
        return device.say(conv, action.count, action.bytes, action.mentions);
      case 'history': {
        const head = device.client.conversation(conv)?.head ?? 0;
        return device.history(
          conv,
          action.back === undefined ? {} : { after: Math.max(0, head - action.back) },
        );
      }
      case 'read':
        return device.read(conv, action.back);
      case 'prefs':
        return device.prefs(conv, action.change);
      case 'members':
        if (action.op === 'leave') return device.change(conv, { leave: true });
        return device.change(conv, action.op === 'add' ? { add: [action.user] } : { remove: [action.user] });
    }
  }

  #create(place: number): void {
    const conversation = this.plan.conversations[place];
    const device = conversation && this.devices.get(conversation.device);
    if (device === undefined || this.conversations[place] !== undefined) return;
    const others = conversation!.members.filter((user) => user !== device.user);
    device.create(conversation!.kind, others, (conv) => {
      this.conversations[place] = conv;
    });
  }
}

export function urlOf(slot: string): string {
  return `ws://${slot}/v1/connect`;
}

export function slotOf(process: string): string {
  return process.slice(0, process.indexOf('.'));
}
