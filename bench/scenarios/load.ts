/** direct, group and echo: rounds of load, alone or in turns with the bare baseline. */
import type { Options } from '../options.ts';
import type { LoadPlan, LoadResult, Target } from '../plan.ts';
import { generate, startBaseline, startServer, withDataDir } from '../processes.ts';

export interface LoadReport {
  readonly scenario: 'direct' | 'group' | 'echo';
  /** Rounds of the server, in order; none for `echo`. */
  readonly server: readonly LoadResult[];
  /** Rounds of the baseline, each run after the server's round of the same place. */
  readonly baseline: readonly LoadResult[];
  /** Rounds of another build, each right before or right after the server's of the same place. */
  readonly other?: readonly LoadResult[];
  /** Of what the server was made, if it was a cluster. */
  readonly cluster?: { readonly nodes: number; readonly edges: number; readonly storeNodes: number };
}

export type Progress = (text: string) => void;

export async function runLoad(options: Options, progress: Progress): Promise<LoadReport> {
  const scenario = options.scenario as LoadReport['scenario'];
  const server: LoadResult[] = [];
  const baseline: LoadResult[] = [];
  const other: LoadResult[] = [];
  for (let round = 1; round <= options.rounds; round++) {
    const say = (side: string) => (text: string) => progress(`${side} ${round}/${options.rounds}: ${text}`);
    // Neither build is always first, so that what drifts is shared.
    const otherRound = async (): Promise<void> => {
      if (scenario === 'echo' || options.compareWith === undefined) return;
      other.push(await serverRound(scenario, options, say('other build'), options.compareWith));
    };
    if (round % 2 === 0) await otherRound();
    if (scenario !== 'echo') server.push(await serverRound(scenario, options, say(scenario)));
    if (round % 2 === 1) await otherRound();
    if (scenario === 'echo' || options.compare) {
      const job = scenario === 'group' ? 'publish' : 'echo';
      baseline.push(await baselineRound(job, burstOf(server), options, say('baseline')));
    }
    if (hasProblems(server, baseline, other)) break;
  }
  return { scenario, server, baseline, ...(other.length > 0 && { other }) };
}

/** Both sides must batch alike: the baseline publishes in bursts as large as those just seen. */
export function burstOf(server: readonly LoadResult[]): number {
  return Math.max(1, Math.round(server.at(-1)?.messagesPerRead ?? 1));
}

/** No figure is worth more rounds once something was lost or doubled. */
export function hasProblems(...sides: readonly (readonly LoadResult[])[]): boolean {
  return sides.flat().some((result) => result.problemCount > 0);
}

function serverRound(
  job: 'direct' | 'group',
  options: Options,
  progress: Progress,
  program = options.server,
): Promise<LoadResult> {
  return withDataDir(options.dir, async (dataDir) => {
    const nodeFlags =
      options.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${options.profile}`];
    const server = await startServer({ program, dataDir, nodeFlags });
    const result = await generate(loadPlan(job, server.target, options), { progress });
    await server.stop();
    return result;
  });
}

export async function baselineRound(
  job: 'echo' | 'publish',
  burst: number,
  options: Options,
  progress: Progress,
): Promise<LoadResult> {
  const server = await startBaseline(job, job === 'publish' ? [String(burst)] : []);
  const result = await generate(loadPlan(job, server.target, options), { progress });
  await server.stop();
  return result;
}

export function loadPlan(job: LoadPlan['job'], target: Target, options: Options): LoadPlan {
  return {
    job,
    target,
    connections: options.connections,
    window: options.window,
    conversations: options.conversations,
    senders: options.senders,
    bodyBytes: options.body,
    ratePerSecond: options.rate,
    warmupMs: options.warmup * 1000,
    measureMs: options.seconds * 1000,
  };
}
