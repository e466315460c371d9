/** The composition root: config -> adapters -> roles. */
import { ConversationSequencer } from '../actors/conversation-sequencer.ts';
import { ActorHost } from '../cluster/actor-host.ts';
import { Router } from '../cluster/router.ts';
import { type LmdbStore, openLmdbStore } from './adapters/lmdb/store.ts';
import { realSystem } from './adapters/system.ts';
import type { Config } from './config.ts';
import { loadAssets } from './console/assets.ts';
import { uuidV7 } from './core/ids.ts';
import type { Logger, System } from './core/ports.ts';
import { Admission } from './edge/admission.ts';
import type { Authenticator } from './edge/auth/authenticator.ts';
import { createAuthenticator } from './edge/auth/create-authenticator.ts';
import { createEdge, type Edge } from './edge/edge.ts';
import { adminHttp, type HttpOptions, mainHttp } from './edge/http.ts';
import type { HttpResponse, SocketHandlers, SocketServer, SocketServerOptions } from './edge/socket.ts';
import { listen } from './edge/socket-server.ts';
import { type Component, Lifecycle } from './lifecycle.ts';
import { createLogger, createMetrics, type Metrics } from './telemetry.ts';

const SOCKET_PATH = '/v1/connect';
const BUFFERED_BYTES_MAX = 512 * 1024;
const PAYLOAD_BYTES_MAX = 1024 * 1024;
const DRAIN_MS_MAX = 10_000;
const RECONNECT_SPREAD_MS = 5_000;
const QUIET_LOOK_MS = 10;

export interface RunningServer {
  /** Where the page and the sockets are. */
  readonly url: string;
  /** Drains and stops; resolves to the exit code. */
  stop(): Promise<number>;
}

/** Starts everything that the config asks for; rejects, with nothing left running, if a part cannot start. */
export async function startServer(config: Config): Promise<RunningServer> {
  const system = realSystem();
  const logger = createLogger({ level: config.logLevel, format: config.logFormat });
  const metrics = createMetrics();
  // What can fail for want of a file comes first: the store, once open, is the lifecycle's to close.
  const authenticator = createAuthenticator(config.auth, () => system.now());
  const files = await loadAssets();
  const store = await openStore(config, system, logger);
  const edge = openEdge(config, authenticator, store, system, logger, metrics);
  const host = openHost(store, edge, system, logger, metrics);
  const router = new Router(host, edge);
  edge.useOwners(router);
  const admission = openAdmission(config);
  const sockets = new SocketsComponent(config, edge, admission, logger, {
    socketPath: SOCKET_PATH,
    files,
    readiness: () => lifecycle.readiness(),
    metrics: () => metrics.scrape(),
  });
  const lifecycle = new Lifecycle(
    system,
    logger,
    [storeComponent(store), hostComponent(host, router, store, system), edgeComponent(edge), sockets],
    { drainMsMax: DRAIN_MS_MAX, exit: (code) => process.exit(code) },
  );
  await lifecycle.start();
  lifecycle.exitOnSignals();
  return { url: sockets.url, stop: () => lifecycle.shutDown() };
}

function openStore(config: Config, system: System, logger: Logger): Promise<LmdbStore> {
  return openLmdbStore(config.dataDir, system, logger, {
    onFailure: (err) => {
      logger.error(
        { err },
        'the store is out of service: the process ends, and a start recovers what is acked',
      );
      system.after(0, () => process.exit(1));
    },
  });
}

function openEdge(
  config: Config,
  authenticator: Authenticator,
  store: LmdbStore,
  system: System,
  logger: Logger,
  metrics: Metrics,
): Edge {
  return createEdge({
    id: uuidV7(system.now(), system.random(10)),
    system,
    logger,
    metrics,
    messages: store.messages,
    projections: store.projections,
    authenticator,
    settings: {
      sendsPerSecond: config.sendsPerSecond,
      burst: config.sendBurst,
      reconnectSpreadMs: RECONNECT_SPREAD_MS,
    },
  });
}

function openHost(store: LmdbStore, edge: Edge, system: System, logger: Logger, metrics: Metrics): ActorHost {
  return new ActorHost({
    ports: store,
    edge,
    system,
    logger,
    metrics,
    makeActor: (activation) => new ConversationSequencer(activation),
  });
}

function openAdmission(config: Config): Admission {
  const { connectionsMax, connectionsPerAddressMax, origins, trustProxy } = config;
  const loopbackOnly = config.auth.kind === 'dev';
  return new Admission({ connectionsMax, connectionsPerAddressMax, origins, trustProxy, loopbackOnly });
}

function storeComponent(store: LmdbStore): Component {
  return {
    name: 'store',
    stop: () => store.close(),
    unready: () => {
      const { inService, full } = store.stats();
      if (!inService) return 'out of service';
      return full ? 'the disk is full' : undefined;
    },
  };
}

function hostComponent(host: ActorHost, router: Router, store: LmdbStore, system: System): Component {
  return {
    name: 'sequencer',
    start: async () => host.walk(await store.projections.dirty()),
    async drain() {
      router.stopIntake();
      while (!host.quiet) await new Promise<void>((resolve) => system.after(QUIET_LOOK_MS, resolve));
      await host.projector.flush();
      await store.projections.clearDirty(Number.MAX_SAFE_INTEGER); // all of it is written
    },
    stop: () => host.stop(),
  };
}

function edgeComponent(edge: Edge): Component {
  return { name: 'edge', drain: (msLeft) => edge.drain(msLeft / 2), stop: () => edge.stop() };
}

/** The listening ports. Drained first: nobody new comes in while the rest settles. */
class SocketsComponent implements Component {
  readonly name = 'sockets';
  url = '';
  readonly #config: Config;
  readonly #edge: Edge;
  readonly #admission: Admission;
  readonly #logger: Logger;
  readonly #http: HttpOptions;
  #servers: SocketServer[] = [];

  constructor(config: Config, edge: Edge, admission: Admission, logger: Logger, http: HttpOptions) {
    this.#config = config;
    this.#edge = edge;
    this.#admission = admission;
    this.#logger = logger;
    this.#http = http;
  }

  async start(): Promise<void> {
    const { host, port, adminPort, tls, sockets } = this.#config;
    const handlers = counted(this.#edge.handlers, this.#admission);
    const admit = this.#admission.admit.bind(this.#admission);
    const main = await listen(this.#options(port, tls, handlers, admit, mainHttp(this.#http)), sockets);
    this.#servers.push(main);
    this.#edge.usePublisher(main);
    this.url = `${tls === undefined ? 'http' : 'https'}://${host.includes(':') ? `[${host}]` : host}:${main.port}`;
    if (adminPort === undefined) return;
    const refuse = (): HttpResponse => ({
      status: 404,
      headers: {},
      body: 'Sockets are on the main port.\n',
    });
    // Plain HTTP whatever the main port speaks: for probes and scrapers within the operator's own network.
    const admin = this.#options(adminPort, undefined, handlers, refuse, adminHttp(this.#http));
    this.#servers.push(await listen(admin, sockets));
  }

  drain(): void {
    this.#admission.drain(RECONNECT_SPREAD_MS);
  }

  async stop(): Promise<void> {
    for (const server of this.#servers) await server.close();
  }

  #options<T>(
    port: number,
    tls: Config['tls'],
    handlers: SocketHandlers<T>,
    admit: SocketServerOptions<T>['admit'],
    http: SocketServerOptions<T>['http'],
  ): SocketServerOptions<T> {
    const { host, trustProxy } = this.#config;
    const bounds = { bufferedBytesMax: BUFFERED_BYTES_MAX, payloadBytesMax: PAYLOAD_BYTES_MAX };
    return {
      host,
      port,
      tls,
      trustProxy,
      path: SOCKET_PATH,
      admit,
      handlers,
      http,
      logger: this.#logger,
      ...bounds,
    };
  }
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
