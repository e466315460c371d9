/** Many clients of one server: connects them, says `hello`, and carries the requests of set-up and audit. */
import { CLOSES } from '../../src/core/errors.ts';
import { decodeServer, encodeClient } from '../../src/protocol/client-codec.ts';
import type { ClientFrame, ServerFrame } from '../../src/protocol/frames.ts';
import type { Address, Target } from '../plan.ts';
import { user } from '../topology.ts';
import { ACK, MESSAGE, SEND } from './frames.ts';
import { type FrameHandler, WireSocket } from './socket.ts';

/** Takes the frames that a load is made of, and what no request waits for. */
export interface LoadHandler {
  hot(connection: number, type: number, bytes: Uint8Array, start: number, end: number): void;
  other(connection: number, frame: ServerFrame): void;
  readEnd(connection: number): void;
}

/** Connections being opened, and requests unanswered over all connections, at once. */
const CONNECTING_MAX = 64;
const REQUESTS_MAX = 256;
const ANSWER_MS_MAX = 60_000;

type Answered = (frame: ServerFrame) => void;
/** A frame with an id, before the id is given. */
export type Request = {
  [K in ClientFrame['t']]: Omit<Extract<ClientFrame, { t: K; id: number }>, 'id'>;
}[ClientFrame['t']];

export class Clients implements FrameHandler {
  readonly sockets: WireSocket[] = [];
  handler: LoadHandler | undefined;
  readonly #target: Target;
  readonly #problem: (text: string) => void;
  readonly #waiting = new Map<number, Answered>();
  readonly #unanswered = new Map<string, Answered>();
  readonly #nextId: number[] = [];
  readonly #left = new WeakSet<WireSocket>();
  #closing = false;

  constructor(target: Target, problem: (text: string) => void) {
    this.#target = target;
    this.#problem = problem;
  }

  /** Opens connections up to `total`; each is ready (its `welcome` came) when the promise resolves. */
  async connect(total: number, progress?: (open: number) => void): Promise<void> {
    let next = this.sockets.length;
    let open = next;
    const worker = async (): Promise<void> => {
      while (next < total) {
        await this.connectOne(next++);
        open++;
        if (open % 500 === 0) progress?.(open);
      }
    };
    await Promise.all(Array.from({ length: Math.min(CONNECTING_MAX, total - next) }, worker));
  }

  /** Opens the connection with this number, which is not open. */
  async connectOne(index: number): Promise<void> {
    const { addresses, path, subprotocol } = this.#target;
    const { host, port } = addresses[index % addresses.length] as Address;
    const socket = await WireSocket.connect({ host, port, path, subprotocol, handler: this, index });
    this.sockets[index] = socket;
    this.#nextId[index] = 1;
    if (subprotocol === undefined) return;
    const welcome = new Promise<ServerFrame>((resolve) => this.#waiting.set(index, resolve));
    socket.sendBytes(encodeClient({ t: 'hello', token: `dev:${user(index)}`, device: 'bench' }, 'binary'));
    socket.flush();
    const answer = await welcome;
    if (answer.t !== 'welcome')
      throw new Error(`hello of ${user(index)} was answered by ${JSON.stringify(answer)}`);
  }

  /** Closes one connection, so that it can be opened again. */
  disconnect(index: number): void {
    const socket = this.sockets[index];
    if (socket === undefined) return;
    this.#left.add(socket);
    socket.close();
  }

  request(connection: number, request: Request): Promise<ServerFrame> {
    const id = this.#nextId[connection] as number;
    this.#nextId[connection] = id + 1;
    const socket = this.sockets[connection] as WireSocket;
    return new Promise((resolve, reject) => {
      const late = (): void =>
        reject(new Error(`${request.t} of connection ${connection} was never answered`));
      const timer = setTimeout(late, ANSWER_MS_MAX);
      this.#unanswered.set(`${connection}/${id}`, (frame) => {
        clearTimeout(timer);
        resolve(frame);
      });
      socket.sendBytes(encodeClient({ ...request, id } as ClientFrame, 'binary'));
      socket.flush();
    });
  }

  /** Makes `count` requests, a bounded number at a time; a refusal that may pass is asked again, others throw. */
  async requestAll(
    count: number,
    make: (index: number) => { connection: number; request: Request },
    answered: (index: number, frame: ServerFrame) => void,
  ): Promise<void> {
    let next = 0;
    const worker = async (): Promise<void> => {
      while (next < count) {
        const index = next++;
        const { connection, request } = make(index);
        for (;;) {
          const frame = await this.request(connection, request);
          if (frame.t === 'error' && frame.retryable) {
            await new Promise((resolve) => setTimeout(resolve, frame.retryAfterMs ?? 100));
            continue;
          }
          if (frame.t === 'error')
            throw new Error(`${request.t} was refused: ${frame.code}: ${frame.message}`);
          answered(index, frame);
          break;
        }
      }
    };
    await Promise.all(Array.from({ length: Math.min(count, REQUESTS_MAX) }, worker));
  }

  closeAll(): void {
    this.#closing = true;
    this.sockets.forEach((socket) => socket.close()); // skips the numbers that are not open
  }

  frame(socket: WireSocket, bytes: Uint8Array, start: number, end: number): void {
    const type = bytes[start] as number;
    if (this.handler !== undefined && (type === ACK || type === MESSAGE || type === SEND)) {
      this.handler.hot(socket.index, type, bytes, start, end);
      return;
    }
    const frame = decodeServer(bytes.slice(start, end), 'binary');
    if (frame === undefined) {
      this.#problem(`connection ${socket.index} got a frame of unknown type ${type}`);
      return;
    }
    const waiting = this.#waiting.get(socket.index);
    if (waiting !== undefined && (frame.t === 'welcome' || frame.t === 'error' || frame.t === 'bye')) {
      this.#waiting.delete(socket.index);
      waiting(frame);
      return;
    }
    const id = 'id' in frame ? frame.id : undefined;
    const key = `${socket.index}/${id}`;
    const answered = id === undefined ? undefined : this.#unanswered.get(key);
    if (answered === undefined) {
      this.handler?.other(socket.index, frame);
      return;
    }
    this.#unanswered.delete(key);
    answered(frame);
  }

  readEnd(socket: WireSocket): void {
    this.handler?.readEnd(socket.index);
  }

  closed(socket: WireSocket, code: number, reason: string): void {
    if (this.#closing || this.#left.has(socket)) return;
    const name = Object.entries(CLOSES).find(([, close]) => close.code === code)?.[0];
    this.#problem(`connection ${socket.index} was closed: ${code} ${name ?? ''} ${reason}`.trimEnd());
  }
}
