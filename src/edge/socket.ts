/**
 * The small interface between the edge and a WebSocket library. Two implementations, uws-server.ts and
 * ws-server.ts, pass the same contract suite; only they import the libraries.
 */
import type { CloseReason } from '../core/errors.ts';
import type { Logger } from '../core/ports.ts';

export type Subprotocol = 'binary' | 'json';

/** `buffered`: taken, but the peer reads slower than we write. `dropped`: over the socket's bound, not taken. */
export type SendResult = 'sent' | 'buffered' | 'dropped';

export interface Socket {
  readonly subprotocol: Subprotocol;
  readonly remoteAddress: string;
  /** One WebSocket message: binary for the binary subprotocol, else text. The bytes may be reused after the call. */
  send(bytes: Uint8Array): SendResult;
  /**
   * Runs `write` so that all its sends leave in one write to the kernel. What the kernel did not take shows
   * in `bufferedBytes` afterwards, and its `drain` is then reported, whatever the sends inside answered.
   */
  cork(write: () => void): void;
  /** Bytes taken but not yet handed to the kernel. */
  bufferedBytes(): number;
  subscribe(topic: string): void;
  unsubscribe(topic: string): void;
  /**
   * To every other subscriber of the topic that speaks this socket's subprotocol. What a slow subscriber
   * can't take is reported to its `dropped` handler.
   */
  publish(topic: string, bytes: Uint8Array): void;
  /** A WebSocket ping. */
  ping(): void;
  /**
   * Sends the close frame (what was sent before goes out first) and hangs up; a socket over its bound is
   * hung up on at once. `closed` is called before `end` returns (within `cork`: when the cork ends).
   */
  end(code: number, reason: CloseReason): void;
  /** Hangs up at once. `closed` is called before it returns. */
  terminate(): void;
}

/**
 * What the edge does about sockets. `data` is what `open` returned for this socket. A handler that throws
 * costs its own socket (4002) and is logged; no other handler is called for a socket whose `open` threw.
 * After `closed`, calls on the socket do nothing: a send answers `dropped`.
 */
export interface SocketHandlers<T> {
  open(socket: Socket): T;
  /** `bytes` is valid during the call only. */
  message(data: T, bytes: Uint8Array, isBinary: boolean): void;
  /** A pong, or anything else that shows life below the message level. */
  alive(data: T): void;
  /** The buffer that made a `send` answer `buffered` or `dropped`, or a publish not fit, has emptied. */
  drain(data: T): void;
  /**
   * At least one published message did not fit. The library does not tell which, nor how many: every topic
   * that the socket is subscribed to may have lost some. Called soon after, always before the `drain`.
   */
  dropped(data: T): void;
  /** Once per opened socket; the socket is not to be used any more. */
  closed(data: T, code: number): void;
}

export interface HttpRequest {
  /** In upper case. */
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  /** Of the peer, or of the client behind a trusted proxy. */
  readonly remoteAddress: string;
  header(name: string): string | undefined;
}
/** `content-length` is added by the server, the body left out where the method is HEAD or the status 304. */
export interface HttpResponse {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Uint8Array | string;
}

export interface SocketServerOptions<T> {
  readonly host: string;
  readonly port: number;
  readonly tls: { readonly certFile: string; readonly keyFile: string } | undefined;
  /** Whether X-Forwarded-For names the client. */
  readonly trustProxy: boolean;
  /** The socket endpoint: `/v1/connect`. */
  readonly path: string;
  /** undefined admits the upgrade; a response refuses it (origin, connection cap, draining). */
  readonly admit: (request: HttpRequest) => HttpResponse | undefined;
  readonly handlers: SocketHandlers<T>;
  /** Every other request. */
  readonly http: (request: HttpRequest) => HttpResponse | Promise<HttpResponse>;
  /** Hears of handlers that threw. */
  readonly logger: Logger;
  /** What one socket may buffer before sends and publishes to it are dropped. */
  readonly bufferedBytesMax: number;
  /** The library's own bound of a message; ours lie below it. */
  readonly payloadBytesMax: number;
}

export interface SocketServer {
  /** The port bound (an ephemeral one when 0 was asked). */
  readonly port: number;
  /** To every subscriber of the topic, in the order of calls, and in order with each socket's own sends. */
  publish(topic: string, bytes: Uint8Array, subprotocol: Subprotocol): void;
  /** Takes no new connection; those open stay. */
  stopListening(): void;
  /** Closes what is left and frees the port. */
  close(): Promise<void>;
}
