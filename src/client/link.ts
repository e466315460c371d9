import type { Bye, ClientFrame, Hello, ServerFrame, Welcome } from '../protocol/frames.ts';
import { backoffMs } from './backoff.ts';
import type { Codec } from './codec.ts';
import { asError } from './errors.ts';
import { openSocket, type WebSocketClass } from './socket.ts';
import type { Cancel, ClientSystem } from './system.ts';

/**
 * What the connection is doing. `closed` is final until `connect` is called: the server forbade reconnecting
 * (`code` 4100–4199 and the protocol's name of it as `reason`), or the client was closed (`reason` 'closed').
 */
export type ConnectionState =
  | { readonly is: 'connecting' }
  | { readonly is: 'online'; readonly user: string; readonly session: string }
  | { readonly is: 'waiting'; readonly reason: string; readonly retryInMs: number }
  | { readonly is: 'closed'; readonly reason: string; readonly code?: number };

export interface LinkOptions {
  /** One at least; each new connection is to the next. */
  readonly urls: readonly string[];
  readonly codec: Codec;
  readonly webSocket: WebSocketClass | Promise<WebSocketClass>;
  readonly system: ClientSystem;
  /** Until `welcome` names it. */
  readonly heartbeatMs: number;
  /** The first frame of the next connection; a rejection counts as a failed connection. */
  hello(): Promise<Hello>;
  /** A request id that no unanswered request of the connection has. */
  nextId(): number;
  online(welcome: Welcome): void;
  /** Every frame but `welcome`, `bye` and the link's own `pong`s. */
  frame(frame: ServerFrame): void;
  /** The connection that was online is gone; what it left unanswered will not be answered. */
  offline(): void;
  state(state: ConnectionState): void;
}

/** From opening a socket to `welcome`. */
const WELCOME_MS_MAX = 15_000;
const PONG_MS_MAX = 5_000;

/** Keeps one greeted connection alive: opens, greets, listens for life, and opens anew until told not to. */
export class Link {
  readonly #options: LinkOptions;
  #state: ConnectionState = { is: 'closed', reason: 'not started' };
  #socket: { send(data: Uint8Array | string): void; detach(): void } | undefined;
  /** Tells the present connection's callbacks from those of one given up. */
  #epoch = 0;
  #failures = 0;
  /** Of `urls`. */
  #at = 0;
  #bye: Bye | undefined;
  #timer: Cancel | undefined;
  #heartbeatMs: number;
  #heardAt = 0;
  #pingId = 0;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#heartbeatMs = options.heartbeatMs;
  }

  get state(): ConnectionState {
    return this.#state;
  }

  get isOnline(): boolean {
    return this.#state.is === 'online';
  }

  /** Connects at once, whether waiting to or closed; nothing if it is at it already. */
  start(): void {
    if (this.#state.is === 'connecting' || this.#state.is === 'online') return;
    this.#connect();
  }

  stop(reason: string): void {
    if (this.#state.is === 'closed') return;
    this.#drop();
    this.#enter({ is: 'closed', reason });
  }

  /** Gives the connection up and opens a new one. */
  renew(reason: string): void {
    if (this.#state.is === 'online' || this.#state.is === 'connecting') this.#lost(reason, 1006);
  }

  /** Writes the frame, if there is a greeted connection to write it to. */
  send(frame: ClientFrame): boolean {
    if (this.#state.is !== 'online') return false;
    this.#socket?.send(this.#options.codec.encode(frame));
    return true;
  }

  #enter(state: ConnectionState): void {
    this.#state = state;
    this.#options.state(state);
  }

  #connect(): void {
    const epoch = ++this.#epoch;
    this.#cancelTimer();
    this.#bye = undefined;
    this.#enter({ is: 'connecting' });
    if (epoch !== this.#epoch) return; // a listener stopped us
    this.#timer = this.#options.system.after(WELCOME_MS_MAX, () => this.#lost('no welcome in time', 1006));
    this.#open(epoch).catch((error: unknown) => {
      if (epoch === this.#epoch) this.#lost(asError(error).message, 1006);
    });
  }

  async #open(epoch: number): Promise<void> {
    const { urls, codec } = this.#options;
    const url = urls[this.#at] as string;
    const webSocket = await this.#options.webSocket;
    const hello = await this.#options.hello();
    if (epoch !== this.#epoch) return;
    this.#socket = openSocket(webSocket, url, codec.subprotocol, {
      open: () => this.#socket?.send(codec.encode(hello)),
      frame: (data) => this.#received(data),
      closed: (code, reason) => this.#lost(reason || `closed with ${code}`, code),
    });
  }

  #received(data: Uint8Array | string): void {
    this.#heardAt = this.#options.system.monotonic();
    let frame: ServerFrame | undefined;
    try {
      frame = this.#options.codec.decode(data);
    } catch (error) {
      this.#lost(`unreadable frame: ${asError(error).message}`, 1006);
      return;
    }
    if (frame === undefined) return; // of a later protocol
    if (frame.t === 'welcome') this.#welcomed(frame);
    else if (frame.t === 'bye') this.#bye = frame;
    else if (frame.t !== 'pong' || frame.id !== this.#pingId) this.#options.frame(frame);
  }

  #welcomed(welcome: Welcome): void {
    this.#failures = 0;
    this.#heartbeatMs = welcome.limits.heartbeatMs;
    this.#cancelTimer();
    this.#timer = this.#options.system.after(this.#heartbeatMs, () => this.#checkLife());
    this.#state = { is: 'online', user: welcome.user, session: welcome.session };
    this.#options.online(welcome);
    this.#options.state(this.#state);
  }

  #checkLife(): void {
    const { system } = this.#options;
    const idleMs = system.monotonic() - this.#heardAt;
    if (idleMs < this.#heartbeatMs) {
      this.#timer = system.after(this.#heartbeatMs - idleMs, () => this.#checkLife());
      return;
    }
    this.#pingId = this.#options.nextId();
    this.send({ t: 'ping', id: this.#pingId });
    const heardAt = this.#heardAt;
    this.#timer = system.after(PONG_MS_MAX, () => {
      if (this.#heardAt === heardAt) this.#lost('no sign of life', 1006);
      else this.#checkLife();
    });
  }

  #lost(reason: string, code: number): void {
    const wasOnline = this.isOnline;
    const bye = this.#bye;
    this.#at = (this.#at + 1) % this.#options.urls.length;
    this.#drop();
    const final = bye === undefined ? code >= 4100 && code < 4200 : !bye.reconnect;
    if (final) {
      this.#state = { is: 'closed', reason: bye?.reason ?? reason, code: bye?.code ?? code };
    } else {
      this.#failures++;
      const retryInMs = bye?.retryAfterMs ?? backoffMs(this.#failures, this.#options.system.random());
      this.#timer = this.#options.system.after(retryInMs, () => this.#connect());
      this.#state = { is: 'waiting', reason: bye?.reason ?? reason, retryInMs };
    }
    if (wasOnline) this.#options.offline();
    this.#options.state(this.#state);
  }

  #drop(): void {
    this.#epoch++;
    this.#cancelTimer();
    this.#socket?.detach();
    this.#socket = undefined;
  }

  #cancelTimer(): void {
    this.#timer?.();
    this.#timer = undefined;
  }
}
