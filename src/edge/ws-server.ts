import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo, Socket as NetSocket } from 'node:net';
import { TLSSocket } from 'node:tls';
import { WebSocket, WebSocketServer } from 'ws';
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
import { answerHttp, decideUpgrade, firstKnown, statusLine } from './upgrade.ts';

/** As in uWS. */
const HTTP_TIMEOUT_MS = 10_000;

/** Node's TLS takes a write over in a later turn even from a fast peer: up to this, it is no sign of a slow one. */
const TLS_SLACK_BYTES = 64 * 1024;

/** Topics by name, one registry per subprotocol. */
class Topics<T> {
  private readonly subscribers = new Map<string, Set<WsSocket<T>>>();
  /** Corked until the present callback is over, so that all that is published in it leaves in one write. */
  private corked: WsSocket<T>[] = [];

  add(topic: string, socket: WsSocket<T>): void {
    const set = this.subscribers.get(topic);
    if (set === undefined) this.subscribers.set(topic, new Set([socket]));
    else set.add(socket);
  }

  remove(topic: string, socket: WsSocket<T>): void {
    const set = this.subscribers.get(topic);
    set?.delete(socket);
    if (set?.size === 0) this.subscribers.delete(topic);
  }

  publish(topic: string, bytes: Uint8Array, sender: WsSocket<T> | undefined): void {
    const set = this.subscribers.get(topic);
    if (set === undefined) return;
    const copy = Buffer.from(bytes);
    for (const socket of set) {
      if (socket === sender) continue;
      if (socket.corkForTurn() && this.corked.push(socket) === 1) process.nextTick(this.uncork);
      socket.take(copy);
    }
  }

  private readonly uncork = (): void => {
    const corked = this.corked;
    this.corked = [];
    for (const socket of corked) socket.uncorkAfterTurn();
  };
}

type TopicsBySubprotocol<T> = Readonly<Record<Subprotocol, Topics<T>>>;

class WsSocket<T> extends HandledSocket<T> {
  private readonly ws: WebSocket;
  private readonly stream: NetSocket;
  private readonly topics: Topics<T>;
  private readonly subscriptions = new Set<string>();
  private readonly sendOptions: { readonly binary: boolean; readonly compress: false };
  private readonly slackBytes: number;
  private inCork = false;
  private turnCorked = false;

  constructor(
    context: SocketContext<T>,
    topics: TopicsBySubprotocol<T>,
    ws: WebSocket,
    stream: NetSocket,
    subprotocol: Subprotocol,
    remoteAddress: string,
  ) {
    super(context, subprotocol, remoteAddress);
    this.ws = ws;
    this.stream = stream;
    this.topics = topics[subprotocol];
    this.slackBytes = stream instanceof TLSSocket ? TLS_SLACK_BYTES : 0;
    this.sendOptions = { binary: subprotocol === 'binary', compress: false };
  }

  attach(): void {
    const { ws } = this;
    ws.on('message', (data, isBinary) => this.onMessage(data as Buffer, isBinary));
    ws.on('ping', (data) => {
      // Answered here, within the bound: ws itself would queue pongs for a peer that never reads.
      if (ws.readyState === WebSocket.OPEN && !this.libIsFull()) ws.pong(data, false, this.written);
      this.onAlive();
    });
    ws.on('pong', () => this.onAlive());
    ws.on('close', (code) => this.onClosed(code));
    // The peer broke the protocol or the connection; ws closes it, and `close` follows.
    ws.on('error', () => undefined);
    this.onOpen();
  }

  override onClosed(code: number): void {
    for (const topic of this.subscriptions) this.topics.remove(topic, this);
    this.subscriptions.clear();
    super.onClosed(code);
  }

  /** A published message, in bytes that stay as they are. */
  take(bytes: Buffer): void {
    if (this.libIsFull()) this.onLoss();
    else this.ws.send(bytes, this.sendOptions, this.written);
  }

  /** Whether it was not corked so yet. */
  corkForTurn(): boolean {
    if (this.turnCorked) return false;
    this.turnCorked = true;
    if (!this.inCork) this.stream.cork();
    return true;
  }

  uncorkAfterTurn(): void {
    this.turnCorked = false;
    if (!this.inCork) this.stream.uncork();
  }

  protected libBufferedBytes(): number {
    const bytes = this.stream.writableLength;
    return bytes > this.slackBytes ? bytes : 0;
  }

  protected libSend(bytes: Uint8Array): SendResult {
    if (this.libIsFull()) return 'dropped';
    this.ws.send(Buffer.from(bytes), this.sendOptions, this.written);
    return this.isCorked() || this.libBufferedBytes() === 0 ? 'sent' : 'buffered';
  }

  protected libCork(write: () => void): void {
    if (!this.turnCorked) this.stream.cork();
    this.inCork = true;
    try {
      write();
    } finally {
      this.inCork = false;
      this.turnCorked = false;
      this.stream.uncork();
    }
  }

  protected libSubscribe(topic: string): void {
    this.subscriptions.add(topic);
    this.topics.add(topic, this);
  }

  protected libUnsubscribe(topic: string): void {
    if (this.subscriptions.delete(topic)) this.topics.remove(topic, this);
  }

  protected libPublish(topic: string, bytes: Uint8Array): void {
    this.topics.publish(topic, bytes, this);
  }

  protected libPing(): void {
    if (!this.libIsFull()) this.ws.ping(undefined, false, this.written);
  }

  protected libEnd(code: number, reason: string): void {
    this.ws.close(code, reason);
  }

  protected libTerminate(): void {
    this.ws.terminate();
  }

  private readonly written = (): void => this.onProgress();

  private isCorked(): boolean {
    return this.inCork || this.turnCorked;
  }

  /** Whether it is over its bound, after what a cork holds back was offered to the kernel. */
  protected libIsFull(): boolean {
    if (this.stream.writableLength <= this.context.bufferedBytesMax) return false;
    if (this.isCorked()) {
      this.stream.uncork();
      this.stream.cork();
    }
    return this.stream.writableLength > this.context.bufferedBytesMax;
  }
}

/** Serves sockets and HTTP on one port with `ws`; rejects if it cannot listen. */
export async function listenWs<T>(options: SocketServerOptions<T>): Promise<SocketServer> {
  const server = createHttpServer(options);
  const webSockets = new WebSocketServer({
    noServer: true,
    perMessageDeflate: false,
    maxPayload: options.payloadBytesMax,
    autoPong: false,
    handleProtocols: (names) => firstKnown(names) ?? false,
  });
  const topics: TopicsBySubprotocol<T> = { binary: new Topics(), json: new Topics() };
  const context = new SocketContext(options.handlers, options.logger, options.bufferedBytesMax);

  server.on('request', (message, response) => serveHttp(options, message, response));
  server.on('upgrade', (message: IncomingMessage, stream: NetSocket, head: Buffer) => {
    // A peer that hangs up during the handshake; ws attaches handlers of its own.
    stream.on('error', () => stream.destroy());
    const request = requestOf(options, message);
    if (request.path !== options.path || message.headers.upgrade?.toLowerCase() !== 'websocket') {
      void Promise.resolve(answerHttp(options, request)).then((response) => refuse(stream, response));
      return;
    }
    const upgrade = decideUpgrade(options, request);
    if (upgrade.refusal !== undefined) {
      refuse(stream, upgrade.refusal);
      return;
    }
    webSockets.handleUpgrade(message, stream, head, (ws) => {
      new WsSocket(context, topics, ws, stream, upgrade.subprotocol, request.remoteAddress).attach();
    });
  });
  await startListening(server, options.host, options.port);

  const closed = new Promise<void>((resolve) => server.once('close', resolve));
  const stopListening = (): void => {
    if (server.listening) server.close();
  };
  return {
    port: (server.address() as AddressInfo).port,
    publish: (topic, bytes, subprotocol) => topics[subprotocol].publish(topic, bytes, undefined),
    stopListening,
    close: async () => {
      stopListening();
      const gone = [...webSockets.clients].map((ws) => once(ws, 'close'));
      for (const ws of webSockets.clients) ws.terminate();
      server.closeAllConnections();
      await Promise.all([closed, ...gone]);
    },
  };
}

function createHttpServer<T>(options: SocketServerOptions<T>): Server {
  const timeouts = {
    headersTimeout: HTTP_TIMEOUT_MS,
    requestTimeout: HTTP_TIMEOUT_MS,
    keepAliveTimeout: HTTP_TIMEOUT_MS,
  };
  if (options.tls === undefined) return createServer(timeouts);
  const { certFile, keyFile } = options.tls;
  try {
    return createTlsServer({ ...timeouts, cert: readFileSync(certFile), key: readFileSync(keyFile) });
  } catch (cause) {
    throw new Error(`TLS: no certificate in ${certFile} that fits a key in ${keyFile} (PEM files)`, {
      cause,
    });
  }
}

function startListening(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (cause: Error): void => {
      reject(
        new Error(`cannot listen on ${host}:${port}: it is in use, or not an address of this machine`, {
          cause,
        }),
      );
    };
    server.once('error', failed);
    server.listen(port, host, () => {
      server.off('error', failed);
      resolve();
    });
  });
}

function requestOf<T>(options: SocketServerOptions<T>, message: IncomingMessage): HttpRequest {
  const header = (name: string): string | undefined => {
    const value = message.headers[name.toLowerCase()];
    return Array.isArray(value) ? value.join(', ') : value;
  };
  const url = message.url ?? '/';
  const query = url.indexOf('?');
  return {
    method: message.method ?? 'GET',
    path: query < 0 ? url : url.slice(0, query),
    remoteAddress: clientAddress(
      message.socket.remoteAddress ?? '',
      header('x-forwarded-for'),
      options.trustProxy,
    ),
    header,
  };
}

function serveHttp<T>(
  options: SocketServerOptions<T>,
  message: IncomingMessage,
  response: ServerResponse,
): void {
  const request = requestOf(options, message);
  const write = (answer: HttpResponse): void => {
    response.writeHead(answer.status, {
      ...answer.headers,
      'content-length': Buffer.byteLength(answer.body),
    });
    response.end(request.method === 'HEAD' ? undefined : answer.body);
  };
  const answer = answerHttp(options, request);
  if (answer instanceof Promise) void answer.then(write);
  else write(answer);
}

/** Answers where Node has handed over the bare connection, and hangs up. */
function refuse(stream: NetSocket, response: HttpResponse): void {
  const headers = {
    ...response.headers,
    'content-length': Buffer.byteLength(response.body),
    connection: 'close',
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  stream.write(`HTTP/1.1 ${statusLine(response.status)}\r\n${lines.join('')}\r\n`);
  stream.write(response.body);
  stream.destroySoon();
}
