import assert from 'node:assert/strict';
import { NatsBus } from '../../src/adapters/nats/bus.ts';
import type { NatsMetrics } from '../../src/adapters/nats/metrics.ts';
import type { NatsOptions } from '../../src/adapters/nats/options.ts';
import { realSystem } from '../../src/adapters/system.ts';
import type { Logger, System } from '../../src/core/ports.ts';
import { waitFor } from './bus.suite.ts';

export const silent: Logger = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** Counts each thing that the adapter tells, by its name and reason. */
export class Tally {
  readonly counts = new Map<string, number>();
  readonly metrics: NatsMetrics = {
    sent: () => this.#add('sent'),
    received: () => this.#add('received'),
    refused: (reason) => this.#add(`refused ${reason}`),
    connected: () => this.#add('connected'),
    lost: (reason) => this.#add(`lost ${reason}`),
    connectFailed: () => this.#add('connectFailed'),
    flushed: (seconds) => {
      assert.ok(seconds >= 0 && seconds < 60);
      this.#add('flushed');
    },
    failed: (code) => this.#add(`failed ${code}`),
  };

  get(what: string): number {
    return this.counts.get(what) ?? 0;
  }

  #add(what: string): void {
    this.counts.set(what, this.get(what) + 1);
  }
}

export interface Client {
  readonly bus: NatsBus;
  readonly tally: Tally;
}

export function newClient(options: NatsOptions, system: System = realSystem()): Client {
  const tally = new Tally();
  return { bus: new NatsBus(options, system, silent, tally.metrics), tally };
}

export async function connectedClient(options: NatsOptions, system?: System): Promise<Client> {
  const client = newClient(options, system);
  await waitFor('the connection', () => client.bus.connected);
  return client;
}
