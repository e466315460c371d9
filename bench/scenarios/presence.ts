/** What presence costs: the hub alone at a high rate, and a server whose clients come and go over sockets. */
import type { Options } from '../options.ts';
import type { HubPlan, HubResult, VisitsPlan, VisitsResult } from '../plan.ts';
import { generate, startServer, withDataDir } from '../processes.ts';
import type { Progress } from './load.ts';

export interface PresenceReport {
  readonly scenario: 'presence';
  readonly hubPlan: HubPlan;
  readonly hub: HubResult;
  readonly visitsPlan: Omit<VisitsPlan, 'target'>;
  readonly visits: VisitsResult;
  readonly problemCount: number;
  readonly problems: readonly string[];
}

/** Before it is measured, those who left first have gone: from then on as many go as leave. */
const HUB_WARMUP_MS = 11_000;
const VISITS_WARMUP_MS = 3_000;

export async function runPresence(options: Options, progress: Progress): Promise<PresenceReport> {
  const { users, visits, seconds, rate = 0 } = options;
  const hubPlan: HubPlan = {
    job: 'hub',
    users,
    watchedShare: 0.1,
    edges: 8,
    edgesPerUser: 3,
    connectsPerSecond: rate,
    warmupMs: HUB_WARMUP_MS,
    measureMs: seconds * 1_000,
  };
  const hub = await generate(hubPlan, { progress: (text) => progress(`hub: ${text}`) });
  const visitsPlan = {
    job: 'visits' as const,
    visitsPerSecond: visits,
    stayMs: 2_000,
    watchers: 5,
    watchedEach: 200,
    warmupMs: VISITS_WARMUP_MS,
    measureMs: seconds * 1_000,
  };
  const visited = await overSockets(visitsPlan, options, progress);
  return {
    scenario: 'presence',
    hubPlan,
    hub,
    visitsPlan,
    visits: visited,
    problemCount: hub.problemCount + visited.problemCount,
    problems: [...hub.problems, ...visited.problems],
  };
}

function overSockets(
  plan: Omit<VisitsPlan, 'target'>,
  { server: program, dir }: Options,
  progress: Progress,
): Promise<VisitsResult> {
  return withDataDir(dir, async (dataDir) => {
    const server = await startServer({ program, dataDir });
    const say = (text: string): void => progress(`sockets: ${text}`);
    const result = await generate({ ...plan, target: server.target }, { progress: say });
    await server.stop();
    return result;
  });
}
