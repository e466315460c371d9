import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { Client, policies, types } from 'cassandra-driver';
import { freePort, ownAddresses } from './addresses.ts';
import { cached } from './cache.ts';
import { scratchDir } from './scratch-dir.ts';
import { answers, runTool, ServiceProcess } from './service-process.ts';

const VERSION = '5.0.6';
/** On two busy cores a node that is restarted is up for minutes before it answers. */
const READY_MS_MAX = 300_000;
const LOOK_MS = 250;
const NATIVE_PORT = 9042;
const STORAGE_PORT = 7000;
const HERE = new URL('./cassandra/', import.meta.url).pathname;

export interface CassandraNode {
  readonly host: string;
  readonly port: number;
  readonly process: ServiceProcess;
  kill(): Promise<void>;
  /** Starts it again over its own data. */
  restart(): Promise<void>;
}

export interface CassandraCluster {
  readonly contactPoints: readonly string[];
  readonly localDc: string;
  /** None of a cluster that was given. */
  readonly nodes: readonly CassandraNode[];
  stop(): Promise<void>;
}

export interface CassandraOptions {
  readonly nodes?: 1 | 3;
  /** Megabytes of heap per node. */
  readonly heapMb?: number;
  /**
   * Compiled for a long life (unless it is started again): slow for the first minutes, and faster then. Its writes wait
   * up to 10 ms for a common sync (else 1 ms), its memtables are tries, and its garbage is collected in parallel: each
   * costs it less work per write.
   */
  readonly longLived?: boolean;
}

/** Cassandra itself from Maven's jars, one node or three, each write synced to disk before it is acked. */
export async function startCassandra(options: CassandraOptions = {}): Promise<CassandraCluster> {
  const count = options.nodes ?? 1;
  const lib = await cached(`cassandra-${VERSION}`, async (scratch) => {
    writeFileSync(
      join(scratch, 'pom.xml'),
      readFileSync(join(HERE, 'pom.xml'), 'utf8').replace('VERSION', VERSION),
    );
    const args = [
      '-q',
      '-B',
      'dependency:copy-dependencies',
      '-DincludeScope=runtime',
      '-DoutputDirectory=lib',
    ];
    await runTool('mvn', args, { cwd: scratch });
  });
  const dir = scratchDir('cassandra');
  const hosts = ownAddresses(count);
  const heapMb = options.heapMb ?? (count === 1 ? 1_024 : 512);
  const nodes: Node[] = [];
  try {
    for (const [i, host] of hosts.entries()) {
      nodes.push(
        await Node.start({
          lib: join(lib, 'lib'),
          dir: join(dir.path, `node${i + 1}`),
          host,
          seed: hosts[0] as string,
          index: i,
          count,
          heapMb,
          longLived: options.longLived ?? false,
        }),
      );
      if (i === 0) await nodes[0]?.ready(); // the others ask it who there is
    }
    await Promise.all(nodes.map((node) => node.ready()));
    if (count > 1) await Promise.all(hosts.map(seesAll));
  } catch (error) {
    await Promise.all(nodes.map((node) => node.kill()));
    dir.remove();
    throw error;
  }
  return {
    contactPoints: hosts,
    localDc: 'datacenter1',
    nodes,
    async stop() {
      await Promise.all(nodes.map((node) => node.kill())); // nothing of it is kept
      dir.remove();
    },
  };
}

/** Waits until the node at this host takes all three of its cluster to be alive. */
async function seesAll(host: string): Promise<void> {
  const client = new Client({
    contactPoints: [host],
    policies: {
      loadBalancing: new policies.loadBalancing.AllowListPolicy(
        new policies.loadBalancing.RoundRobinPolicy(),
        [`${host}:${NATIVE_PORT}`],
      ),
    },
    queryOptions: { consistency: types.consistencies.all, fetchSize: 1 },
  });
  const end = performance.now() + READY_MS_MAX;
  try {
    for (;;) {
      try {
        await client.execute('SELECT * FROM system_distributed.repair_history LIMIT 1'); // three copies of it
        return;
      } catch (error) {
        if (performance.now() > end) throw error;
        await sleep(LOOK_MS);
      }
    }
  } finally {
    await client.shutdown();
  }
}

/** A cluster that others run: `host` or `host:port`, one or more. Left alone at the end. */
export async function givenCassandra(contactPoints: readonly string[]): Promise<CassandraCluster> {
  const client = new Client({
    contactPoints: [...contactPoints],
    policies: { loadBalancing: new policies.loadBalancing.RoundRobinPolicy() },
  });
  try {
    const { rows } = await client.execute('SELECT data_center FROM system.local');
    const localDc = rows[0]?.['data_center'] as string;
    return { contactPoints, localDc, nodes: [], stop: async () => undefined };
  } finally {
    await client.shutdown();
  }
}

interface NodeOptions {
  readonly lib: string;
  readonly dir: string;
  readonly host: string;
  readonly seed: string;
  readonly index: number;
  readonly count: number;
  readonly heapMb: number;
  readonly longLived: boolean;
}

/**
 * Several nodes have so many threads that all else on a small machine gets next to nothing while they are busy; in
 * earnest they have machines of their own.
 */
const BEHIND_OTHERS = ['nice', '-n', '10'];

/**
 * Its idle workers look for work by naps of some 10 us, which is a third and more of its processor time at a light load.
 * This is how late the kernel may end such a nap (it goes by the process, over its `exec`); the default is 50 us.
 */
const NAPS_LATE_NS = 1_000_000;
const NAPPING = ['sh', '-c', `echo ${NAPS_LATE_NS} >/proc/self/timerslack_ns; exec "$@"`, 'sh'];

/** The second compiler takes minutes of processor time before it pays: no node that is started again lives so long. */
const QUICKLY_COMPILED = '-XX:TieredStopAtLevel=1';

class Node implements CassandraNode {
  readonly host: string;
  readonly port = NATIVE_PORT;
  process: ServiceProcess;
  readonly #command: readonly string[];

  /** The command is that of a node of a short life. */
  private constructor(host: string, command: readonly string[], longLived: boolean) {
    this.host = host;
    this.#command = command;
    this.process = this.#start(longLived ? command.filter((each) => each !== QUICKLY_COMPILED) : command);
  }

  static async start(options: NodeOptions): Promise<Node> {
    const { lib, dir, host, heapMb } = options;
    const conf = join(dir, 'conf');
    mkdirSync(conf, { recursive: true });
    writeFileSync(join(conf, 'cassandra.yaml'), yaml(options));
    copyFileSync(join(HERE, 'logback.xml'), join(conf, 'logback.xml'));
    const exports = readFileSync(join(HERE, 'jvm17.options'), 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('--'));
    const settings: Record<string, string> = {
      'cassandra.config': `file://${join(conf, 'cassandra.yaml')}`,
      'cassandra.storagedir': dir,
      'logback.configurationFile': `file://${join(conf, 'logback.xml')}`,
      'cassandra.skip_wait_for_gossip_to_settle': '0',
      // Also how long a node looks for a first peer: on a busy machine that takes seconds.
      'cassandra.ring_delay_ms': options.count === 1 ? '100' : '10000',
      'cassandra-foreground': 'yes',
      'cassandra.jmx.local.port': String(await freePort()),
      'jdk.attach.allowAttachSelf': 'true',
      'io.netty.tryReflectionSetAccessible': 'true',
    };
    const flags = Object.entries(settings).map(([name, value]) => `-D${name}=${value}`);
    const collector = options.longLived ? '-XX:+UseParallelGC' : '-XX:+UseG1GC';
    const heap = [`-Xms${Math.floor(heapMb / 2)}m`, `-Xmx${heapMb}m`, collector, QUICKLY_COMPILED];
    const main = ['-cp', `${lib}/*:${conf}`, 'org.apache.cassandra.service.CassandraDaemon'];
    const java = ['java', ...heap, ...flags, ...exports, ...main];
    const command = [...NAPPING, ...(options.count > 1 ? BEHIND_OTHERS : []), ...java];
    return new Node(host, command, options.longLived);
  }

  ready(): Promise<void> {
    return this.process.ready(READY_MS_MAX, () => answers(this.host, this.port));
  }

  kill(): Promise<void> {
    return this.process.kill();
  }

  async restart(): Promise<void> {
    await this.process.kill();
    this.process = this.#start(this.#command);
    await this.ready();
  }

  #start([command = '', ...args]: readonly string[]): ServiceProcess {
    return new ServiceProcess({ name: `cassandra on ${this.host}`, command, args });
  }
}

const TRIES = ['memtable:', '  configurations:', '    default:', '      class_name: TrieMemtable'];

function yaml({ dir, host, seed, index, count, longLived }: NodeOptions): string {
  // Evenly over Murmur3's range of tokens.
  const token = -(2n ** 63n) + (2n ** 64n / BigInt(count)) * BigInt(index);
  const lines = [
    'cluster_name: carillon',
    'num_tokens: 1',
    'partitioner: org.apache.cassandra.dht.Murmur3Partitioner',
    ...(count > 1 ? [`initial_token: ${token}`, 'auto_bootstrap: false'] : []),
    'commitlog_sync: group',
    `commitlog_sync_group_window: ${longLived ? 10 : 1}ms`,
    // Each waits for the sync in a thread of its own.
    ...(longLived ? ['concurrent_writes: 256', ...TRIES] : []),
    'endpoint_snitch: SimpleSnitch',
    `listen_address: ${host}`,
    `rpc_address: ${host}`,
    `native_transport_port: ${NATIVE_PORT}`,
    `storage_port: ${STORAGE_PORT}`,
    `data_file_directories: [${join(dir, 'data')}]`,
    `commitlog_directory: ${join(dir, 'commitlog')}`,
    `saved_caches_directory: ${join(dir, 'saved_caches')}`,
    `hints_directory: ${join(dir, 'hints')}`,
    `cdc_raw_directory: ${join(dir, 'cdc_raw')}`,
    'paxos_variant: v2',
    'storage_compatibility_mode: NONE',
    'memtable_heap_space: 128MiB',
    'memtable_offheap_space: 128MiB',
    'seed_provider:',
    '  - class_name: org.apache.cassandra.locator.SimpleSeedProvider',
    `    parameters: [{ seeds: "${seed}:${STORAGE_PORT}" }]`,
  ];
  return `${lines.join('\n')}\n`;
}
