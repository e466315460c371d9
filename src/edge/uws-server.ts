import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import uWS from 'uWebSockets.js';
import type { WebSocket as UwsWebSocket } from 'uWebSockets.js';
import { clientAddress } from './address.ts';
import { HandledSocket, SocketContext } from './handled-socket.ts';
import type {
  HttpRequest,
  HttpResponse,
  SendResult,
  SocketServer,
  SocketServerOptions,
  Subprotocol,
} from './socket.ts';
import { answerHttp, decideUpgrade, statusLine } from './upgrade.ts';

/** Over the edge's own 45 s: what frees a socket whose session has gone. */
const IDLE_TIMEOUT_SECONDS = 120;
/** Without it uWS shares the port with whoever else asks for it. */
const EXCLUSIVE_PORT: uWS.ListenOptions = 1;

/** uWS's results of `send`. */
const BACKPRESSURE = 0;
const DROPPED = 2;

/** uWS copies these properties onto its own object of the socket. */
interface Holder<T> {
  readonly socket: UwsSocket<T>;
}

/** The typed overloads lack `host` with options, which the library takes. */
interface Listening {
  listen(
    host: string,
    port: number,
    options: number,
    done: (listener: uWS.us_listen_socket | false) => void,
  ): void;
}

class UwsSocket<T> extends HandledSocket<T> {
  /** Set in `attach`, before any handler runs. */
  private ws!: UwsWebSocket<Holder<T>>;
  private readonly app: uWS.TemplatedApp;
  private readonly isBinary: boolean;
  /** uWS lets only a socket that has subscribed to something publish as the sender. */
  private hasSubscribed = false;
  /** Messages that uWS reported as dropped during the own send under way; -1 between sends. */
  private droppedInSend = -1;

  constructor(
    context: SocketContext<T>,
    app: uWS.TemplatedApp,
    subprotocol: Subprotocol,
    remoteAddress: string,
  ) {
    super(context, subprotocol, remoteAddress);
    this.app = app;
    this.isBinary = subprotocol === 'binary';
  }

  attach(ws: UwsWebSocket<Holder<T>>): void {
    this.ws = ws;
    this.onOpen();
  }

  /** uWS reports own sends like published messages; before an own send it writes what was published. */
  onDropped(): void {
    if (this.droppedInSend >= 0) this.droppedInSend++;
    else this.onLoss();
  }

  protected libBufferedBytes(): number {
    return this.ws.getBufferedAmount();
  }

  protected libIsFull(): boolean {
    return this.ws.getBufferedAmount() > this.context.bufferedBytesMax;
  }

  protected libSend(bytes: Uint8Array): SendResult {
    this.droppedInSend = 0;
    const status = this.ws.send(bytes, this.isBinary, false);
    this.settleDropped(status);
    return status === BACKPRESSURE ? 'buffered' : status === DROPPED ? 'dropped' : 'sent';
  }

  protected libPing(): void {
    this.droppedInSend = 0;
    this.settleDropped(this.ws.ping());
  }

  private settleDropped(status: number): void {
    const ofOthers = status === DROPPED ? this.droppedInSend - 1 : this.droppedInSend;
    this.droppedInSend = -1;
    if (ofOthers > 0) this.onLoss();
  }

  protected libCork(write: () => void): void {
    this.ws.cork(write);
  }

  protected libSubscribe(topic: string): void {
    this.hasSubscribed = true;
    this.ws.subscribe(topicKey(topic, this.subprotocol));
  }

  protected libUnsubscribe(topic: string): void {
    this.ws.unsubscribe(topicKey(topic, this.subprotocol));
  }

  protected libPublish(topic: string, bytes: Uint8Array): void {
    const key = topicKey(topic, this.subprotocol);
    if (this.hasSubscribed) this.ws.publish(key, bytes, this.isBinary, false);
    else this.app.publish(key, bytes, this.isBinary, false);
  }

  protected libEnd(code: number, reason: string): void {
    this.ws.end(code, reason);
  }

  protected libTerminate(): void {
    this.ws.close();
  }
}

/** One uWS topic per subprotocol: its subscribers get the same bytes. */
function topicKey(topic: string, subprotocol: Subprotocol): string {
  return (subprotocol === 'binary' ? 'b' : 'j') + topic;
}

/** Serves sockets and HTTP on one port with uWebSockets.js; rejects if it cannot listen. */
export async function listenUws<T>(options: SocketServerOptions<T>): Promise<SocketServer> {
  const app = createApp(options);
  app.ws<Holder<T>>(options.path, behavior(app, options));
  app.any('/*', (res, req) => serveHttp(options, res, req));
  const listener = await startListening(app, options.host, options.port);

  let listening = true;
  const stopListening = (): void => {
    if (listening) uWS.us_listen_socket_close(listener);
    listening = false;
  };
  return {
    port: uWS.us_socket_local_port(listener),
    publish: (topic, bytes, subprotocol) => {
      app.publish(topicKey(topic, subprotocol), bytes, subprotocol === 'binary', false);
    },
    stopListening,
    close: () => {
      stopListening();
      app.close();
      return new Promise((resolve) => setImmediate(resolve));
    },
  };
}

function createApp<T>(options: SocketServerOptions<T>): uWS.TemplatedApp {
  if (options.tls === undefined) return uWS.App();
  const { certFile, keyFile } = options.tls;
  try {
    return uWS.SSLApp({ cert_file_name: certFile, key_file_name: keyFile });
  } catch (cause) {
    throw new Error(`TLS: no certificate in ${certFile} that fits a key in ${keyFile} (PEM files)`, {
      cause,
    });
  }
}

async function startListening(
  app: uWS.TemplatedApp,
  host: string,
  port: number,
): Promise<uWS.us_listen_socket> {
  // Given 0, uWS leaves out SO_REUSEADDR, and a restart on the same port would fail for a minute.
  const wanted = port === 0 ? await freePort(host) : port;
  return new Promise((resolve, reject) => {
    (app as unknown as Listening).listen(host, wanted, EXCLUSIVE_PORT, (listener) => {
      if (listener !== false) resolve(listener);
      else
        reject(
          new Error(`cannot listen on ${host}:${wanted}: it is in use, or not an address of this machine`),
        );
    });
  });
}

async function freePort(host: string): Promise<number> {
  const probe = createServer().listen(0, host);
  await once(probe, 'listening');
  const { port } = probe.address() as AddressInfo;
  probe.close();
  await once(probe, 'close');
  return port;
}

function behavior<T>(
  app: uWS.TemplatedApp,
  options: SocketServerOptions<T>,
): uWS.WebSocketBehavior<Holder<T>> {
  const context = new SocketContext(options.handlers, options.logger, options.bufferedBytesMax);
  return {
    compression: uWS.DISABLED,
    maxPayloadLength: options.payloadBytesMax,
    maxBackpressure: options.bufferedBytesMax,
    idleTimeout: IDLE_TIMEOUT_SECONDS,
    sendPingsAutomatically: false,
    upgrade: (res, req, upgradeContext) => {
      const request = requestOf(options, res, req, (name) => req.getHeader(name));
      const upgrade = decideUpgrade(options, request);
      if (upgrade.refusal !== undefined) {
        respond(res, upgrade.refusal, false);
        return;
      }
      res.upgrade<Holder<T>>(
        { socket: new UwsSocket(context, app, upgrade.subprotocol, request.remoteAddress) },
        req.getHeader('sec-websocket-key'),
        upgrade.protocolName,
        req.getHeader('sec-websocket-extensions'),
        upgradeContext,
      );
    },
    open: (ws) => ws.getUserData().socket.attach(ws),
    message: (ws, message, isBinary) => ws.getUserData().socket.onMessage(new Uint8Array(message), isBinary),
    dropped: (ws) => ws.getUserData().socket.onDropped(),
    drain: (ws) => ws.getUserData().socket.onProgress(),
    ping: (ws) => ws.getUserData().socket.onAlive(),
    pong: (ws) => ws.getUserData().socket.onAlive(),
    close: (ws, code) => ws.getUserData().socket.onClosed(code),
  };
}

function requestOf<T>(
  options: SocketServerOptions<T>,
  res: uWS.HttpResponse,
  req: uWS.HttpRequest,
  header: (lowerCaseName: string) => string,
): HttpRequest {
  const peer = Buffer.from(res.getRemoteAddressAsText()).toString('latin1');
  return {
    method: req.getMethod().toUpperCase(),
    path: req.getUrl(),
    remoteAddress: clientAddress(peer, header('x-forwarded-for'), options.trustProxy),
    header: (name) => header(name.toLowerCase()) || undefined,
  };
}

function serveHttp<T>(options: SocketServerOptions<T>, res: uWS.HttpResponse, req: uWS.HttpRequest): void {
  // `req` lives until this function returns; a handler may look at a header later.
  const headers = new Map<string, string>();
  req.forEach((name, value) => headers.set(name, value));
  const request = requestOf(options, res, req, (name) => headers.get(name) ?? '');
  const withoutBody = request.method === 'HEAD';

  const answer = answerHttp(options, request);
  if (!(answer instanceof Promise)) {
    respond(res, answer, withoutBody);
    return;
  }
  let aborted = false;
  res.onAborted(() => {
    aborted = true;
  });
  void answer.then((response) => {
    if (!aborted) res.cork(() => respond(res, response, withoutBody));
  });
}

function respond(res: uWS.HttpResponse, response: HttpResponse, withoutBody: boolean): void {
  res.writeStatus(statusLine(response.status));
  for (const [name, value] of Object.entries(response.headers)) res.writeHeader(name, value);
  if (withoutBody || response.status === 304) {
    // Not `endWithoutBody(length)`: this version of uWS then takes the response for unfinished.
    res.writeHeader('content-length', String(Buffer.byteLength(response.body))).endWithoutBody();
  } else {
    res.end(response.body);
  }
}
