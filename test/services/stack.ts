import { randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { connectScylla, migrate } from '../support/scylla.ts';
import { freePort } from './addresses.ts';
import type { CassandraCluster } from './cassandra.ts';
import { endProcesses } from './service-process.ts';
import { NodeProcess, type NodeRole, type Program } from './stack-node.ts';
import { type Services, startServices, stopServices } from './stack-services.ts';

export type { NodeProcess } from './stack-node.ts';
export type { Services } from './stack-services.ts';

export interface StackOptions {
  /** Sequencers (1). */
  readonly nodes?: number;
  /** (2) */
  readonly edges?: number;
  /** (1); three keep three copies. */
  readonly storeNodes?: 1 | 3;
  readonly natsNodes?: 1 | 3;
  /** Megabytes of heap per store node. */
  readonly heapMb?: number;
  /** Store nodes that run for long enough to be worth compiling for: see CassandraOptions. */
  readonly longLived?: boolean;
  /** CARILLON_* variables of all nodes; they go before the stack's own. */
  readonly env?: Readonly<Record<string, string>>;
  /** Those of one node; they go before all others: the addresses of proxies, say. Asked once, when the services run. */
  readonly settings?: (
    node: { readonly role: NodeRole; readonly index: number },
    services: Services,
  ) => Readonly<Record<string, string>> | Promise<Readonly<Record<string, string>>>;
  /** Start a node again that ended though neither `kill` nor `stop` was called. */
  readonly restartExited?: boolean;
  readonly program?: Program;
  /** Own services even where the environment names some: for those who kill them. */
  readonly ownServices?: boolean;
  readonly progress?: (line: string) => void;
  /** Ends a start that is under way: it rejects, and leaves nothing running. */
  readonly signal?: AbortSignal;
}

export interface Stack {
  readonly edges: readonly NodeProcess[];
  readonly sequencers: readonly NodeProcess[];
  readonly services: Services;
  readonly keyspace: string;
  /** Makes one sequencer more, one of `sequencers` from now on; not started yet. */
  addSequencer(): Promise<NodeProcess>;
  /** Edges by SIGTERM, then sequencers, then the services. */
  stop(): Promise<void>;
}

const BUILT = new URL('../../dist/src/cli/main.js', import.meta.url).pathname;

/** Real services, the schema, sequencers and edges, each ready before what stands on it is started. */
export async function startStack(options: StackOptions = {}): Promise<Stack> {
  const { storeNodes = 1, natsNodes = 1, heapMb, ownServices = false, signal, program = 'sources' } = options;
  const { longLived = false } = options;
  const progress = options.progress ?? (() => undefined);
  if (program === 'dist' && !existsSync(BUILT)) throw new Error('dist is missing: run `npm run build` first');
  signal?.throwIfAborted();
  signal?.addEventListener('abort', endProcesses, { once: true });
  let services: Services | undefined;
  const keyspace = `stack_${randomBytes(6).toString('hex')}`;
  const nodes: Record<NodeRole, NodeProcess[]> = { edge: [], sequencer: [] };
  const stop = async (): Promise<void> => {
    for (const role of ['edge', 'sequencer'] as const)
      await Promise.all(nodes[role].map(async (node) => node.isStarted && (await node.stop())));
    if (services === undefined) return;
    if (isGiven(services.cassandra)) await dropKeyspace(services.cassandra, keyspace);
    await stopServices(services);
  };
  try {
    services = await startServices({
      storeNodes,
      natsNodes,
      ...(heapMb !== undefined && { heapMb }),
      longLived,
      own: ownServices,
      progress,
    });
    signal?.throwIfAborted();
    const { contactPoints, localDc } = services.cassandra;
    await migrate({ contactPoints, keyspace, localDc }, storeNodes);
    progress(`the schema is applied to the keyspace ${keyspace}`);
    for (const [role, count] of [
      ['sequencer', options.nodes ?? 1],
      ['edge', options.edges ?? 2],
    ] as const) {
      signal?.throwIfAborted();
      for (let index = 0; index < count; index++)
        nodes[role].push(await makeNode(role, index, options, services, keyspace));
      await startNodes(nodes[role], progress);
    }
    signal?.throwIfAborted();
  } catch (error) {
    await stop();
    throw signal?.aborted === true ? signal.reason : error;
  } finally {
    signal?.removeEventListener('abort', endProcesses);
  }
  const { edge: edges, sequencer: sequencers } = nodes;
  const running = services;
  const addSequencer = async (): Promise<NodeProcess> => {
    const node = await makeNode('sequencer', sequencers.length, options, running, keyspace);
    sequencers.push(node);
    return node;
  };
  return { edges, sequencers, services, keyspace, addSequencer, stop };
}

async function makeNode(
  role: NodeRole,
  index: number,
  options: StackOptions,
  services: Services,
  keyspace: string,
): Promise<NodeProcess> {
  const { settings, program = 'sources', restartExited = false, progress = () => undefined } = options;
  const port = role === 'edge' ? await freePort() : undefined;
  const adminPort = await freePort();
  const env = {
    ...stackSettings(services, keyspace),
    CARILLON_ROLES: role,
    CARILLON_ADMIN_PORT: String(adminPort),
    ...(port !== undefined && { CARILLON_PORT: String(port) }),
    ...options.env,
    ...(await settings?.({ role, index }, services)),
  };
  return new NodeProcess({ role, index, port, adminPort, env, program, restartExited, progress });
}

function stackSettings({ cassandra, nats, redis }: Services, keyspace: string): Record<string, string> {
  return {
    CARILLON_AUTH: 'dev',
    CARILLON_STORE: 'scylla',
    CARILLON_BUS: 'nats',
    CARILLON_PRESENCE: 'redis',
    CARILLON_SCYLLA_CONTACT_POINTS: cassandra.contactPoints.join(','),
    CARILLON_SCYLLA_KEYSPACE: keyspace,
    CARILLON_SCYLLA_LOCAL_DC: cassandra.localDc,
    CARILLON_NATS_URL: nats.urls.join(','),
    CARILLON_REDIS_URL: redis.url,
  };
}

/** All at once; if one fails, when all are done. */
async function startNodes(nodes: readonly NodeProcess[], progress: (line: string) => void): Promise<void> {
  const starts = nodes.map(async (node) => {
    const startedAt = performance.now();
    await node.start();
    progress(`${node.name}: ready after ${((performance.now() - startedAt) / 1_000).toFixed(1)} s`);
  });
  const failed = (await Promise.allSettled(starts)).find((outcome) => outcome.status === 'rejected');
  if (failed !== undefined) throw failed.reason;
}

function isGiven({ nodes }: CassandraCluster): boolean {
  return nodes.length === 0;
}

async function dropKeyspace({ contactPoints, localDc }: CassandraCluster, keyspace: string): Promise<void> {
  const client = await connectScylla({ contactPoints, localDc, keyspace });
  await client.driver.execute(`DROP KEYSPACE IF EXISTS ${keyspace}`, [], { readTimeout: 30_000 });
  await client.close();
}
