import type { Bus, BusSubscription } from '../../../src/core/cluster-ports.ts';
import type { NodeSystem } from '../node-system.ts';
import type { RoughBus } from '../../unit/peer/rough-bus.ts';

/** What a process says and hears, for whoever watches from outside. */
export interface BusWatcher {
  published(subject: string, bytes: Uint8Array): void;
  received(subject: string, bytes: Uint8Array): void;
}

/** A process's bus: what arrives is taken in turns of the process. While partitioned it carries nothing, unnoticed. */
export class ProcessBus implements Bus {
  isPartitioned = false;
  readonly #inner: RoughBus;
  readonly #system: NodeSystem;
  readonly #watcher: BusWatcher | undefined;

  constructor(inner: RoughBus, system: NodeSystem, watcher?: BusWatcher) {
    this.#inner = inner;
    this.#system = system;
    this.#watcher = watcher;
  }

  get connected(): boolean {
    return this.#inner.connected;
  }

  publish(subject: string, bytes: Uint8Array): boolean {
    this.#watcher?.published(subject, bytes);
    return this.isPartitioned ? this.#inner.connected : this.#inner.publish(subject, bytes);
  }

  subscribe(subject: string, receive: (bytes: Uint8Array) => void): BusSubscription {
    return this.#inner.subscribe(subject, (bytes) => {
      if (this.isPartitioned) return;
      this.#system.soon(() => {
        this.#watcher?.received(subject, bytes);
        receive(bytes);
      });
    });
  }

  onChange(listener: (connected: boolean) => void): void {
    this.#inner.onChange((connected) => this.#system.soon(() => listener(connected)));
  }

  cut(): void {
    this.#inner.inner.disconnect();
  }
  mend(): void {
    this.#inner.inner.reconnect();
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}
