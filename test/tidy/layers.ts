/** The map of the repository: which part a file belongs to, whom a part may import, where a driver may be imported. */

/** A folder's prefix, or a file. What is in none of them is not known to the map. */
const PARTS: readonly (readonly [prefix: string, part: string])[] = [
  ['src/core/', 'core'],
  ['src/protocol/', 'protocol'],
  ['actors/', 'actors'],
  ['cluster/', 'cluster'],
  ['src/edge/', 'edge'],
  ['src/push/', 'push'],
  ...['scylla', 'nats', 'redis'].flatMap((adapter): (readonly [string, string])[] => [
    [`src/adapters/${adapter}/options.ts`, 'adapter-terms'],
    [`src/adapters/${adapter}/metrics.ts`, 'adapter-terms'],
  ]),
  ['src/adapters/', 'adapters'],
  ['src/client/', 'client'],
  ['src/console/', 'console'],
  ['src/config.ts', 'config'],
  ['src/config-cluster.ts', 'config'],
  ['src/setting.ts', 'config'],
  ['src/setting-cluster.ts', 'config'],
  ['src/telemetry.ts', 'telemetry'],
  ['src/metric-kinds.ts', 'telemetry'],
  ['src/adapter-metrics.ts', 'telemetry'],
  ['src/cluster-metrics.ts', 'telemetry'],
  ['src/lifecycle.ts', 'lifecycle'],
  ['src/main.ts', 'main'],
  ['src/roles/', 'main'],
  ['src/cli/', 'cli'],
  ['bench/', 'bench'],
  ['test/', 'test'],
];

const SHIPPED = [
  'config',
  'telemetry',
  'lifecycle',
  'adapter-terms',
  'adapters',
  'actors',
  'cluster',
  'edge',
  'push',
  'console',
];

/** Whom each part may import, beside itself. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  core: [],
  protocol: ['core'],
  actors: ['core', 'protocol'],
  cluster: ['core', 'protocol'],
  edge: ['core', 'protocol'],
  push: ['core', 'protocol'],
  adapters: ['core', 'protocol', 'adapter-terms'],
  // What an adapter is told and what it tells of itself: no driver behind it.
  'adapter-terms': [],
  client: ['core', 'protocol'],
  console: ['core', 'protocol', 'client'],
  config: ['core', 'protocol', 'adapter-terms'],
  telemetry: ['core', 'protocol', 'adapter-terms'],
  lifecycle: ['core', 'protocol'],
  main: ['core', 'protocol', ...SHIPPED],
  cli: ['core', 'protocol', ...SHIPPED, 'client', 'main'],
  bench: ['core', 'protocol', ...SHIPPED, 'client', 'main', 'cli', 'test'],
  test: ['core', 'protocol', ...SHIPPED, 'client', 'main', 'cli', 'bench'],
};

/** The one place of each driver package. Tests are free: they drive the real thing from outside. */
export const DRIVERS: Readonly<Record<string, readonly string[]>> = {
  lmdb: ['src/adapters/lmdb/'],
  'cassandra-driver': ['src/adapters/scylla/'],
  nats: ['src/adapters/nats/'],
  ioredis: ['src/adapters/redis/'],
  'uWebSockets.js': ['src/edge/'],
  ws: ['src/edge/', 'src/client/node.ts'],
  hashring: ['cluster/ring.ts'],
  jose: ['src/edge/auth'],
  pino: ['src/telemetry.ts'],
  'prom-client': [
    'src/telemetry.ts',
    'src/metric-kinds.ts',
    'src/adapter-metrics.ts',
    'src/cluster-metrics.ts',
  ],
};

/** Where the real clock, timers and chance are. */
export const SYSTEM_FILES: readonly string[] = ['src/adapters/system.ts', 'src/client/system.ts'];

export function partOf(path: string): string | undefined {
  return PARTS.find(([prefix]) => (prefix.endsWith('/') ? path.startsWith(prefix) : path === prefix))?.[1];
}

export function mayImport(from: string, to: string): boolean {
  return from === to || (MAY_IMPORT[from]?.includes(to) ?? false);
}

/** Code that runs in a server or at a user's; not tests, not the bench. */
export function isShipped(path: string): boolean {
  return path.startsWith('src/') || path.startsWith('actors/') || path.startsWith('cluster/');
}

/** Code that a build step runs, which may use development packages. */
export function isBuildStep(path: string): boolean {
  return path === 'src/console/build.ts';
}

/** What of the folders for browsers runs in Node alone. */
const IN_NODE: readonly string[] = ['src/client/node.ts', 'src/console/assets.ts', 'src/console/build.ts'];

export function isForBrowsers(path: string): boolean {
  return /^src\/(client|console)\//.test(path) && !IN_NODE.includes(path);
}
