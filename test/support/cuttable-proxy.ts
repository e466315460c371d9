import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';

/** A TCP proxy that can keep a server's replies to itself: requests arrive, and nobody hears of it. */
export class CuttableProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #swallow = false;
  #refuse = false;
  /** Bytes of replies kept back. */
  swallowed = 0;

  private constructor(to: { readonly host: string; readonly port: number }, serve: Serve) {
    this.#server = serve((client) => {
      if (this.#refuse) return void client.destroy();
      const upstream = connect(to);
      for (const socket of [client, upstream]) {
        this.#sockets.add(socket);
        socket.on('close', () => {
          this.#sockets.delete(socket);
          client.destroy();
          upstream.destroy();
        });
        socket.on('error', () => socket.destroy());
      }
      client.on('data', (chunk) => upstream.write(chunk));
      upstream.on('data', (chunk) => {
        if (this.#swallow) this.swallowed += chunk.length;
        else client.write(chunk);
      });
    });
  }

  static async start(
    to: { readonly host: string; readonly port: number },
    serve: Serve = createServer,
  ): Promise<CuttableProxy> {
    const proxy = new CuttableProxy(to, serve);
    proxy.#server.listen(0, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** From now on replies go nowhere. */
  swallowReplies(): void {
    this.#swallow = true;
    this.swallowed = 0;
  }

  /** Ends all connections, and refuses new ones until healed. */
  cut(): void {
    this.#refuse = true;
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Lets all through again; connections whose replies were swallowed are of no use, and end. */
  heal(): void {
    this.#refuse = false;
    this.#swallow = false;
    for (const socket of this.#sockets) socket.destroy();
  }

  async stop(): Promise<void> {
    this.cut();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

/** `createServer` of node:net, or of node:tls with its options given. */
type Serve = (onClient: (client: Socket) => void) => Server;
