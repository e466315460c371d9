import { join } from 'node:path';
import { freePort } from './addresses.ts';
import { cached } from './cache.ts';
import { answers, runTool, ServiceProcess } from './service-process.ts';

const VERSION = '2.5.0';
const READY_MS_MAX = 10_000;

/** A link through the proxy, to be cut and slowed. */
export interface Link {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  /** Cuts what is connected and refuses the rest, or lets all through again. */
  setUp(up: boolean): Promise<void>;
  /** Delays each direction; 0 ends it. */
  setDelay(ms: number): Promise<void>;
}

export interface Toxiproxy {
  readonly process: ServiceProcess;
  link(name: string, to: { readonly host: string; readonly port: number }, listenOn?: string): Promise<Link>;
  stop(): Promise<void>;
}

export async function startToxiproxy(): Promise<Toxiproxy> {
  const dir = await cached(`toxiproxy-${VERSION}`, (scratch) =>
    runTool('go', ['install', `github.com/Shopify/toxiproxy/v2/cmd/server@v${VERSION}`], {
      env: { GOBIN: scratch, GOFLAGS: '-mod=mod' },
    }),
  );
  const port = await freePort();
  const child = new ServiceProcess({
    name: 'toxiproxy',
    command: join(dir, 'server'),
    args: ['-host', '127.0.0.1', '-port', String(port)],
  });
  await child.ready(READY_MS_MAX, () => answers('127.0.0.1', port));
  const api = `http://127.0.0.1:${port}/proxies`;
  return {
    process: child,
    async link(name, to, listenOn = '127.0.0.1') {
      const own = await freePort(listenOn);
      await ask('POST', api, {
        name,
        listen: `${listenOn}:${own}`,
        upstream: `${to.host}:${to.port}`,
        enabled: true,
      });
      return new ProxyLink(`${api}/${name}`, name, listenOn, own);
    },
    stop: () => child.stop(),
  };
}

class ProxyLink implements Link {
  readonly name: string;
  readonly host: string;
  readonly port: number;
  readonly #url: string;
  #isSlow = false;

  constructor(url: string, name: string, host: string, port: number) {
    this.#url = url;
    this.name = name;
    this.host = host;
    this.port = port;
  }

  async setUp(up: boolean): Promise<void> {
    await ask('POST', this.#url, { enabled: up });
  }

  async setDelay(ms: number): Promise<void> {
    if (this.#isSlow) {
      for (const stream of ['upstream', 'downstream'])
        await ask('DELETE', `${this.#url}/toxics/slow_${stream}`);
    }
    this.#isSlow = ms > 0;
    if (ms === 0) return;
    for (const stream of ['upstream', 'downstream']) {
      const toxic = { name: `slow_${stream}`, type: 'latency', stream, attributes: { latency: ms } };
      await ask('POST', `${this.#url}/toxics`, toxic);
    }
  }
}

async function ask(method: string, url: string, body?: object): Promise<void> {
  const response = await fetch(url, { method, ...(body !== undefined && { body: JSON.stringify(body) }) });
  if (!response.ok)
    throw new Error(`toxiproxy: ${method} ${url}: ${response.status} ${await response.text()}`);
}
