import { type CloseReason, CLOSES } from '../core/errors.ts';
import type { Logger } from '../core/ports.ts';
import type { SendResult, Socket, SocketHandlers, Subprotocol } from './socket.ts';

interface Farewell {
  readonly code: number;
  readonly reason: CloseReason;
}

/** The close code that stands for "no close frame came". */
export const ABNORMAL_CLOSE = 1006;

/** What the sockets of one server share. */
export class SocketContext<T> {
  readonly handlers: SocketHandlers<T>;
  readonly logger: Logger;
  readonly bufferedBytesMax: number;
  /** At most one entry per socket. */
  private lossy: HandledSocket<T>[] = [];

  constructor(handlers: SocketHandlers<T>, logger: Logger, bufferedBytesMax: number) {
    this.handlers = handlers;
    this.logger = logger;
    this.bufferedBytesMax = bufferedBytesMax;
  }

  /** Tells the socket's handler outside of the library's own loops, where subscriptions may be changed. */
  tellLater(socket: HandledSocket<T>): void {
    if (this.lossy.push(socket) === 1) setImmediate(this.tell);
  }

  private readonly tell = (): void => {
    const lossy = this.lossy;
    this.lossy = [];
    for (const socket of lossy) socket.tellLoss();
  };
}

/** The library-independent half of a socket: which handler is called when, and what becomes of one that throws. */
export abstract class HandledSocket<T> implements Socket {
  readonly subprotocol: Subprotocol;
  readonly remoteAddress: string;
  protected readonly context: SocketContext<T>;
  private data: T | undefined = undefined;
  private opened = false;
  private closed = false;
  /** Inside `open` or `cork`: a farewell waits for its end. */
  private holding = false;
  private farewell: Farewell | undefined = undefined;
  /** A drain is owed. */
  private behind = false;
  private lossUntold = false;

  protected constructor(context: SocketContext<T>, subprotocol: Subprotocol, remoteAddress: string) {
    this.context = context;
    this.subprotocol = subprotocol;
    this.remoteAddress = remoteAddress;
  }

  protected abstract libBufferedBytes(): number;
  /** Whether it is over its bound. */
  protected abstract libIsFull(): boolean;
  protected abstract libSend(bytes: Uint8Array): SendResult;
  protected abstract libCork(write: () => void): void;
  protected abstract libSubscribe(topic: string): void;
  protected abstract libUnsubscribe(topic: string): void;
  protected abstract libPublish(topic: string, bytes: Uint8Array): void;
  protected abstract libPing(): void;
  protected abstract libEnd(code: number, reason: string): void;
  protected abstract libTerminate(): void;

  /** Whether the library may still be called about it. */
  protected get usable(): boolean {
    return !this.closed && this.farewell === undefined;
  }

  send(bytes: Uint8Array): SendResult {
    if (!this.usable) return 'dropped';
    const result = this.libSend(bytes);
    if (result !== 'sent') this.behind = true;
    return result;
  }

  cork(write: () => void): void {
    if (!this.usable || this.holding) {
      write();
      return;
    }
    this.holding = true;
    try {
      this.libCork(write);
    } finally {
      this.holding = false;
      if (this.farewell !== undefined) this.hangUp(this.farewell);
      else if (!this.closed && this.bufferedBytes() > 0) this.behind = true;
    }
  }

  bufferedBytes(): number {
    return this.closed ? 0 : this.libBufferedBytes();
  }

  subscribe(topic: string): void {
    if (this.usable) this.libSubscribe(topic);
  }

  unsubscribe(topic: string): void {
    if (this.usable) this.libUnsubscribe(topic);
  }

  publish(topic: string, bytes: Uint8Array): void {
    if (this.usable) this.libPublish(topic, bytes);
  }

  ping(): void {
    if (this.usable) this.libPing();
  }

  end(code: number, reason: CloseReason): void {
    if (!this.usable) return;
    const farewell = { code, reason };
    if (this.holding) this.farewell = farewell;
    else this.hangUp(farewell);
  }

  terminate(): void {
    if (this.closed) return;
    this.libTerminate();
    this.onClosed(ABNORMAL_CLOSE);
  }

  private hangUp(farewell: Farewell): void {
    if (this.closed) return;
    if (this.libIsFull()) {
      this.terminate();
      return;
    }
    this.farewell = farewell;
    this.libEnd(farewell.code, farewell.reason);
    this.onClosed(farewell.code);
  }

  /** The `on…` methods are for the library: what it reports. */
  onOpen(): void {
    this.holding = true;
    try {
      this.data = this.context.handlers.open(this);
      this.opened = true;
    } catch (error) {
      this.fail(error, 'open');
    }
    this.holding = false;
    if (this.farewell !== undefined) this.hangUp(this.farewell);
    else if (this.closed && this.opened) this.tellClosed(ABNORMAL_CLOSE);
  }

  onMessage(bytes: Uint8Array, isBinary: boolean): void {
    if (!this.opened || !this.usable) return;
    try {
      this.context.handlers.message(this.data as T, bytes, isBinary);
    } catch (error) {
      this.fail(error, 'message');
    }
  }

  onAlive(): void {
    if (!this.opened || !this.usable) return;
    try {
      this.context.handlers.alive(this.data as T);
    } catch (error) {
      this.fail(error, 'alive');
    }
  }

  /** A published message did not fit. */
  onLoss(): void {
    if (!this.opened || !this.usable) return;
    this.behind = true;
    if (this.lossUntold) return;
    this.lossUntold = true;
    this.context.tellLater(this);
  }

  /** The library's buffer has shrunk. */
  onProgress(): void {
    if (!this.behind || !this.usable || this.bufferedBytes() > 0) return;
    this.tellLoss();
    if (!this.usable) return;
    this.behind = false;
    if (!this.opened) return;
    try {
      this.context.handlers.drain(this.data as T);
    } catch (error) {
      this.fail(error, 'drain');
    }
  }

  tellLoss(): void {
    if (!this.lossUntold || !this.usable) return;
    this.lossUntold = false;
    try {
      this.context.handlers.dropped(this.data as T);
    } catch (error) {
      this.fail(error, 'dropped');
    }
  }

  onClosed(code: number): void {
    if (this.closed) return;
    this.closed = true;
    if (this.opened) this.tellClosed(code);
  }

  private tellClosed(code: number): void {
    try {
      this.context.handlers.closed(this.data as T, code);
    } catch (error) {
      this.fail(error, 'closed');
    }
  }

  private fail(error: unknown, handler: keyof SocketHandlers<T>): void {
    const fields = { err: error, handler, remoteAddress: this.remoteAddress };
    this.context.logger.error(fields, 'a socket handler threw: closing its socket');
    this.end(CLOSES.internal.code, 'internal');
  }
}
