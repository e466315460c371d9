import { Buffer } from 'node:buffer';
import type { CloseReason } from '../../../src/core/errors.ts';
import type { System } from '../../../src/core/ports.ts';
import type { Publisher } from '../../../src/edge/fan-out.ts';
import type { SendResult, Socket, SocketHandlers, Subprotocol } from '../../../src/edge/socket.ts';
import type { ServerFrame } from '../../../src/protocol/frames.ts';
import { decodeServer } from '../../../src/protocol/client-codec.ts';

/** As the real servers are set up. */
const BUFFERED_BYTES_MAX = 512 * 1024;

/** A socket that keeps what it is sent. `isStuck` plays a peer that has stopped reading. */
export class FakeSocket<T> implements Socket {
  readonly remoteAddress = '127.0.0.1';
  readonly subprotocol: Subprotocol;
  readonly received: ServerFrame[] = [];
  readonly topics = new Set<string>();
  closed: { readonly code: number; readonly reason: string } | undefined;
  /** Writes to the kernel: what a cork gathers is one. */
  writes = 0;
  pings = 0;
  isStuck = false;
  data!: T;
  readonly #sockets: FakeSockets<T>;
  #buffered: Uint8Array[] = [];
  #bufferedBytes = 0;
  #corked = false;
  #behind = false;
  #lost = false;

  constructor(sockets: FakeSockets<T>, subprotocol: Subprotocol) {
    this.#sockets = sockets;
    this.subprotocol = subprotocol;
  }

  send(bytes: Uint8Array): SendResult {
    if (this.closed !== undefined || this.#bufferedBytes > BUFFERED_BYTES_MAX) {
      this.#behind = true;
      return 'dropped';
    }
    if (!this.#corked) this.writes++;
    return this.#accept(bytes);
  }

  cork(write: () => void): void {
    this.writes++;
    this.#corked = true;
    write();
    this.#corked = false;
  }

  bufferedBytes(): number {
    return this.closed === undefined ? this.#bufferedBytes : 0;
  }
  subscribe(topic: string): void {
    this.topics.add(topic);
  }
  unsubscribe(topic: string): void {
    this.topics.delete(topic);
  }
  publish(topic: string, bytes: Uint8Array): void {
    this.#sockets.publishExcept(topic, bytes, this.subprotocol, this);
  }
  ping(): void {
    this.pings++;
  }
  end(code: number, reason: CloseReason): void {
    this.hangUp(code, reason);
  }
  terminate(): void {
    this.hangUp(1006, '');
  }

  /** The peer closes, or the server does. */
  hangUp(code: number, reason = ''): void {
    if (this.closed !== undefined) return;
    this.closed = { code, reason };
    this.topics.clear();
    this.#sockets.handlers.closed(this.data, code);
  }

  take(bytes: Uint8Array): void {
    if (this.#bufferedBytes <= BUFFERED_BYTES_MAX) {
      this.#accept(bytes);
      return;
    }
    this.#behind = true;
    if (this.#lost) return;
    this.#lost = true;
    this.#sockets.system.soon(() => this.#tellLoss());
  }

  /** The peer reads again: all that waits arrives. */
  unstick(): void {
    this.isStuck = false;
    for (const bytes of this.#buffered.splice(0)) this.received.push(this.#decode(bytes));
    this.#bufferedBytes = 0;
    this.#tellLoss();
    if (this.#behind && this.closed === undefined) this.#sockets.handlers.drain(this.data);
    this.#behind = false;
  }

  #tellLoss(): void {
    if (this.#lost && this.closed === undefined) this.#sockets.handlers.dropped(this.data);
    this.#lost = false;
  }

  #accept(bytes: Uint8Array): SendResult {
    const copy = new Uint8Array(bytes);
    if (!this.isStuck) {
      this.received.push(this.#decode(copy));
      return 'sent';
    }
    this.#buffered.push(copy);
    this.#bufferedBytes += copy.length;
    this.#behind = true;
    return 'buffered';
  }

  #decode(bytes: Uint8Array): ServerFrame {
    const data = this.subprotocol === 'json' ? Buffer.from(bytes).toString() : bytes;
    return decodeServer(data, this.subprotocol) as ServerFrame;
  }
}

/** The socket server as an edge sees it. */
export class FakeSockets<T> implements Publisher {
  readonly system: System;
  readonly handlers: SocketHandlers<T>;
  readonly all = new Set<FakeSocket<T>>();
  publishes = 0;

  constructor(system: System, handlers: SocketHandlers<T>) {
    this.system = system;
    this.handlers = handlers;
  }

  open(subprotocol: Subprotocol): FakeSocket<T> {
    const socket = new FakeSocket<T>(this, subprotocol);
    this.all.add(socket);
    socket.data = this.handlers.open(socket);
    return socket;
  }

  publish(topic: string, bytes: Uint8Array, subprotocol: Subprotocol): void {
    this.publishExcept(topic, bytes, subprotocol, undefined);
  }

  publishExcept(
    topic: string,
    bytes: Uint8Array,
    subprotocol: Subprotocol,
    sender: FakeSocket<T> | undefined,
  ): void {
    this.publishes++;
    for (const socket of this.all) {
      if (socket !== sender && socket.subprotocol === subprotocol && socket.topics.has(topic))
        socket.take(bytes);
    }
  }
}
