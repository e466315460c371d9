/** A cluster under load: the stack of `npm run stack`, with rates off, and its processes known by name. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { SUBPROTOCOLS } from '../src/protocol/frames.ts';
import { startStack } from '../test/services/stack.ts';
import { Inspector } from './inspector.ts';
import type { Options } from './options.ts';
import type { Target } from './plan.ts';
import { CpuMeter } from './process-stats.ts';
import { freePort } from '../test/services/addresses.ts';
import { FREE_RATES, SOCKET_PATH } from './processes.ts';
import type { Progress } from './scenarios/load.ts';
import { withServices } from './services.ts';

const QUIET_CORES = 0.15;
const QUIET_LOOK_MS = 500;
const QUIET_MS_MAX = 20_000;

export interface BenchStack {
  readonly target: Target;
  /** Resolves when what a load left behind is done: projections, flushes, compiling. */
  quiet(): Promise<void>;
  /** Runs `work`, and leaves a .cpuprofile of each node in the folder, if one is given. */
  profiled<T>(folder: string | undefined, work: () => Promise<T>): Promise<T>;
}

/** Services, sequencers and edges as the options say, for `work`. */
export function withStack<T>(
  { nodes, edges, storeNodes, profile }: Options,
  progress: Progress,
  work: (stack: BenchStack) => Promise<T>,
): Promise<T> {
  return withServices(storeNodes, progress, async (services) => {
    const inspectors = new Map<string, number>();
    const stack = await startStack({
      nodes,
      edges,
      storeNodes,
      env: FREE_RATES,
      settings: async ({ role, index }): Promise<Record<string, string>> => {
        if (profile === undefined) return {};
        const port = await freePort();
        inspectors.set(`${role}-${index + 1}`, port);
        return { NODE_OPTIONS: `--inspect=127.0.0.1:${port}` };
      },
      program: 'dist',
      progress,
    });
    try {
      const target: Target = {
        addresses: stack.edges.map(({ url }) => ({
          host: new URL(url).hostname,
          port: Number(new URL(url).port),
        })),
        path: SOCKET_PATH,
        subprotocol: SUBPROTOCOLS.binary,
        processes: [
          ...[...stack.edges, ...stack.sequencers].map(({ name, pid }) => ({ name, pid })),
          ...services,
        ],
        admin: {
          sequencers: stack.sequencers.map(({ adminUrl }) => adminUrl),
          edges: stack.edges.map(({ adminUrl }) => adminUrl),
        },
      };
      return await work({
        target,
        quiet: () => quiet(target),
        profiled: (folder, profiledWork) => profiled(folder, inspectors, profiledWork),
      });
    } finally {
      await stack.stop();
    }
  });
}

async function quiet({ processes }: Target): Promise<void> {
  const deadline = performance.now() + QUIET_MS_MAX;
  while (performance.now() < deadline) {
    const meter = new CpuMeter(processes);
    await new Promise((resolve) => setTimeout(resolve, QUIET_LOOK_MS));
    if ((meter.use(QUIET_LOOK_MS / 1_000)?.server ?? 0) <= QUIET_CORES) return;
  }
}

async function profiled<T>(
  folder: string | undefined,
  ports: ReadonlyMap<string, number>,
  work: () => Promise<T>,
): Promise<T> {
  if (folder === undefined) return work();
  const inspectors = new Map<string, Inspector>();
  for (const [name, port] of ports) {
    const inspector = await Inspector.connect(port);
    await inspector.startProfile();
    inspectors.set(name, inspector);
  }
  const result = await work();
  for (const [name, inspector] of inspectors) {
    await writeFile(join(folder, `${name}.cpuprofile`), await inspector.stopProfile());
    inspector.close();
  }
  return result;
}
