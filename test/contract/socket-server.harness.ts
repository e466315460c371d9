import { once } from 'node:events';
import { connect, type Socket as TcpSocket } from 'node:net';
import { WebSocket } from 'ws';
import type { Logger } from '../../src/core/ports.ts';
import { listen } from '../../src/edge/socket-server.ts';
import type { Socket, SocketHandlers, SocketServer, SocketServerOptions } from '../../src/edge/socket.ts';

export type Library = 'uws' | 'ws';

/** What happened to one socket of the server, in order. */
export class Peer {
  readonly socket: Socket;
  readonly events: string[] = [];
  onMessage: (bytes: Uint8Array, isBinary: boolean) => void = () => undefined;
  onDropped: () => void = () => undefined;

  constructor(socket: Socket) {
    this.socket = socket;
  }

  count(event: string): number {
    return this.events.filter((seen) => seen.startsWith(event)).length;
  }
}

export interface Fixture {
  readonly server: SocketServer;
  readonly peers: Peer[];
  readonly logged: { fields: object; message: string }[];
  readonly url: string;
}

/** A server that records, and closes when the test ends. */
export async function serve(
  library: Library,
  t: { after(task: () => Promise<void>): void },
  overrides: Partial<SocketServerOptions<Peer>> & { onOpen?: (peer: Peer) => void } = {},
): Promise<Fixture> {
  const peers: Peer[] = [];
  const logged: Fixture['logged'] = [];
  const log = (fields: object, message: string): void => {
    logged.push({ fields, message });
  };
  const logger: Logger = { info: log, warn: log, error: log };
  const { onOpen, ...options } = overrides;
  const server = await listen<Peer>(
    {
      host: '127.0.0.1',
      port: 0,
      tls: undefined,
      trustProxy: false,
      path: '/v1/connect',
      admit: () => undefined,
      handlers: recording(peers, onOpen),
      http: () => ({ status: 404, headers: {}, body: 'nothing here' }),
      logger,
      bufferedBytesMax: 64 * 1024,
      payloadBytesMax: 128 * 1024,
      ...options,
    },
    library,
  );
  t.after(() => server.close());
  return { server, peers, logged, url: `ws://127.0.0.1:${server.port}/v1/connect` };
}

function recording(peers: Peer[], onOpen: ((peer: Peer) => void) | undefined): SocketHandlers<Peer> {
  return {
    open(socket) {
      const peer = new Peer(socket);
      peers.push(peer);
      onOpen?.(peer);
      return peer;
    },
    message(peer, bytes, isBinary) {
      peer.events.push(
        `message ${isBinary ? 'binary' : 'text'} ${Buffer.from(bytes).toString('latin1').slice(0, 40)}`,
      );
      peer.onMessage(bytes, isBinary);
    },
    alive: (peer) => void peer.events.push('alive'),
    drain: (peer) => void peer.events.push('drain'),
    dropped(peer) {
      peer.events.push('dropped');
      peer.onDropped();
    },
    closed: (peer, code) => void peer.events.push(`closed ${code}`),
  };
}

/** A connected client that keeps what it gets. */
export class Client {
  readonly ws: WebSocket;
  readonly got: string[] = [];
  readonly binary: boolean[] = [];
  closedWith: { code: number; reason: string } | undefined;

  constructor(ws: WebSocket) {
    this.ws = ws;
    ws.on('message', (data, isBinary) => {
      this.got.push((data as Buffer).toString('latin1'));
      this.binary.push(isBinary);
    });
    ws.on('close', (code, reason) => {
      this.closedWith = { code, reason: reason.toString() };
    });
    ws.on('error', () => undefined);
  }
}

export async function join(
  fixture: Fixture,
  protocols: string[] = ['carillon.v1'],
  headers = {},
): Promise<[Client, Peer]> {
  const index = fixture.peers.length;
  const client = new Client(new WebSocket(fixture.url, protocols, { headers, rejectUnauthorized: false }));
  await once(client.ws, 'open');
  const peer = fixture.peers[index];
  if (peer === undefined) throw new Error('the server has not opened the socket');
  return [client, peer];
}

/** The status and body with which an upgrade was refused. */
export async function refusal(
  url: string,
  protocols: string[] = [],
): Promise<{ status: number; retryAfter?: string; body: string }> {
  const ws = new WebSocket(url, protocols);
  ws.on('error', () => undefined);
  const [, response] = (await once(ws, 'unexpected-response')) as [
    unknown,
    import('node:http').IncomingMessage,
  ];
  let body = '';
  for await (const chunk of response) body += String(chunk);
  return { status: response.statusCode ?? 0, retryAfter: response.headers['retry-after'], body };
}

/** A bare TCP peer that reads only when told to. */
export class RawPeer {
  readonly tcp: TcpSocket;
  readonly chunks: Buffer[] = [];
  ended = false;

  private constructor(tcp: TcpSocket) {
    this.tcp = tcp;
    tcp.on('error', () => undefined);
  }

  static async connect(port: number): Promise<RawPeer> {
    const tcp = connect(port, '127.0.0.1');
    tcp.write(
      'GET /v1/connect HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
        'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n' +
        'Sec-WebSocket-Protocol: carillon.v1\r\n\r\n',
    );
    await once(tcp, 'data');
    tcp.pause();
    return new RawPeer(tcp);
  }

  read(): void {
    this.tcp.on('data', (chunk) => this.chunks.push(chunk as Buffer));
    this.tcp.on('close', () => {
      this.ended = true;
    });
    this.tcp.resume();
  }

  /** The payloads of the whole unmasked frames read so far. */
  frames(): Buffer[] {
    const bytes = Buffer.concat(this.chunks);
    const frames: Buffer[] = [];
    let at = 0;
    while (at + 2 <= bytes.length) {
      let length = bytes.readUInt8(at + 1);
      let header = 2;
      if (length === 126) [length, header] = [bytes.readUInt16BE(at + 2), 4];
      else if (length === 127) [length, header] = [Number(bytes.readBigUInt64BE(at + 2)), 10];
      if (at + header + length > bytes.length) break;
      frames.push(bytes.subarray(at + header, at + header + length));
      at += header + length;
    }
    return frames;
  }
}

/** Waits until `condition` holds; fails after two seconds. */
export async function until(what: string, condition: () => boolean, ms = 2_000): Promise<void> {
  for (let waited = 0; !condition(); waited += 5) {
    if (waited > ms) throw new Error(`waited in vain for: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

export function bytesOf(text: string): Uint8Array {
  return Buffer.from(text, 'latin1');
}
