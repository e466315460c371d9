import { NatsProxy } from '../services/nats-proxy.ts';
import { startStack, type NodeProcess, type Services, type Stack } from '../services/stack.ts';
import { type Link, startToxiproxy, type Toxiproxy } from '../services/toxiproxy.ts';

/**
 * What faults are made to: a sequencer and two edges on services of their own. `single`: one store node, and the nodes
 * reach it and the bus through proxies. `triple`: three store nodes that keep three copies.
 */
export type RigName = 'single' | 'triple';

export interface Rig {
  readonly edges: readonly [NodeProcess, NodeProcess];
  readonly sequencer: NodeProcess;
  readonly nodes: readonly NodeProcess[];
  readonly services: Services;
  /** Between NATS and each node. Of a single one. */
  readonly bus: ReadonlyMap<NodeProcess, NatsProxy>;
  /** Between all nodes and the store. Of a single one. */
  readonly store: Link | undefined;
  stop(): Promise<void>;
}

const HEAP_MB: Readonly<Record<RigName, number>> = { single: 768, triple: 512 };

/** `program`: nodes from the sources start slower than those that were built. */
export async function startRig(
  name: RigName,
  program: 'sources' | 'dist',
  progress: (line: string) => void,
): Promise<Rig> {
  const proxies = new Map<string, NatsProxy>();
  let toxiproxy: Toxiproxy | undefined;
  let store: Link | undefined;
  const viaProxies: NonNullable<Parameters<typeof startStack>[0]>['settings'] = async (node, services) => {
    const [{ host, port } = fail('a store node')] = services.cassandra.nodes;
    toxiproxy ??= await startToxiproxy();
    store ??= await toxiproxy.link('store', { host, port });
    const [bus = fail('a bus')] = services.nats.nodes;
    const proxy = await NatsProxy.start({ host: '127.0.0.1', port: bus.port });
    proxies.set(`${node.role} ${node.index}`, proxy);
    const address = `${store.host}:${store.port}`;
    return {
      CARILLON_SCYLLA_CONTACT_POINTS: address,
      CARILLON_SCYLLA_ADDRESS_MAP: `${host}:${port}=${address}`,
      CARILLON_NATS_URL: proxy.url,
    };
  };
  const stopProxies = async (): Promise<void> => {
    await Promise.all([...proxies.values()].map((proxy) => proxy.stop()));
    await toxiproxy?.stop();
  };
  try {
    const stack = await startStack({
      ownServices: true,
      program,
      storeNodes: name === 'triple' ? 3 : 1,
      heapMb: HEAP_MB[name],
      progress,
      ...(name === 'single' && { settings: viaProxies }),
    });
    return rigOf(stack, proxies, store, stopProxies);
  } catch (error) {
    await stopProxies();
    throw error;
  }
}

function rigOf(
  stack: Stack,
  proxies: ReadonlyMap<string, NatsProxy>,
  store: Link | undefined,
  stopProxies: () => Promise<void>,
): Rig {
  const { services } = stack;
  const [a = fail('an edge'), b = fail('another edge')] = stack.edges;
  const [sequencer = fail('a sequencer')] = stack.sequencers;
  const nodes = [sequencer, a, b];
  const bus = new Map<NodeProcess, NatsProxy>();
  for (const node of nodes) {
    const proxy = proxies.get(`${node.role} ${node.index}`);
    if (proxy !== undefined) bus.set(node, proxy);
  }
  return {
    edges: [a, b],
    sequencer,
    nodes,
    services,
    bus,
    store,
    async stop() {
      await stack.stop();
      await stopProxies();
    },
  };
}

function fail(what: string): never {
  throw new Error(`the stack has not ${what}`);
}
