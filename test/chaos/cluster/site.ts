import { type FakeClock, type FakeClocks, fakeClocks } from '../../services/faketime.ts';
import {
  type NodeProcess,
  type Services,
  type Stack,
  type StackOptions,
  startStack,
} from '../../services/stack.ts';
import { type Link, startToxiproxy, type Toxiproxy } from '../../services/toxiproxy.ts';

/** What a node's links lead to. */
export type Side = 'store' | 'bus';

/** A node, with all that can be done to it. */
export interface SiteNode {
  readonly process: NodeProcess;
  /** Of its own, one to each server. Its peers it reaches through the bus alone. */
  readonly links: Readonly<Record<Side, readonly Link[]>>;
  /** Of a sequencer. */
  readonly clock: FakeClock | undefined;
}

export interface SiteSize {
  readonly sequencers: number;
  readonly edges: number;
  readonly storeNodes: 1 | 3;
  readonly natsNodes: 1 | 3;
}

export interface SiteOptions extends SiteSize {
  /** Whether it will run for ten minutes and more. */
  readonly longLived?: boolean;
  readonly program: 'sources' | 'dist';
  readonly progress: (line: string) => void;
  readonly signal?: AbortSignal;
}

const HEAP_MB = { 1: 768, 3: 512 };
/** What the load sends is bounded by its own pauses. */
const ENV = { CARILLON_SENDS_PER_SECOND: '10000', CARILLON_SEND_BURST: '10000' };

/** A whole cluster, each of whose nodes reaches the store and the bus through proxies of its own. */
export class Site {
  readonly size: SiteSize;
  readonly stack: Stack;
  readonly #nodes: Map<NodeProcess, SiteNode>;
  readonly #made: ReadonlyMap<string, Omit<SiteNode, 'process'>>;
  readonly #toxiproxy: Toxiproxy;
  readonly #clocks: FakeClocks;

  private constructor(
    size: SiteSize,
    stack: Stack,
    made: ReadonlyMap<string, Omit<SiteNode, 'process'>>,
    toxiproxy: Toxiproxy,
    clocks: FakeClocks,
  ) {
    this.size = size;
    this.stack = stack;
    this.#made = made;
    this.#toxiproxy = toxiproxy;
    this.#clocks = clocks;
    this.#nodes = new Map([...stack.sequencers, ...stack.edges].map((each) => [each, this.#nodeOf(each)]));
  }

  static async start(options: SiteOptions): Promise<Site> {
    const {
      sequencers,
      edges,
      storeNodes,
      natsNodes,
      longLived = false,
      program,
      progress,
      signal,
    } = options;
    const clocks = await fakeClocks();
    const toxiproxy = await startToxiproxy();
    const made = new Map<string, Omit<SiteNode, 'process'>>();
    const settings: NonNullable<StackOptions['settings']> = async ({ role, index }, services) => {
      const name = `${role} ${index + 1}`;
      const clock = role === 'sequencer' ? clocks.clock(name) : undefined;
      const links = await linksOf(name, toxiproxy, services);
      made.set(name, { links, clock });
      return { ...addresses(links, services), ...clock?.env };
    };
    try {
      const stack = await startStack({
        nodes: sequencers,
        edges,
        storeNodes,
        natsNodes,
        heapMb: HEAP_MB[storeNodes],
        longLived,
        ownServices: true,
        restartExited: true,
        env: ENV,
        settings,
        program,
        progress,
        ...(signal !== undefined && { signal }),
      });
      return new Site({ sequencers, edges, storeNodes, natsNodes }, stack, made, toxiproxy, clocks);
    } catch (error) {
      await toxiproxy.stop();
      clocks.stop();
      throw error;
    }
  }

  get services(): Services {
    return this.stack.services;
  }

  get sequencers(): readonly SiteNode[] {
    return this.stack.sequencers.map((each) => this.node(each));
  }

  get edges(): readonly SiteNode[] {
    return this.stack.edges.map((each) => this.node(each));
  }

  /** Edges and sequencers that were started once, in an array that stays up to date. */
  get processes(): readonly NodeProcess[] {
    return [...this.stack.sequencers, ...this.stack.edges].filter((node) => node.isStarted);
  }

  node(process: NodeProcess): SiteNode {
    let node = this.#nodes.get(process);
    if (node === undefined) this.#nodes.set(process, (node = this.#nodeOf(process)));
    return node;
  }

  /** A further sequencer, not started yet. */
  async addSequencer(): Promise<SiteNode> {
    return this.node(await this.stack.addSequencer());
  }

  async stop(): Promise<void> {
    await this.stack.stop();
    await this.#toxiproxy.stop();
    this.#clocks.stop();
  }

  #nodeOf(process: NodeProcess): SiteNode {
    const made = this.#made.get(process.name);
    if (made === undefined) throw new Error(`${process.name} has no links`);
    return { process, ...made };
  }
}

async function linksOf(
  name: string,
  toxiproxy: Toxiproxy,
  { cassandra, nats }: Services,
): Promise<SiteNode['links']> {
  const to = async (side: Side, servers: readonly { host: string; port: number }[]): Promise<Link[]> => {
    const links: Link[] = [];
    for (const [i, server] of servers.entries())
      links.push(await toxiproxy.link(`${name} ${side} ${i + 1}`.replaceAll(' ', '-'), server));
    return links;
  };
  const buses = nats.nodes.map(({ port }) => ({ host: '127.0.0.1', port }));
  return { store: await to('store', cassandra.nodes), bus: await to('bus', buses) };
}

function addresses({ store, bus }: SiteNode['links'], { cassandra }: Services): Record<string, string> {
  const at = ({ host, port }: Link): string => `${host}:${port}`;
  const map = cassandra.nodes.map(({ host, port }, i) => `${host}:${port}=${at(store[i] as Link)}`);
  return {
    CARILLON_SCYLLA_CONTACT_POINTS: store.map(at).join(','),
    CARILLON_SCYLLA_ADDRESS_MAP: map.join(','),
    CARILLON_NATS_URL: bus.map((link) => `nats://${at(link)}`).join(','),
  };
}

/** Cuts a node's links, or lets all through again. */
export async function setLinks(node: SiteNode, sides: readonly Side[], up: boolean): Promise<void> {
  await Promise.all(sides.flatMap((side) => node.links[side].map((link) => link.setUp(up))));
}

/** Delays what goes through a node's links, in each direction; 0 ends it. */
export async function slowLinks(node: SiteNode, sides: readonly Side[], ms: number): Promise<void> {
  await Promise.all(sides.flatMap((side) => node.links[side].map((link) => link.setDelay(ms))));
}
