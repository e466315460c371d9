import { once } from 'node:events';
import { type RawData, WebSocket } from 'ws';

/** A frame of the JSON subprotocol, unchecked. */
export type RawFrame = { readonly t: string; readonly id?: number } & Readonly<Record<string, unknown>>;

const WAIT_MS_MAX = 10_000;

/** A WebSocket without manners of its own: sends what it is told, keeps all that comes. JSON subprotocol. */
export class RawClient {
  readonly frames: RawFrame[] = [];
  readonly socket: WebSocket;
  closed: { readonly code: number; readonly reason: string } | undefined;
  #waiters: (() => void)[] = [];

  private constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on('message', (data: RawData) => {
      this.frames.push(JSON.parse((data as Buffer).toString()) as RawFrame);
      this.#wake();
    });
    socket.on('close', (code, reason) => {
      this.closed = { code, reason: reason.toString() };
      this.#wake();
    });
    socket.on('error', () => this.#wake()); // `close` follows, and tells
  }

  /** Connected, with no `hello` yet. */
  static async open(url: string): Promise<RawClient> {
    const socket = new WebSocket(`${url.replace('http', 'ws')}/v1/connect`, 'carillon.v1.json', {
      perMessageDeflate: false,
    });
    const client = new RawClient(socket);
    await once(socket, 'open');
    return client;
  }

  /** Connected and welcomed as `user`. */
  static async hello(url: string, user: string, device = 'd1', fields: object = {}): Promise<RawClient> {
    const client = await RawClient.open(url);
    client.send({ t: 'hello', token: `dev:${user}`, device, ...fields });
    await client.next('welcome');
    return client;
  }

  send(frame: object | string): void {
    this.socket.send(typeof frame === 'string' ? frame : JSON.stringify(frame));
  }

  /** The first frame kept of this type that also satisfies `test`; waits for it. */
  async next(t: string, test: (frame: RawFrame) => boolean = () => true): Promise<RawFrame> {
    return this.#wait(`a ${t}`, () => this.frames.find((frame) => frame.t === t && test(frame)));
  }

  /** The answer to a request. */
  async answer(id: number): Promise<RawFrame> {
    return this.#wait(`the answer to ${id}`, () => this.frames.find((frame) => frame.id === id));
  }

  async request(frame: RawFrame & { readonly id: number }): Promise<RawFrame> {
    this.send(frame);
    return this.answer(frame.id);
  }

  /** Waits for the socket to be closed by the server. */
  async end(): Promise<{ readonly code: number; readonly reason: string }> {
    return this.#wait('the close', () => this.closed);
  }

  async count(
    what: string,
    n: number,
    test: (frame: RawFrame) => boolean,
    msMax = WAIT_MS_MAX,
  ): Promise<RawFrame[]> {
    const matching = (): RawFrame[] => this.frames.filter(test);
    await this.#wait(`${n} ${what}`, () => matching().length >= n || undefined, msMax);
    return matching();
  }

  close(): void {
    this.socket.terminate();
  }

  async #wait<T>(what: string, look: () => T | undefined, msMax = WAIT_MS_MAX): Promise<T> {
    const deadline = performance.now() + msMax;
    for (;;) {
      const found = look();
      if (found !== undefined) return found;
      const left = deadline - performance.now();
      if (left <= 0 || (this.closed !== undefined && what !== 'the close')) {
        throw new Error(
          `${what} did not come; closed: ${JSON.stringify(this.closed)}; last: ${JSON.stringify(this.frames.slice(-3))}`,
        );
      }
      await this.#news(left);
    }
  }

  #news(msMax: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, msMax);
      this.#waiters.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  #wake(): void {
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const wake of waiters) wake();
  }
}
