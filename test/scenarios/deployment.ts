import type { TestContext } from 'node:test';
import type { ChatServers } from './group-chat.ts';
import { startStack, type Stack, type StackOptions } from '../services/stack.ts';
import { freePort, scratchDir, ServerProcess, type ServerSettings } from '../support/server-process.ts';

/** A running system as its clients and its operator see it: one embedded server, or a cluster. */
export interface Deployment {
  /** Where clients connect, one or more; users are spread over them. */
  readonly urls: readonly string[];
  /** kill -9 of one process and its restart; of each in turn when called again. Resolves with its name when it is ready. */
  crash(): Promise<string>;
  /** Bytes of user-space memory of the process that serves this URL. */
  memoryBytes(url: string): number;
  /** Seconds of processor time used so far by the process that serves this URL. */
  cpuSeconds(url: string): number;
  /** Throws if a process has ended by itself. */
  assertAlive(): void;
  /** SIGTERM to all; rejects, with what it said, when one ends with another code than 0. */
  stop(): Promise<void>;
  /** Ends all of it, whatever state it is in. */
  end(): Promise<void>;
}

/** One process with an embedded store; `restarted` is how it comes back from a crash. */
export async function embedded(settings: ServerSettings, restarted = settings): Promise<Deployment> {
  let server = await ServerProcess.start(settings);
  const { url } = server;
  return {
    urls: [url],
    async crash() {
      await server.kill();
      server = await ServerProcess.start(restarted);
      return 'the server';
    },
    memoryBytes: () => server.memoryBytes,
    cpuSeconds: () => server.cpuSeconds,
    assertAlive() {
      if (server.exited) throw new Error(`the server ended by itself:\n${server.output}`);
    },
    async stop() {
      const code = await server.stop();
      if (code !== 0) throw new Error(`the server ended with ${code}:\n${server.output}`);
    },
    end: () => server.kill(),
  };
}

/** The same for one test, over a folder of its own: both are gone after it. */
export async function embeddedFor(
  t: TestContext,
  name: string,
  settings: Partial<ServerSettings> = {},
  restarted: Partial<ServerSettings> = settings,
): Promise<Deployment> {
  const dir = scratchDir(name);
  const place = { dataDir: dir.path, port: await freePort() };
  const deployment = await embedded({ ...place, ...settings }, { ...place, ...restarted });
  t.after(async () => {
    await deployment.end();
    dir.remove();
  });
  return deployment;
}

/** A sequencer and two edges, on services of their own or on those that the tests of a run share. */
export class ClusterDeployment implements Deployment, ChatServers {
  readonly urls: readonly string[];
  readonly #stack: Stack;
  #crashes = 0;

  private constructor(stack: Stack) {
    this.#stack = stack;
    this.urls = stack.edges.map((edge) => edge.url);
  }

  static async start(options: StackOptions = {}): Promise<ClusterDeployment> {
    return new ClusterDeployment(await startStack(options));
  }

  /** The sequencer and an edge by turns. */
  async crash(): Promise<string> {
    const { sequencers, edges } = this.#stack;
    const turn = this.#crashes++;
    const of = turn % 2 === 0 ? sequencers : edges;
    const node = of[(turn >> 1) % of.length] as (typeof of)[number];
    await node.kill();
    await node.restart();
    return node.name;
  }

  memoryBytes(url: string): number {
    return this.#edgeAt(url).memoryBytes;
  }

  cpuSeconds(url: string): number {
    return this.#edgeAt(url).cpuSeconds;
  }

  assertAlive(): void {
    for (const node of [...this.#stack.sequencers, ...this.#stack.edges])
      if (node.exited) throw new Error(`${node.name} ended by itself:\n${node.output}`);
  }

  async stop(): Promise<void> {
    const { sequencers, edges } = this.#stack;
    this.assertAlive();
    for (const node of [...edges, ...sequencers]) {
      const code = await node.stop();
      if (code !== 0) throw new Error(`${node.name} ended with ${code}:\n${node.output}`);
    }
    await this.end();
  }

  end(): Promise<void> {
    return this.#stack.stop();
  }

  async pullSockets(): Promise<number> {
    let sum = 0;
    for (const { adminUrl } of this.#stack.edges) {
      const metrics = await (await fetch(`${adminUrl}/metrics`)).text();
      sum += Number(/^carillon_pull_mode_sockets (\d+)$/m.exec(metrics)?.[1]);
    }
    return sum;
  }

  /** SIGTERM to both edges. */
  async drain(): Promise<void> {
    await Promise.all(this.#stack.edges.map((edge) => edge.stop()));
  }

  #edgeAt(url: string): Stack['edges'][number] {
    const edge = this.#stack.edges.find((each) => each.url === url);
    if (edge === undefined) throw new Error(`no edge is at ${url}`);
    return edge;
  }
}
