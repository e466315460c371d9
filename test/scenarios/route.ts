import { WebSocket } from 'ws';
import { socketUrl } from '../../src/client/options.ts';
import type { WebSocketClass } from '../../src/client/node.ts';

/**
 * Which of several servers a client is at: first at its home, and with each further connection at the next one, so
 * that a server's clients go elsewhere when it dies. Give `webSocket` to the client, whose own URL then counts for
 * nothing.
 */
export class Route {
  readonly webSocket: WebSocketClass;
  readonly #urls: readonly string[];
  readonly #home: number;
  #at: number;
  #socket: WebSocket | undefined;

  constructor(urls: readonly string[], home: number) {
    this.#urls = urls;
    this.#home = home % urls.length;
    this.#at = this.#home;
    const next = (): string => {
      if (this.#socket !== undefined) this.#at = (this.#at + 1) % urls.length;
      return socketUrl(this.url);
    };
    const opened = (socket: WebSocket): void => {
      this.#socket = socket;
    };
    this.webSocket = class extends WebSocket {
      constructor(_: string, protocols?: string | string[]) {
        super(next(), protocols, { perMessageDeflate: false });
        opened(this);
      }
    } as unknown as WebSocketClass;
  }

  /** The server of the last connection. */
  get url(): string {
    return this.#urls[this.#at] as string;
  }

  /** The last connection's socket; undefined before the first. */
  get socket(): WebSocket | undefined {
    return this.#socket;
  }

  /** Hangs up if it is elsewhere: the next connection is to the home server. */
  goHome(): void {
    if (this.#at === this.#home) return;
    this.#at = (this.#home + this.#urls.length - 1) % this.#urls.length;
    this.#socket?.terminate();
  }
}
