import type { Dice } from '../../unit/peer/rough-bus.ts';
import type { DevicePlan, Fault, Moment, Step } from './plan.ts';

type Range = readonly [min: number, max: number];

/** Draws faults for a plan. */
export class FaultPlans {
  readonly steps: Step[] = [];
  readonly dice: Dice;
  readonly #sequencers: number;
  readonly #devices: readonly DevicePlan[];
  readonly #conversations: number;

  constructor(dice: Dice, sequencers: number, devices: readonly DevicePlan[], conversations: number) {
    this.dice = dice;
    this.#sequencers = sequencers;
    this.#devices = devices;
    this.#conversations = conversations;
  }

  add(at: number, fault: Fault): void {
    this.steps.push({ at: Math.round(at), fault });
  }

  /** The device says something in every conversation of its own. */
  say(at: number, device: string, count: number): void {
    for (let conv = 0; conv < this.#conversations; conv++)
      for (let i = 0; i < count; i++)
        this.steps.push({
          at: at + 150 * i,
          action: { t: 'say', device, conv, count: 1, bytes: 20, mentions: undefined },
        });
  }

  /** Somebody reads the newest page of something. */
  read(at: number): void {
    const conv = this.dice.below(this.#conversations);
    this.steps.push({ at, action: { t: 'history', device: this.device, conv, back: undefined } });
  }

  of<T>(items: readonly T[]): T {
    return items[this.dice.below(items.length)] as T;
  }

  ms([min, max]: Range): number {
    return min + this.dice.below(max - min + 1);
  }

  chance(share: number): boolean {
    return this.dice.happens(share);
  }

  get sequencer(): string {
    return `s${1 + this.dice.below(this.#sequencers)}`;
  }
  get nextSequencer(): string {
    return `s${this.#sequencers + 1}`;
  }
  get edge(): string {
    return `e${1 + this.dice.below(2)}`;
  }
  /** Mostly a sequencer. */
  get process(): string {
    return this.chance(0.75) ? this.sequencer : this.edge;
  }
  get device(): string {
    return (this.#devices[this.dice.below(this.#devices.length)] as DevicePlan).name;
  }

  ambush(
    at: number,
    operation: string,
    when: Moment['when'],
    nthMax: number,
    does: 'crash' | 'pause' | 'freeze',
    ms: Range,
    afterMs = 0,
  ): void {
    const moment = { operation, when, nth: 1 + this.dice.below(nthMax), afterMs };
    this.add(at, { t: 'ambush', moment, does, ms: this.ms(ms) });
  }

  /** `count` of any kind, over the time. */
  any(count: number, from: number, to: number): void {
    for (let i = 0; i < count; i++) this.add(this.ms([from, to]), this.#any());
  }

  #any(): Fault {
    const make = ANY[this.dice.below(ANY.length)] as (plans: FaultPlans) => Fault;
    return make(this);
  }

  rough(ms: Range): Fault {
    const { dice } = this;
    const loss = dice.roll() * 0.3;
    const late = dice.roll() * 0.5;
    return {
      t: 'busRough',
      ms: this.ms(ms),
      loss,
      twice: dice.roll() * 0.2,
      late,
      lateMsMax: 1 + dice.below(300),
    };
  }
}

const ANY: readonly ((plans: FaultPlans) => Fault)[] = [
  (p) => ({ t: 'crash', slot: p.process, ms: p.ms([200, 6_000]) }),
  (p) => ({ t: 'crash', slot: p.sequencer, ms: p.ms([200, 12_000]) }),
  (p) => ({ t: 'pause', slot: p.process, ms: p.ms([500, 9_000]) }),
  (p) => ({ t: 'pause', slot: p.sequencer, ms: p.ms([3_500, 7_000]) }),
  (p) => ({ t: 'freeze', slot: p.process, ms: p.ms([2_000, 6_500]) }),
  (p) => ({ t: 'jump', slot: p.process, byMs: p.ms([-600_000, 600_000]) }),
  (p) => ({ t: 'leave', slot: p.sequencer, ms: p.ms([6_000, 9_000]) }),
  (p) => ({ t: 'drain', slot: p.sequencer, ms: p.ms([500, 6_000]) }),
  (p) => ({ t: 'join', slot: p.nextSequencer }),
  (p) => ({ t: 'storeSlow', ms: p.ms([1_000, 6_000]), share: 0.3, slowMs: p.ms([10, 1_500]) }),
  (p) => ({ t: 'replicaDown', ms: p.ms([1_000, 10_000]), replica: p.dice.below(3) as 0 | 1 | 2 }),
  (p) => ({ t: 'storeTimeouts', ms: p.ms([500, 5_000]), share: 0.1, lwtShare: 0.3 }),
  (p) => ({ t: 'storeLoss', ms: p.ms([500, 8_000]), share: 0.3 }),
  (p) => ({ t: 'storeCut', ms: p.ms([500, 8_000]), slot: p.process }),
  (p) => ({ t: 'storeAway', ms: p.ms([500, 7_000]) }),
  (p) => p.rough([1_000, 8_000]),
  (p) => p.rough([1_000, 8_000]),
  (p) => ({ t: 'partition', ms: p.ms([500, 8_000]), slot: p.process }),
  (p) => ({ t: 'busCut', ms: p.ms([300, 8_000]), slot: p.process }),
  (p) => ({ t: 'busAway', ms: p.ms([300, 6_000]) }),
  (p) => ({ t: 'deviceOffline', ms: p.ms([200, 9_000]), device: p.device, silent: p.chance(0.3) }),
  (p) => ({ t: 'deviceOffline', ms: p.ms([200, 4_000]), device: p.device, silent: false }),
  (p) => ({ t: 'deviceDeaf', ms: p.ms([100, 2_000]), offlineMs: p.ms([200, 6_000]), device: p.device }),
  (p) => ({ t: 'appRestart', device: p.device }),
];
