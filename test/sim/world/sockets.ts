import type { WebSocketClass } from '../../../src/client/socket.ts';
import type { CloseReason } from '../../../src/core/errors.ts';
import type { System } from '../../../src/core/ports.ts';
import type { Publisher } from '../../../src/edge/fan-out.ts';
import type { Session } from '../../../src/edge/session.ts';
import type { SendResult, Socket, SocketHandlers, Subprotocol } from '../../../src/edge/socket.ts';
import { SUBPROTOCOLS } from '../../../src/protocol/frames.ts';
import type { Dice } from '../../unit/peer/rough-bus.ts';

const LATENCY_MS_MAX = 3;

/** The way of a device to the edges: `silent` swallows everything and says nothing, `deaf` what comes to the device. */
export interface Uplink {
  state: 'up' | 'silent' | 'deaf' | 'down';
  readonly pipes: Set<Pipe>;
}

/** The ports that edges listen on, and the connections to them. */
export class SocketNet {
  readonly system: System;
  readonly dice: Dice;
  readonly #ports = new Map<string, Port>();
  #lastPipe = 0;

  constructor(system: System, dice: Dice) {
    this.system = system;
    this.dice = dice;
  }

  listen(url: string, port: Port): void {
    this.#ports.set(url, port);
  }

  port(url: string): Port | undefined {
    const port = this.#ports.get(url);
    return port?.isOpen === true ? port : undefined;
  }

  nextPipe(): number {
    return ++this.#lastPipe;
  }

  /** The WebSocket of a device. */
  webSocketOf(uplink: Uplink): WebSocketClass {
    const net = this;
    return class extends Pipe {
      constructor(url: string, protocols: string[]) {
        super(net, uplink, url, protocols[0] === SUBPROTOCOLS.json ? 'json' : 'binary');
      }
    };
  }
}

/** What an edge process listens on. */
export class Port implements Publisher {
  isOpen = true;
  readonly pipes = new Set<Pipe>();
  readonly system: System;
  readonly handlers: SocketHandlers<Session>;

  /** `system` is the edge process's. */
  constructor(system: System, handlers: SocketHandlers<Session>) {
    this.system = system;
    this.handlers = handlers;
  }

  publish(topic: string, bytes: Uint8Array, subprotocol: Subprotocol): void {
    this.publishExcept(topic, bytes, subprotocol, undefined);
  }

  publishExcept(
    topic: string,
    bytes: Uint8Array,
    subprotocol: Subprotocol,
    sender: ServerEnd | undefined,
  ): void {
    for (const { server } of this.pipes)
      if (server !== undefined && server !== sender && server.subprotocol === subprotocol)
        if (server.topics.has(topic)) server.send(bytes);
  }

  /** The process is gone, and its sockets with it. */
  crash(): void {
    this.isOpen = false;
    for (const pipe of [...this.pipes]) pipe.breakOff();
  }
}

/** One connection, and its client's end: what goes either way keeps its order. */
export class Pipe {
  binaryType = '';
  onopen: ((event: never) => void) | null = null;
  onmessage: ((event: never) => void) | null = null;
  onclose: ((event: never) => void) | null = null;
  onerror: ((event: never) => void) | null = null;
  readonly number: number;
  readonly subprotocol: Subprotocol;
  server: ServerEnd | undefined;
  #port: Port | undefined;
  readonly #net: SocketNet;
  readonly #uplink: Uplink;
  /** When what was sent last, either way, arrives. */
  #upAt = 0;
  #downAt = 0;
  #isClosed = false;

  constructor(net: SocketNet, uplink: Uplink, url: string, subprotocol: Subprotocol) {
    this.#net = net;
    this.#uplink = uplink;
    this.number = net.nextPipe();
    this.subprotocol = subprotocol;
    uplink.pipes.add(this);
    this.#upAt = this.#later(this.#upAt, () => this.#connect(url));
  }

  // --- the client's calls ---

  send(data: Uint8Array | string): void {
    if (this.#isClosed || this.server === undefined) return;
    const bytes = typeof data === 'string' ? Buffer.from(data) : new Uint8Array(data);
    this.#upAt = this.#later(this.#upAt, () => {
      const { server } = this;
      const arrives = this.#uplink.state === 'up' || this.#uplink.state === 'deaf';
      if (server === undefined || this.#isClosed || !arrives) return;
      this.#onServer((handlers) => {
        if (!server.isClosed) handlers.message(server.data, bytes, typeof data !== 'string');
      });
    });
  }

  close(): void {
    if (this.#isClosed) return;
    this.#end();
    this.#upAt = this.#later(this.#upAt, () => this.#hangUp(1000));
  }

  // --- the world's ---

  /** The connection is lost, and both ends see it. */
  breakOff(): void {
    this.#hangUp(1006);
    this.#closeClient(1006, '');
  }

  // --- the server's end's ---

  down(bytes: Uint8Array): void {
    const data = this.subprotocol === 'json' ? Buffer.from(bytes).toString() : new Uint8Array(bytes);
    this.#downAt = this.#later(this.#downAt, () => {
      if (this.#isClosed || this.#uplink.state !== 'up') return;
      this.onmessage?.({ data: typeof data === 'string' ? data : data.buffer } as never);
    });
  }

  downClose(code: number, reason: string): void {
    if (this.#port !== undefined) this.#port.pipes.delete(this);
    this.#downAt = this.#later(this.#downAt, () => this.#closeClient(code, reason));
  }

  #connect(url: string): void {
    if (this.#isClosed) return;
    const port = this.#net.port(url);
    if (this.#uplink.state === 'silent' || this.#uplink.state === 'deaf') return;
    if (port === undefined || this.#uplink.state === 'down') return this.#closeClient(1006, '');
    this.#port = port;
    port.pipes.add(this);
    const server = new ServerEnd(this, port);
    this.server = server;
    this.#onServer((handlers) => {
      server.data = handlers.open(server);
      this.#downAt = this.#later(this.#downAt, () => {
        if (!this.#isClosed) this.onopen?.({} as never);
      });
    });
  }

  /** In a turn of the edge process: a paused one takes it when it wakes. */
  #onServer(task: (handlers: SocketHandlers<Session>) => void): void {
    const port = this.#port;
    if (port?.isOpen === true) port.system.soon(() => task(port.handlers));
  }

  #hangUp(code: number): void {
    const { server } = this;
    if (server !== undefined) this.#onServer(() => server.hangUp(code));
  }

  #closeClient(code: number, reason: string): void {
    if (this.#isClosed) return;
    this.#end();
    this.onclose?.({ code, reason } as never);
  }

  #end(): void {
    this.#isClosed = true;
    this.#uplink.pipes.delete(this);
  }

  #later(notBefore: number, task: () => void): number {
    const { system, dice } = this.#net;
    const now = system.monotonic();
    const at = Math.max(notBefore, now + dice.below(LATENCY_MS_MAX + 1));
    system.after(at - now, task);
    return at;
  }
}

/** The server's end of a connection. */
export class ServerEnd implements Socket {
  readonly remoteAddress = '127.0.0.1';
  readonly subprotocol: Subprotocol;
  readonly topics = new Set<string>();
  data!: Session;
  isClosed = false;
  readonly #pipe: Pipe;
  readonly #port: Port;

  constructor(pipe: Pipe, port: Port) {
    this.#pipe = pipe;
    this.#port = port;
    this.subprotocol = pipe.subprotocol;
  }

  send(bytes: Uint8Array): SendResult {
    if (this.isClosed) return 'dropped';
    this.#pipe.down(bytes);
    return 'sent';
  }
  cork(write: () => void): void {
    write();
  }
  bufferedBytes(): number {
    return 0;
  }
  subscribe(topic: string): void {
    this.topics.add(topic);
  }
  unsubscribe(topic: string): void {
    this.topics.delete(topic);
  }
  publish(topic: string, bytes: Uint8Array): void {
    this.#port.publishExcept(topic, bytes, this.subprotocol, this);
  }
  ping(): void {
    this.#port.system.after(2, () => {
      if (!this.isClosed) this.#port.handlers.alive(this.data);
    });
  }
  end(code: number, reason: CloseReason): void {
    this.#pipe.downClose(code, reason);
    this.hangUp(code);
  }
  terminate(): void {
    this.#pipe.downClose(1006, '');
    this.hangUp(1006);
  }

  /** The connection is over. */
  hangUp(code: number): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.topics.clear();
    this.#port.pipes.delete(this.#pipe);
    if (this.#port.isOpen) this.#port.handlers.closed(this.data, code);
  }
}
