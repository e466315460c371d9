import type { Config } from '../config.ts';
import type { Logger } from '../core/ports.ts';
import { Admission } from '../edge/admission.ts';
import type { Edge } from '../edge/edge.ts';
import { adminHttp, type HttpOptions, mainHttp } from '../edge/http.ts';
import type { HttpResponse, SocketHandlers, SocketServer, SocketServerOptions } from '../edge/socket.ts';
import { listen } from '../edge/socket-server.ts';
import type { Component } from '../lifecycle.ts';

export const SOCKET_PATH = '/v1/connect';
/** On leaving, clients are asked to come back after up to this. */
export const RECONNECT_SPREAD_MS = 5_000;
const BUFFERED_BYTES_MAX = 512 * 1024;
const PAYLOAD_BYTES_MAX = 1024 * 1024;

/** The main port: the page, HTTP and the sockets of an edge. Drained first: nobody new comes in while the rest settles. */
export class MainPort implements Component {
  readonly name = 'sockets';
  url = '';
  readonly #config: Config;
  readonly #edge: Edge;
  readonly #admission: Admission;
  readonly #logger: Logger;
  readonly #http: HttpOptions;
  #server: SocketServer | undefined;

  constructor(config: Config, edge: Edge, logger: Logger, http: HttpOptions) {
    const { connectionsMax, connectionsPerAddressMax, origins, trustProxy, auth } = config;
    const loopbackOnly = auth.kind === 'dev';
    this.#config = config;
    this.#edge = edge;
    this.#admission = new Admission({
      connectionsMax,
      connectionsPerAddressMax,
      origins,
      trustProxy,
      loopbackOnly,
    });
    this.#logger = logger;
    this.#http = http;
  }

  async start(): Promise<void> {
    const { host, port, tls, trustProxy, sockets } = this.#config;
    this.#server = await listen(
      {
        ...shared(host, port, this.#logger),
        tls,
        trustProxy,
        admit: this.#admission.admit.bind(this.#admission),
        handlers: counted(this.#edge.handlers, this.#admission),
        http: mainHttp(this.#http),
      },
      sockets,
    );
    this.#edge.usePublisher(this.#server);
    const name = host.includes(':') ? `[${host}]` : host;
    this.url = `${tls === undefined ? 'http' : 'https'}://${name}:${this.#server.port}`;
  }

  drain(): void {
    this.#admission.drain(RECONNECT_SPREAD_MS);
  }

  async stop(): Promise<void> {
    await this.#server?.close();
  }
}

/** Plain HTTP whatever the main port speaks: for probes and scrapers within the operator's own network. */
export class AdminPort implements Component {
  readonly name = 'admin';
  url = '';
  readonly #config: Config;
  readonly #logger: Logger;
  readonly #http: HttpOptions;
  #server: SocketServer | undefined;

  constructor(config: Config, logger: Logger, http: HttpOptions) {
    this.#config = config;
    this.#logger = logger;
    this.#http = http;
  }

  async start(): Promise<void> {
    const { host, adminPort, trustProxy, sockets } = this.#config;
    if (adminPort === undefined) return;
    this.#server = await listen(
      {
        ...shared(host, adminPort, this.#logger),
        tls: undefined,
        trustProxy,
        admit: () => NO_SOCKETS,
        handlers: NO_HANDLERS,
        http: adminHttp(this.#http),
      },
      sockets,
    );
    this.url = `http://${host.includes(':') ? `[${host}]` : host}:${this.#server.port}`;
  }

  async stop(): Promise<void> {
    await this.#server?.close();
  }
}

const NO_SOCKETS: HttpResponse = { status: 404, headers: {}, body: 'Sockets are on the main port.\n' };

/** Of a port that admits none. */
const NO_HANDLERS: SocketHandlers<undefined> = {
  open: () => undefined,
  message: () => undefined,
  alive: () => undefined,
  drain: () => undefined,
  dropped: () => undefined,
  closed: () => undefined,
};

type Shared = Pick<
  SocketServerOptions<unknown>,
  'host' | 'port' | 'path' | 'logger' | 'bufferedBytesMax' | 'payloadBytesMax'
>;

function shared(host: string, port: number, logger: Logger): Shared {
  return {
    host,
    port,
    path: SOCKET_PATH,
    logger,
    bufferedBytesMax: BUFFERED_BYTES_MAX,
    payloadBytesMax: PAYLOAD_BYTES_MAX,
  };
}

/** Tells the admission of every socket that comes and goes. */
function counted<T extends { readonly socket: { readonly remoteAddress: string } }>(
  handlers: SocketHandlers<T>,
  admission: Admission,
): SocketHandlers<T> {
  return {
    ...handlers,
    open(socket) {
      admission.opened(socket.remoteAddress);
      return handlers.open(socket);
    },
    closed(session, code) {
      admission.closed(session.socket.remoteAddress);
      handlers.closed(session, code);
    },
  };
}
