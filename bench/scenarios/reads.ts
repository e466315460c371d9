/** What read cursors cost: each moves a member's cursor, is written and told to the other member. */
import type { Options } from '../options.ts';
import type { ReadsResult } from '../plan.ts';
import { generate, startServer, withDataDir } from '../processes.ts';
import type { Progress } from './load.ts';

export interface ReadsReport extends ReadsResult {
  readonly scenario: 'reads';
  readonly conversations: number;
}

export function runReads(options: Options, progress: Progress): Promise<ReadsReport> {
  const { connections, conversations, seconds, warmup, rate = 0 } = options;
  return withDataDir(options.dir, async (dataDir) => {
    const server = await startServer({ program: options.server, dataDir });
    const plan = {
      job: 'reads' as const,
      target: server.target,
      connections,
      conversations,
      readsPerSecond: rate,
      warmupMs: warmup * 1_000,
      measureMs: seconds * 1_000,
    };
    const result = await generate(plan, { progress });
    await server.stop();
    return { scenario: 'reads', conversations, ...result };
  });
}
