import type { Buffer } from 'node:buffer';
import { once } from 'node:events';
import { type RawData, WebSocket } from 'ws';
import { ConversationSequencer } from '../../actors/conversation-sequencer.ts';
import { routed } from '../support/routed.ts';
import { ActorHost } from '../../cluster/actor-host.ts';
import { MemoryPresence } from '../../src/adapters/memory/presence.ts';
import { MemoryStore } from '../../src/adapters/memory/store.ts';
import { realSystem } from '../../src/adapters/system.ts';
import type { Logger } from '../../src/core/ports.ts';
import { devAuthenticator } from '../../src/edge/auth/dev.ts';
import { createEdge, type Edge } from '../../src/edge/edge.ts';
import type { SocketServer, Subprotocol } from '../../src/edge/socket.ts';
import { listen, type SocketLibrary } from '../../src/edge/socket-server.ts';
import { decodeServer, encodeClient } from '../../src/protocol/client-codec.ts';
import { type ClientFrame, type ServerFrame, SUBPROTOCOLS } from '../../src/protocol/frames.ts';
import { createMetrics, type Metrics } from '../../src/telemetry.ts';

/** Edge, actors and real sockets in this process, over a store in memory. */
export interface Stack {
  readonly url: string;
  readonly edge: Edge;
  readonly metrics: Metrics;
  /** What was logged as an error. */
  readonly errors: string[];
  close(): Promise<void>;
}

/** Serves the edge's sockets, and nothing else, on a free port. */
export async function listenFor(edge: Edge, logger: Logger, library: SocketLibrary): Promise<SocketServer> {
  const sockets = await listen(
    {
      host: '127.0.0.1',
      port: 0,
      tls: undefined,
      trustProxy: false,
      path: '/v1/connect',
      admit: () => undefined,
      handlers: edge.handlers,
      http: () => ({ status: 404, headers: {}, body: '' }),
      logger,
      bufferedBytesMax: 512 * 1024,
      payloadBytesMax: 1024 * 1024,
    },
    library,
  );
  edge.usePublisher(sockets);
  return sockets;
}

export async function startStack(library: SocketLibrary): Promise<Stack> {
  const system = realSystem();
  const metrics = createMetrics();
  const store = new MemoryStore(system);
  const errors: string[] = [];
  const logger: Logger = {
    info: () => undefined,
    warn: () => undefined,
    error: (fields, message) => void errors.push(`${message} ${JSON.stringify(fields)}`),
  };
  const edge = createEdge({
    id: 'edge-1',
    system,
    logger,
    metrics,
    messages: store,
    projections: store,
    presence: new MemoryPresence(system),
    authenticator: devAuthenticator,
    settings: { sendsPerSecond: 100_000, burst: 100_000, reconnectSpreadMs: 1_000 },
  });
  const makeActor = (activation: ConstructorParameters<typeof ConversationSequencer>[0]) =>
    new ConversationSequencer(activation);
  const host = new ActorHost({ ports: store, edge, system, logger, metrics, makeActor });
  const { router, stop: stopUsers } = routed({ host, edge, store: store.projections, system, logger });
  edge.useOwners(router);
  const sockets = await listenFor(edge, logger, library);
  return {
    url: `ws://127.0.0.1:${sockets.port}/v1/connect`,
    edge,
    metrics,
    errors,
    close: async () => {
      stopUsers();
      host.stop();
      edge.stop();
      await sockets.close();
    },
  };
}

/** A WebSocket that speaks frames, and keeps what comes. */
export class FrameClient {
  readonly frames: ServerFrame[] = [];
  readonly socket: WebSocket;
  closeCode: number | undefined;
  readonly #subprotocol: Subprotocol;
  #wake: () => void = () => undefined;

  private constructor(url: string, subprotocol: Subprotocol) {
    this.#subprotocol = subprotocol;
    this.socket = new WebSocket(url, SUBPROTOCOLS[subprotocol], { perMessageDeflate: false });
    this.socket.on('message', (data: RawData) => {
      const bytes = data as Buffer;
      const frame = decodeServer(
        subprotocol === 'json' ? bytes.toString() : new Uint8Array(bytes),
        subprotocol,
      );
      if (frame !== undefined) this.frames.push(frame);
      this.#wake();
    });
    this.socket.on('close', (code) => {
      this.closeCode = code;
      this.#wake();
    });
  }

  static async join(
    url: string,
    user: string,
    subprotocol: Subprotocol,
    device = 'd1',
  ): Promise<FrameClient> {
    const client = new FrameClient(url, subprotocol);
    await once(client.socket, 'open');
    client.send({ t: 'hello', token: `dev:${user}`, device });
    await client.until('welcome', () => client.frames.some(({ t }) => t === 'welcome'));
    return client;
  }

  send(frame: ClientFrame): void {
    this.socket.send(encodeClient(frame, this.#subprotocol));
  }

  async ask(frame: ClientFrame & { readonly id: number }): Promise<ServerFrame> {
    this.send(frame);
    const find = () => this.frames.find((each) => 'id' in each && each.id === frame.id);
    await this.until(`the answer to ${frame.id}`, () => find() !== undefined);
    return find() as ServerFrame;
  }

  async until(what: string, isTrue: () => boolean, msMax = 20_000): Promise<void> {
    const deadline = performance.now() + msMax;
    while (!isTrue()) {
      if (performance.now() > deadline) throw new Error(`${what} did not come`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, 50);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }
}
