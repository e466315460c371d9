import type { System } from '../../../src/core/ports.ts';
import type { Dice } from '../../unit/peer/rough-bus.ts';

export type ReplicaIndex = 0 | 1 | 2;

/** What befalls requests to the store, until the world changes it; shares from 0 to 1. */
export interface StoreWeather {
  /** A hop takes up to so long, … */
  delayMsMax: number;
  /** … and this share of hops up to `slowMs` longer. */
  slowShare: number;
  slowMs: number;
  /** Of writes to one replica: those that it misses. */
  lossPerReplica: number;
  /** Of misses: those that a hint mends, within `hintMsMax`; for the others a read repair must come along. */
  hintShare: number;
  hintMsMax: number;
  /** Of plain reads and writes: those that end as timed out. A write may be lost, late, on one replica, or done. */
  timeoutShare: number;
  /** Of conditional writes: those whose outcome is unknown. */
  lwtUnknownShare: number;
  /** Of requests of a client that is cut off: those that get through when it is back, within `lateMsMax`. */
  lateShare: number;
  lateMsMax: number;
  /**
   * Whether replicas that a quorum read found behind have what is answered before it is, some time after, or not at all:
   * a table may be without read repair, and what it lacks come by another way.
   */
  readRepair: 'blocking' | 'late' | 'none';
  replicasDown: Set<ReplicaIndex>;
  /** Whether a client, by its name, reaches nobody now. */
  cutFrom: (client: string) => boolean;
}

export function calm(changes: Partial<StoreWeather> = {}): StoreWeather {
  return {
    delayMsMax: 0,
    slowShare: 0,
    slowMs: 0,
    lossPerReplica: 0,
    hintShare: 0.5,
    hintMsMax: 20_000,
    timeoutShare: 0,
    lwtUnknownShare: 0,
    lateShare: 0.5,
    lateMsMax: 10_000,
    readRepair: 'blocking',
    replicasDown: new Set(),
    cutFrom: () => false,
    ...changes,
  };
}

/** The clock, the chance and the weather that all parts of a store have in common. */
export class Surroundings {
  readonly system: System;
  readonly dice: Dice;
  weather: StoreWeather;

  constructor(system: System, dice: Dice, weather: StoreWeather) {
    this.system = system;
    this.dice = dice;
    this.weather = weather;
  }

  get now(): number {
    return this.system.monotonic();
  }

  /** How many ms a message takes. */
  hop(): number {
    const { delayMsMax, slowShare, slowMs } = this.weather;
    const ms = delayMsMax > 0 ? this.dice.below(delayMsMax + 1) : 0;
    return slowShare > 0 && this.dice.happens(slowShare) ? ms + this.dice.below(slowMs + 1) : ms;
  }

  happens(share: number): boolean {
    return share > 0 && this.dice.happens(share);
  }

  isUp(replica: ReplicaIndex): boolean {
    return !this.weather.replicasDown.has(replica);
  }

  /** Whether a majority is up. */
  get hasQuorum(): boolean {
    return this.weather.replicasDown.size < 2;
  }

  /** Whole ms, as timestamps are. */
  later(ms: number, task: () => void): void {
    if (ms <= 0) this.system.soon(task);
    else this.system.after(ms, task);
  }
}
