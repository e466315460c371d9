/** direct and group in a cluster: one stack for all rounds, so that services and nodes are warm; see load.ts. */
import type { Options } from '../options.ts';
import type { LoadResult } from '../plan.ts';
import { generate } from '../processes.ts';
import { type BenchStack, withStack } from '../stack.ts';
import { baselineRound, burstOf, hasProblems, type LoadReport, loadPlan, type Progress } from './load.ts';

export function runClusterLoad(options: Options, progress: Progress): Promise<LoadReport> {
  const { nodes, edges, storeNodes } = options;
  const scenario = options.scenario as 'direct' | 'group';
  return withStack(options, progress, async (stack) => {
    const rounds = new ClusterRounds(scenario, options, stack);
    const server: LoadResult[] = [];
    const baseline: LoadResult[] = [];
    if (options.heat > 0) {
      const heating = await rounds.run({ warmupMs: 0, measureMs: options.heat * 1_000 }, (text) =>
        progress(`heating: ${text}`),
      );
      if (heating.problemCount > 0) server.push(heating);
    }
    for (let round = 1; round <= options.rounds && !hasProblems(server, baseline); round++) {
      const say = (side: string) => (text: string) => progress(`${side} ${round}/${options.rounds}: ${text}`);
      const isLast = round === options.rounds;
      server.push(
        await stack.profiled(isLast ? options.profile : undefined, () => rounds.run({}, say(scenario))),
      );
      if (!options.compare || hasProblems(server, baseline)) continue;
      say('baseline')('waiting until the stack is quiet');
      await stack.quiet();
      const job = scenario === 'group' ? 'publish' : 'echo';
      baseline.push(await baselineRound(job, burstOf(server), options, say('baseline')));
    }
    return { scenario, server, baseline, cluster: { nodes, edges, storeNodes } };
  });
}

/** Loads on the same conversations: each goes on where the one before ended. */
class ClusterRounds {
  readonly #scenario: 'direct' | 'group';
  readonly #options: Options;
  readonly #stack: BenchStack;
  #heads: readonly number[] = [];

  constructor(scenario: 'direct' | 'group', options: Options, stack: BenchStack) {
    this.#scenario = scenario;
    this.#options = options;
    this.#stack = stack;
  }

  async run(extent: { warmupMs?: number; measureMs?: number }, progress: Progress): Promise<LoadResult> {
    const { target } = this.#stack;
    const plan = { ...loadPlan(this.#scenario, target, this.#options), ...extent, heads: this.#heads };
    const result = await generate(plan, { progress });
    this.#heads = result.heads;
    return result;
  }
}
