/** Virtual time for the client's tests, and sockets that lead to a model server. */
import { Client } from '../../../src/client/client.ts';
import { jsonCodec } from '../../../src/client/json-codec.ts';
import type { ClientOptions } from '../../../src/client/options.ts';
import type { WebSocketClass } from '../../../src/client/socket.ts';
import type { ClientSystem } from '../../../src/client/system.ts';
import type { ServerFrame } from '../../../src/protocol/frames.ts';
import { ModelServer, type Session } from './model-server.ts';

interface Task {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

/** A clock that stands until `advance` moves it; tasks run in the order of their times. */
export class VirtualTime implements ClientSystem {
  #now = 1_700_000_000_000;
  #order = 0;
  #seed: number;
  readonly #tasks = new Set<Task>();

  constructor(seed = 1) {
    this.#seed = seed;
  }

  now(): number {
    return this.#now;
  }

  monotonic(): number {
    return this.#now;
  }

  after(ms: number, run: () => void): () => void {
    const task = { at: this.#now + ms, order: this.#order++, run };
    this.#tasks.add(task);
    return () => void this.#tasks.delete(task);
  }

  random(): number {
    this.#seed = (Math.imul(this.#seed, 1664525) + 1013904223) >>> 0;
    return this.#seed / 2 ** 32;
  }

  randomBytes(count: number): Uint8Array {
    return Uint8Array.from({ length: count }, () => Math.floor(this.random() * 256));
  }

  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await settle();
    for (;;) {
      let next: Task | undefined;
      for (const task of this.#tasks) {
        if (
          task.at <= end &&
          (next === undefined || task.at < next.at || (task.at === next.at && task.order < next.order))
        ) {
          next = task;
        }
      }
      if (next === undefined) break;
      this.#tasks.delete(next);
      this.#now = Math.max(this.#now, next.at);
      next.run();
      await settle();
    }
    this.#now = end;
  }
}

/** Lets promise callbacks run. */
function settle(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** A world of one server: its sockets take 1 ms each way and keep the order. */
export class World {
  readonly time: VirtualTime;
  readonly server: ModelServer;
  /** Whether new sockets open. */
  reachable = true;
  /** Whether open ones carry anything. */
  silent = false;
  opened = 0;
  /** Of the last socket. */
  lastUrl = '';

  constructor(seed = 1) {
    this.time = new VirtualTime(seed);
    this.server = new ModelServer(() => this.time.now());
  }

  get webSocket(): WebSocketClass {
    const world = this;
    return class FakeSocket {
      binaryType = '';
      onopen: ((event: never) => void) | null = null;
      onmessage: ((event: never) => void) | null = null;
      onclose: ((event: never) => void) | null = null;
      onerror: ((event: never) => void) | null = null;
      #session: Session | undefined;
      #closed = false;

      constructor(url: string) {
        world.opened++;
        world.lastUrl = url;
        world.time.after(1, () => {
          if (this.#closed) return;
          if (!world.reachable) return this.#close(1006, '');
          this.#session = world.server.connect({
            send: (frame) => this.#deliver(frame),
            close: (code, reason) => void world.time.after(1, () => this.#close(code, reason)),
          });
          this.onopen?.({} as never);
        });
      }

      send(data: Uint8Array | string): void {
        world.time.after(1, () => {
          if (!this.#closed && !world.silent) this.#session?.receive(data as string);
        });
      }

      close(): void {
        this.#closed = true;
        this.#session?.closed();
      }

      #deliver(frame: ServerFrame): void {
        const data = JSON.stringify(frame);
        world.time.after(1, () => {
          if (!this.#closed && !world.silent) this.onmessage?.({ data } as never);
        });
      }

      #close(code: number, reason: string): void {
        if (this.#closed) return;
        this.#closed = true;
        this.#session?.closed();
        this.onclose?.({ code, reason } as never);
      }
    };
  }
}

/** A client in the world, connecting. */
export function clientOf(world: World, user: string, options: Partial<ClientOptions> = {}): Client {
  const client = new Client({
    url: 'ws://model/v1/connect',
    token: `dev:${user}`,
    codec: jsonCodec,
    webSocket: world.webSocket,
    system: world.time,
    ...options,
  });
  client.connect();
  return client;
}
