import { join } from 'node:path';
import { freePort } from './addresses.ts';
import { cached } from './cache.ts';
import { scratchDir } from './scratch-dir.ts';
import { answers, runTool, ServiceProcess } from './service-process.ts';

const VERSION = '2.15.2';
const READY_MS_MAX = 15_000;

export interface NatsNode {
  readonly url: string;
  readonly port: number;
  readonly process: ServiceProcess;
  kill(): Promise<void>;
  /** Starts it again on the same port. */
  restart(): Promise<void>;
}

export interface NatsCluster {
  readonly urls: readonly string[];
  /** None of a cluster that was given. */
  readonly nodes: readonly NatsNode[];
  stop(): Promise<void>;
}

async function program(): Promise<string> {
  const dir = await cached(`nats-server-${VERSION}`, (scratch) =>
    runTool('go', ['install', `github.com/nats-io/nats-server/v2@v${VERSION}`], {
      env: { GOBIN: scratch, GOFLAGS: '-mod=mod' },
    }),
  );
  return join(dir, 'nats-server');
}

/** One nats-server, or three in a cluster, with JetStream; `more` are further arguments of each. */
export async function startNats(count: 1 | 3 = 1, more: readonly string[] = []): Promise<NatsCluster> {
  const binary = await program();
  const dir = scratchDir('nats');
  const ports = await Promise.all(Array.from({ length: count }, () => freePort()));
  const clusterPorts = await Promise.all(Array.from({ length: count }, () => freePort()));
  const routes = clusterPorts.map((port) => `nats://127.0.0.1:${port}`).join(',');
  const nodes = ports.map((port, i): NatsNode => {
    const args = [
      '-a',
      '127.0.0.1',
      '-p',
      String(port),
      '-n',
      `n${i + 1}`,
      '-js',
      '-sd',
      join(dir.path, `n${i + 1}`),
      ...more,
    ];
    if (count > 1)
      args.push(
        '--cluster_name',
        'carillon',
        '--cluster',
        `nats://127.0.0.1:${clusterPorts[i]}`,
        '--routes',
        routes,
      );
    return new Node(binary, args, port);
  });
  try {
    await Promise.all(
      nodes.map((node) => node.process.ready(READY_MS_MAX, () => answers('127.0.0.1', node.port))),
    );
  } catch (error) {
    await Promise.all(nodes.map((node) => node.kill()));
    dir.remove();
    throw error;
  }
  return {
    urls: nodes.map((node) => node.url),
    nodes,
    async stop() {
      await Promise.all(nodes.map((node) => node.kill())); // nothing of it is kept
      dir.remove();
    },
  };
}

/** Servers that others run, left alone at the end. */
export function givenNats(urls: readonly string[]): NatsCluster {
  return { urls, nodes: [], stop: async () => undefined };
}

class Node implements NatsNode {
  readonly port: number;
  readonly url: string;
  process: ServiceProcess;
  readonly #start: () => ServiceProcess;

  constructor(binary: string, args: readonly string[], port: number) {
    this.port = port;
    this.url = `nats://127.0.0.1:${port}`;
    this.#start = () => new ServiceProcess({ name: `nats-server on ${port}`, command: binary, args });
    this.process = this.#start();
  }

  kill(): Promise<void> {
    return this.process.kill();
  }

  async restart(): Promise<void> {
    await this.process.kill();
    this.process = this.#start();
    await this.process.ready(READY_MS_MAX, () => answers('127.0.0.1', this.port));
  }
}
