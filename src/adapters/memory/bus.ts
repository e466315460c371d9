import { type Bus, BUS_MESSAGE_BYTES_MAX, type BusSubscription } from '../../core/cluster-ports.ts';
import type { System } from '../../core/ports.ts';

export interface MemoryBusOptions {
  /** Of what a client published and the next turn has not yet taken; beyond it `publish` returns false. */
  readonly pendingBytesMax?: number;
  /** Asked once per message and receiving client: true loses it. */
  readonly drop?: (subject: string, bytes: Uint8Array, to: MemoryBus) => boolean;
}

const PENDING_BYTES_MAX = 16 * 1024 * 1024;
/** What a message counts for beside its payload. */
const OVERHEAD_BYTES = 64;

interface Published {
  readonly subject: string;
  readonly bytes: Uint8Array;
}

interface Listening {
  readonly client: MemoryBus;
  readonly receive: (bytes: Uint8Array) => void;
}

/**
 * The server of buses in memory: what one client publishes in a turn, its others receive in a later one. All that
 * happens is by `System.soon`, in the order asked; `stop` and `start` are the server's death and return.
 */
export class MemoryBusHub {
  readonly #system: Pick<System, 'soon'>;
  readonly #options: MemoryBusOptions;
  readonly #clients = new Set<MemoryBus>();
  readonly #listening = new Map<string, Set<Listening>>();
  #running = true;

  constructor(system: Pick<System, 'soon'>, options: MemoryBusOptions = {}) {
    this.#system = system;
    this.#options = options;
  }

  get running(): boolean {
    return this.#running;
  }

  /** A client that is connected if the server runs. */
  client(): MemoryBus {
    const client = new MemoryBus(this, this.#system, this.#options.pendingBytesMax ?? PENDING_BYTES_MAX);
    this.#clients.add(client);
    if (this.#running) client.reconnect();
    return client;
  }

  /** Every client is disconnected; what is in flight is lost. */
  stop(): void {
    this.#running = false;
    for (const client of this.#clients) client.disconnect();
  }

  start(): void {
    this.#running = true;
    for (const client of this.#clients) client.reconnect();
  }

  /** Of its clients alone. */
  listen(subject: string, listening: Listening): () => void {
    let all = this.#listening.get(subject);
    if (all === undefined) this.#listening.set(subject, (all = new Set()));
    all.add(listening);
    return () => {
      all.delete(listening);
      if (all.size === 0 && this.#listening.get(subject) === all) this.#listening.delete(subject);
    };
  }

  /** Of its clients alone. */
  deliver(from: MemoryBus, { subject, bytes }: Published): void {
    const all = this.#listening.get(subject);
    if (all === undefined) return;
    const lost = new Map<MemoryBus, boolean>();
    for (const listening of [...all]) {
      const { client, receive } = listening;
      if (client === from || !client.connected || !all.has(listening)) continue;
      let isLost = lost.get(client);
      if (isLost === undefined) {
        isLost = this.#options.drop?.(subject, bytes, client) ?? false;
        lost.set(client, isLost);
      }
      if (!isLost) receive(bytes);
    }
  }

  forget(client: MemoryBus): void {
    this.#clients.delete(client);
  }
}

/** One client of a hub: a node's bus. */
export class MemoryBus implements Bus {
  readonly #hub: MemoryBusHub;
  readonly #system: Pick<System, 'soon'>;
  readonly #pendingBytesMax: number;
  readonly #listeners: ((connected: boolean) => void)[] = [];
  readonly #stops = new Set<() => void>();
  #pending: Published[] = [];
  #pendingBytes = 0;
  #connected = false;
  #closed = false;

  constructor(hub: MemoryBusHub, system: Pick<System, 'soon'>, pendingBytesMax: number) {
    this.#hub = hub;
    this.#system = system;
    this.#pendingBytesMax = pendingBytesMax;
  }

  get connected(): boolean {
    return this.#connected;
  }

  get pendingBytes(): number {
    return this.#pendingBytes;
  }

  publish(subject: string, bytes: Uint8Array): boolean {
    if (bytes.length > BUS_MESSAGE_BYTES_MAX)
      throw new RangeError(
        `a message has ${bytes.length} bytes; at most ${BUS_MESSAGE_BYTES_MAX} go on the bus`,
      );
    const size = bytes.length + OVERHEAD_BYTES;
    if (!this.#connected || this.#pendingBytes + size > this.#pendingBytesMax) return false;
    if (this.#pending.length === 0) this.#deliverSoon();
    this.#pending.push({ subject, bytes: bytes.slice() });
    this.#pendingBytes += size;
    return true;
  }

  subscribe(subject: string, receive: (bytes: Uint8Array) => void): BusSubscription {
    const stopListening = this.#hub.listen(subject, { client: this, receive });
    const stop = (): void => {
      if (this.#stops.delete(stop)) stopListening();
    };
    this.#stops.add(stop);
    return { stop };
  }

  onChange(listener: (connected: boolean) => void): void {
    this.#listeners.push(listener);
  }

  /** Cuts this client's link: what it published and the next turn has not taken is lost. */
  disconnect(): void {
    this.#pending = [];
    this.#pendingBytes = 0;
    this.#setConnected(false);
  }

  /** Has effect while the server runs. */
  reconnect(): void {
    if (this.#hub.running && !this.#closed) this.#setConnected(true);
  }

  /** What was published is still delivered. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    for (const stop of this.#stops) stop();
    this.#setConnected(false);
    this.#hub.forget(this);
  }

  #deliverSoon(): void {
    const batch = this.#pending;
    this.#system.soon(() => {
      if (this.#pending !== batch) return; // cut meanwhile
      this.#pending = [];
      this.#pendingBytes = 0;
      for (const published of batch) {
        if (!this.#connected && !this.#closed) return;
        this.#hub.deliver(this, published);
      }
    });
  }

  #setConnected(connected: boolean): void {
    if (this.#connected === connected) return;
    this.#connected = connected;
    for (const listener of this.#listeners) listener(connected);
  }
}
