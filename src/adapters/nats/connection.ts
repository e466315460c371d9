import { isIP } from 'node:net';
import {
  type ConnectionOptions,
  connect,
  credsAuthenticator,
  type NatsConnection,
  type Subscription,
} from 'nats';
import { BUS_MESSAGE_BYTES_MAX } from '../../core/cluster-ports.ts';
import type { Logger, System } from '../../core/ports.ts';
import type { Loss, NatsMetrics, Refusal } from './metrics.ts';
import { DEFAULTS, hostOf, type NatsOptions } from './options.ts';

/** What a message counts for beside its payload: so the byte bound bounds the number of empty ones too. */
const OVERHEAD_BYTES = 64;
/** Ticks without an answer to a ping, after which the link counts as dead: a stall of our own is one tick. */
const UNANSWERED_TICKS_MAX = 3;
/** nats.js's own pings are too slow to be of use, and can hang on a link that takes no bytes. */
const DRIVER_PING_MS = 600_000;

export interface ConnectionContext {
  readonly options: NatsOptions;
  readonly system: System;
  readonly metrics: NatsMetrics;
  readonly logger: Logger;
}

/**
 * One TCP connection to one server, from its making to its loss; never mended. So what nats.js buffers is lost
 * with it, and a change of server is a new object.
 *
 * What is pending is counted by the server's own word: a pong confirms all that was published before its ping.
 * Pings go out when a quarter of the bound is unconfirmed, and at each tick.
 */
export class Connection {
  readonly server: string;
  /** Set by its owner; called once, unless it is closed first. */
  onLost: (reason: Loss) => void = () => undefined;
  readonly #nats: NatsConnection;
  readonly #context: ConnectionContext;
  readonly #pendingBytesMax: number;
  readonly #pingBytes: number;
  #sentBytes = 0;
  #confirmedBytes = 0;
  #pinging = false;
  #unansweredTicks = 0;
  #over = false;

  private constructor(nats: NatsConnection, server: string, context: ConnectionContext) {
    this.#nats = nats;
    this.server = server;
    this.#context = context;
    this.#pendingBytesMax = context.options.pendingBytesMax ?? DEFAULTS.pendingBytesMax;
    this.#pingBytes = this.#pendingBytesMax / 4;
    void nats.closed().then((error) => this.#end(lossOf(error)));
    void this.#watch();
  }

  /** Rejects when the server does not answer, does not let us in, or takes less than BUS_MESSAGE_BYTES_MAX. */
  static async open(server: string, context: ConnectionContext): Promise<Connection> {
    const nats = await connect(driverOptions(server, context.options));
    const payloadMax = nats.info?.max_payload ?? 0;
    if (payloadMax < BUS_MESSAGE_BYTES_MAX) {
      await nats.close();
      throw new Error(
        `the server's max_payload is ${payloadMax}; at least ${BUS_MESSAGE_BYTES_MAX} is needed`,
      );
    }
    return new Connection(nats, server, context);
  }

  get pendingBytes(): number {
    return this.#sentBytes - this.#confirmedBytes;
  }

  /** undefined: it was taken. The bytes are copied by the end of the turn. */
  publish(subject: string, bytes: Uint8Array): Refusal | undefined {
    if (this.#nats.isClosed()) return 'disconnected'; // and `onLost` is about to be called
    const size = bytes.length + OVERHEAD_BYTES;
    if (this.pendingBytes + size > this.#pendingBytesMax) return 'pending';
    this.#nats.publish(subject, bytes);
    this.#sentBytes += size;
    if (!this.#pinging && this.pendingBytes >= this.#pingBytes) this.#ping();
    return undefined;
  }

  /** undefined: the connection is over. */
  subscribe(subject: string, receive: (bytes: Uint8Array) => void): Subscription | undefined {
    if (this.#nats.isClosed()) return undefined;
    const { metrics, logger, system } = this.#context;
    return this.#nats.subscribe(subject, {
      callback(error, message) {
        if (error !== null) {
          logger.error({ subject, error: error.message }, 'the bus refused a subscription');
          return;
        }
        metrics.received(message.data.length);
        try {
          receive(message.data);
        } catch (thrown) {
          // nats.js would stop reading in silence; a broken invariant ends the process.
          system.soon(() => {
            throw thrown;
          });
        }
      },
    });
  }

  /** Looks after the link; to be called at a steady pace. */
  tick(): void {
    if (!this.#pinging) this.#ping();
    else if (++this.#unansweredTicks >= UNANSWERED_TICKS_MAX) {
      this.#end('stale');
      this.close();
    }
  }

  /** All that was published and subscribed has reached the server. May never settle once the link is lost. */
  flush(): Promise<void> {
    return this.#nats.flush();
  }

  /** Takes in what is underway, flushes, closes. May never settle on a link that is stuck: `close` then. */
  async drain(): Promise<void> {
    this.#over = true;
    await Promise.race([this.#nats.drain(), this.#nats.closed()]);
  }

  /** At once; nothing is flushed. */
  close(): void {
    this.#over = true;
    void this.#nats.close();
  }

  #ping(): void {
    const { system, metrics } = this.#context;
    const upTo = this.#sentBytes;
    const start = system.monotonic();
    this.#pinging = true;
    this.#unansweredTicks = 0;
    this.#nats.flush().then(
      () => {
        this.#pinging = false;
        this.#confirmedBytes = upTo;
        metrics.flushed((system.monotonic() - start) / 1_000);
        if (this.pendingBytes >= this.#pingBytes) this.#ping();
      },
      () => {
        this.#pinging = false; // it is over: `closed` tells why
      },
    );
  }

  #end(reason: Loss): void {
    if (this.#over) return;
    this.#over = true;
    this.onLost(reason);
  }

  async #watch(): Promise<void> {
    const { metrics, logger } = this.#context;
    for await (const { type, data } of this.#nats.status()) {
      if (type !== 'error') continue;
      metrics.failed(String(data));
      logger.warn({ server: this.server, code: data }, 'the bus reported an error');
    }
  }
}

function driverOptions(server: string, options: NatsOptions): ConnectionOptions {
  return {
    servers: [server],
    name: options.name,
    reconnect: false,
    ignoreClusterUpdates: true,
    resolve: false, // else /etc/hosts would not count
    noEcho: true,
    noAsyncTraces: true,
    timeout: options.connectMsMax ?? DEFAULTS.connectMsMax,
    pingInterval: DRIVER_PING_MS,
    ...(options.user !== undefined && { user: options.user, pass: options.password ?? '' }),
    ...(options.credentials !== undefined && {
      authenticator: credsAuthenticator(new TextEncoder().encode(options.credentials)),
    }),
    ...(options.tlsCa !== undefined && { tls: tlsOptions(options.tlsCa, hostOf(server)) }),
  };
}

/** Whose certificate it must be, by name or by address: nats.js hands all of it to tls.connect. */
function tlsOptions(ca: string, host: string): { ca: string; host: string; servername: string } {
  return { ca, host, servername: isIP(host) === 0 ? host : '' };
}

function lossOf(error: void | Error): Loss {
  const text = error?.message.toLowerCase() ?? '';
  if (text.includes('slow consumer')) return 'slowConsumer';
  return /authorization|authentication|expired|revoked/.test(text) ? 'auth' : 'closed';
}
