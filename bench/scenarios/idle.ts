/** What an idle socket costs: the slope of the server's memory over connections, each with its conversations. */
import { Inspector, type Memory } from '../inspector.ts';
import type { Options } from '../options.ts';
import type { AuditResult } from '../plan.ts';
import { freePort } from '../../test/services/addresses.ts';
import { generate, startServer, withDataDir } from '../processes.ts';
import { privateBytes } from '../process-stats.ts';
import { slope } from '../statistics.ts';
import type { Progress } from './load.ts';

export interface IdleStep {
  readonly connections: number;
  /** Of the process alone, as the system counts it; the resident set where /proc does not tell. */
  readonly privateBytes: number;
  readonly heapBytes: number;
  readonly externalBytes: number;
}

export interface IdleReport {
  readonly scenario: 'idle';
  readonly conversationsPerConnection: number;
  readonly steps: readonly IdleStep[];
  /** Bytes per connection, by least squares over the steps. */
  readonly bytesPerConnection: number;
  readonly heapBytesPerConnection: number;
  readonly externalBytesPerConnection: number;
  readonly problemCount: number;
  readonly problems: readonly string[];
}

const STEPS = 5;
const SETTLE_MS = 2_000;

export function runIdle(options: Options, progress: Progress): Promise<IdleReport> {
  const { connections, conversations } = options;
  return withDataDir(options.dir, async (dataDir) => {
    const filled = await startServer({ program: options.server, dataDir });
    const fill = { job: 'fill' as const, target: filled.target, connections, conversations };
    const filling = await generate(fill, { progress });
    await filled.stop();

    // A fresh process: nothing of the filling is left in its memory.
    const inspectorPort = await freePort();
    const server = await startServer({
      program: options.server,
      dataDir,
      nodeFlags: [`--inspect=127.0.0.1:${inspectorPort}`],
    });
    const inspector = await Inspector.connect(inspectorPort);
    const steps: IdleStep[] = [];
    const onStep = async (open: number): Promise<void> => {
      await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
      const memory = await settledMemory(inspector);
      steps.push({
        connections: open,
        privateBytes: privateBytes(server.child.pid as number) ?? memory.rss,
        heapBytes: memory.heapUsed,
        externalBytes: memory.external,
      });
      progress(`${open} connections: ${Math.round((steps.at(-1)?.privateBytes ?? 0) / 1024)} KiB private`);
    };
    const totals = Array.from({ length: STEPS }, (_, i) => Math.round(((i + 1) * connections) / STEPS));
    const hold = { job: 'hold' as const, target: server.target, connections, steps: totals };
    const holding = await generate(hold, { progress, onStep });
    inspector.close();
    await server.stop();
    return report(options, steps, [filling, holding]);
  });
}

async function settledMemory(inspector: Inspector): Promise<Memory> {
  for (let i = 0; i < 3; i++) await inspector.collectGarbage();
  return inspector.memory();
}

function report(options: Options, steps: readonly IdleStep[], parts: readonly AuditResult[]): IdleReport {
  const per = (pick: (step: IdleStep) => number): number =>
    slope(steps.map((step) => [step.connections, pick(step)]));
  return {
    scenario: 'idle',
    conversationsPerConnection: (2 * options.conversations) / options.connections,
    steps,
    bytesPerConnection: per((step) => step.privateBytes),
    heapBytesPerConnection: per((step) => step.heapBytes),
    externalBytesPerConnection: per((step) => step.externalBytes),
    problemCount: parts.reduce((sum, part) => sum + part.problemCount, 0),
    problems: parts.flatMap((part) => part.problems),
  };
}
