import type { Subscription } from 'nats';
import { type Bus, BUS_MESSAGE_BYTES_MAX, type BusSubscription } from '../../core/cluster-ports.ts';
import type { Logger, System, Timer } from '../../core/ports.ts';
import { Connection, type ConnectionContext } from './connection.ts';
import { type Loss, type NatsMetrics, noMetrics } from './metrics.ts';
import { checkOptions, checkSubject, DEFAULTS, type NatsOptions } from './options.ts';

/** A dead link is found after 3 to 4 ticks. */
const TICK_MS = 500;
const CLOSE_MS_MAX = 2_000;

interface Listening {
  readonly subject: string;
  readonly receive: (bytes: Uint8Array) => void;
  live: Subscription | undefined;
}

/**
 * The bus over NATS. It connects by itself, at first and after each loss, for ever, to one server after another;
 * each connection is new, and nothing of the last one's outlives it. It counts as connected once the server has
 * confirmed all subscriptions. A `receive` that throws ends the process.
 */
export class NatsBus implements Bus {
  readonly #context: ConnectionContext;
  readonly #listening = new Set<Listening>();
  readonly #listeners: ((connected: boolean) => void)[] = [];
  readonly #ticker: Timer;
  #connection: Connection | undefined;
  #connected = false;
  #closed = false;
  #outageLogged = false;
  #nextServer = 0;
  #attemptAt = Number.NEGATIVE_INFINITY;

  /** Throws when the options can't be right; that a server is away shows in `connected` alone. */
  constructor(options: NatsOptions, system: System, logger: Logger, metrics: NatsMetrics = noMetrics) {
    checkOptions(options);
    this.#context = { options, system, logger, metrics };
    this.#ticker = system.every(TICK_MS, () => this.#connection?.tick());
    this.#attempt();
  }

  get connected(): boolean {
    return this.#connected;
  }

  /** Published, and not yet confirmed by the server. */
  get pendingBytes(): number {
    return this.#connection?.pendingBytes ?? 0;
  }

  /** The bytes may be used again once the turn has ended. Throws on more than BUS_MESSAGE_BYTES_MAX of them. */
  publish(subject: string, bytes: Uint8Array): boolean {
    if (bytes.length > BUS_MESSAGE_BYTES_MAX)
      throw new RangeError(
        `a message has ${bytes.length} bytes; at most ${BUS_MESSAGE_BYTES_MAX} go on the bus`,
      );
    const { metrics } = this.#context;
    const connection = this.#connected ? this.#connection : undefined;
    const refusal = connection === undefined ? 'disconnected' : connection.publish(subject, bytes);
    if (refusal === undefined) metrics.sent(bytes.length);
    else metrics.refused(refusal);
    return refusal === undefined;
  }

  subscribe(subject: string, receive: (bytes: Uint8Array) => void): BusSubscription {
    checkSubject(subject);
    const listening: Listening = { subject, receive, live: this.#connection?.subscribe(subject, receive) };
    this.#listening.add(listening);
    return {
      stop: () => {
        if (this.#listening.delete(listening)) listening.live?.unsubscribe();
      },
    };
  }

  onChange(listener: (connected: boolean) => void): void {
    this.#listeners.push(listener);
  }

  /** Resolves when all that was published and subscribed has reached the server; true unless it was lost. */
  async flush(): Promise<boolean> {
    const connection = this.#connection;
    if (!this.#connected || connection === undefined) return false;
    return this.#within(CLOSE_MS_MAX, connection.flush());
  }

  /** Takes in what is underway and flushes, for at most CLOSE_MS_MAX. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#ticker.cancel();
    const connection = this.#connection;
    this.#setConnected(false);
    if (connection !== undefined) {
      await this.#within(CLOSE_MS_MAX, connection.drain());
      connection.close();
    }
    this.#connection = undefined;
    this.#listening.clear();
  }

  #attempt(): void {
    if (this.#closed) return;
    const { options, system } = this.#context;
    const server = options.servers[this.#nextServer++ % options.servers.length] as string;
    this.#attemptAt = system.monotonic();
    Connection.open(server, this.#context).then(
      (connection) => this.#opened(connection),
      (error: unknown) => this.#failed(server, error),
    );
  }

  #failed(server: string, error: unknown): void {
    const { metrics, logger } = this.#context;
    metrics.connectFailed();
    if (!this.#outageLogged) {
      this.#outageLogged = true; // once per outage: attempts go on four times a second
      logger.warn({ server, error: String(error) }, 'the bus does not answer; trying again until it does');
    }
    this.#attemptLater();
  }

  #attemptLater(): void {
    const { options, system } = this.#context;
    const waitMs = options.reconnectWaitMs ?? DEFAULTS.reconnectWaitMs;
    system.after(Math.max(0, this.#attemptAt + waitMs - system.monotonic()), () => this.#attempt());
  }

  #opened(connection: Connection): void {
    if (this.#closed) {
      connection.close();
      return;
    }
    this.#connection = connection;
    connection.onLost = (reason) => this.#lost(connection, reason);
    for (const listening of this.#listening)
      listening.live = connection.subscribe(listening.subject, listening.receive);
    const ready = (): void => {
      if (this.#connection !== connection || this.#closed) return;
      this.#outageLogged = false;
      this.#context.metrics.connected();
      this.#context.logger.info({ server: connection.server }, 'connected to the bus');
      this.#setConnected(true);
    };
    // When it is lost meanwhile, `onLost` says so.
    connection.flush().then(ready, () => this.#lost(connection, 'closed'));
  }

  #lost(connection: Connection, reason: Loss): void {
    if (this.#connection !== connection || this.#closed) return;
    this.#connection = undefined;
    for (const listening of this.#listening) listening.live = undefined;
    this.#context.metrics.lost(reason);
    this.#context.logger.warn({ server: connection.server, reason }, 'the connection to the bus is lost');
    this.#setConnected(false);
    this.#attemptLater();
  }

  #setConnected(connected: boolean): void {
    if (this.#connected === connected) return;
    this.#connected = connected;
    for (const listener of this.#listeners) listener(connected);
  }

  /** Whether `work` was done in time. */
  async #within(msMax: number, work: Promise<void>): Promise<boolean> {
    let timer: Timer | undefined;
    const late = new Promise<boolean>((resolve) => {
      timer = this.#context.system.after(msMax, () => resolve(false));
    });
    const done = work.then(
      () => true,
      () => false,
    );
    const result = await Promise.race([done, late]);
    timer?.cancel();
    return result;
  }
}
