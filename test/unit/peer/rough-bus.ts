import { type MemoryBus, MemoryBusHub } from '../../../src/adapters/memory/bus.ts';
import type { Bus, BusSubscription } from '../../../src/core/cluster-ports.ts';
import type { System } from '../../../src/core/ports.ts';
import type { VirtualSystem } from '../../sim/virtual-system.ts';

/** Chance from a seed: mulberry32. */
export class Dice {
  #state: number;

  constructor(seed: number) {
    this.#state = seed >>> 0;
  }

  /** From 0 up to 1. */
  roll(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let t = this.#state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  }

  below(end: number): number {
    return Math.floor(this.roll() * end);
  }

  happens(share: number): boolean {
    return this.roll() < share;
  }
}

/** What a network does to messages; shares from 0 to 1. */
export interface Weather {
  loss: number;
  twice: number;
  late: number;
  /** How late at most. */
  lateMsMax: number;
}

export const FAIR: Weather = { loss: 0, twice: 0, late: 0, lateMsMax: 0 };

/** A world's one memory bus, with weather. */
export class RoughNet {
  readonly hub: MemoryBusHub;
  weather: Weather = FAIR;
  /** Loses what it says true of, whatever the weather. */
  cut: (subject: string, bytes: Uint8Array) => boolean = () => false;
  lost = 0;
  readonly #dice: Dice;
  readonly #system: System;

  constructor(system: VirtualSystem, seed: number) {
    this.#dice = new Dice(seed);
    this.#system = system;
    this.hub = new MemoryBusHub(system, {
      drop: (subject, bytes) => {
        const dropped = this.cut(subject, bytes) || this.#dice.happens(this.weather.loss);
        if (dropped) this.lost++;
        return dropped;
      },
    });
  }

  client(): RoughBus {
    return new RoughBus(this.hub.client(), this);
  }

  /** Sends once, twice, or later. */
  carry(publish: () => boolean): boolean {
    const { twice, late, lateMsMax } = this.weather;
    if (this.#dice.happens(twice)) this.#system.after(this.#dice.below(lateMsMax + 1), publish);
    if (!this.#dice.happens(late)) return publish();
    this.#system.after(1 + this.#dice.below(lateMsMax), publish);
    return true;
  }
}

export class RoughBus implements Bus {
  readonly inner: MemoryBus;
  /** While true what is published is lost: this client has not come back yet. */
  isHeld = false;
  readonly #net: RoughNet;

  constructor(inner: MemoryBus, net: RoughNet) {
    this.inner = inner;
    this.#net = net;
  }

  get connected(): boolean {
    return this.inner.connected;
  }
  publish(subject: string, bytes: Uint8Array): boolean {
    if (!this.inner.connected) return false;
    if (this.isHeld) return true;
    const copy = bytes.slice();
    return this.#net.carry(() => this.inner.publish(subject, copy));
  }
  subscribe(subject: string, receive: (bytes: Uint8Array) => void): BusSubscription {
    return this.inner.subscribe(subject, receive);
  }
  onChange(listener: (connected: boolean) => void): void {
    this.inner.onChange(listener);
  }
  close(): Promise<void> {
    return this.inner.close();
  }
}
