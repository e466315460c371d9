/** What the first sync of a long list costs: bytes before the first paint, and the time for all of it. */
import type { Options } from '../options.ts';
import type { SyncPlan, SyncResult } from '../plan.ts';
import { generate, startServer, withDataDir } from '../processes.ts';
import type { Progress } from './load.ts';

export interface SyncReport extends SyncResult {
  readonly scenario: 'sync';
  readonly plan: Omit<SyncPlan, 'target'>;
}

export function runSync(options: Options, progress: Progress): Promise<SyncReport> {
  const { conversations, unread, body, rounds } = options;
  return withDataDir(options.dir, async (dataDir) => {
    const server = await startServer({ program: options.server, dataDir });
    const plan = { job: 'sync' as const, conversations, unread, bodyBytes: body, rounds };
    const result = await generate({ ...plan, target: server.target }, { progress });
    await server.stop();
    return { scenario: 'sync', plan, ...result };
  });
}
