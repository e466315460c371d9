/** Rows appended as a sequencer appends them, alone or in turns with the bare driver's batches of the same rows. */
import { join } from 'node:path';
import type { Options } from '../options.ts';
import type { AppendPlan, AppendResult } from '../plan.ts';
import { append } from '../processes.ts';
import { withStore } from '../services.ts';
import type { Progress } from './load.ts';

export interface AppendReport {
  readonly scenario: 'append';
  readonly conversations: number;
  readonly rowsPerBatch: number;
  readonly storeNodes: number;
  /** Rounds of ours, in order, and of the bare driver, each run right after ours of the same place. */
  readonly server: readonly AppendResult[];
  readonly baseline: readonly AppendResult[];
}

type Side = 'carillon' | 'driver';

export function runAppend(options: Options, progress: Progress): Promise<AppendReport> {
  const { conversations, rows: rowsPerBatch, storeNodes, rounds, compare, heat } = options;
  const sides: readonly Side[] = compare ? ['carillon', 'driver'] : ['carillon'];
  return withStore(storeNodes, sides, progress, async (stores) => {
    const results: Record<Side, AppendResult[]> = { carillon: [], driver: [] };
    const run = async (side: Side, extent: Partial<AppendPlan>, say: Progress): Promise<void> => {
      const store = stores[sides.indexOf(side)] as AppendPlan['store'];
      const plan = { ...appendPlan(store, options), ...extent };
      const nodeFlags = profileFlags(side, options);
      const result = await append(side, plan, { progress: say, nodeFlags });
      if (extent.measureMs === undefined || result.problemCount > 0) results[side].push(result);
    };
    const failed = (): boolean =>
      sides.some((side) => results[side].some(({ problemCount }) => problemCount > 0));
    const heating = { warmupMs: 0, measureMs: (heat * 1_000) / sides.length };
    for (const side of heat > 0 ? sides : [])
      await run(side, heating, (text) => progress(`heating, ${side}: ${text}`));
    for (let round = 1; round <= rounds && !failed(); round++)
      for (const side of sides)
        await run(side, {}, (text) => progress(`${side} ${round}/${rounds}: ${text}`));
    const { carillon, driver } = results;
    return {
      scenario: 'append',
      conversations,
      rowsPerBatch,
      storeNodes,
      server: carillon,
      baseline: driver,
    };
  });
}

/** A folder per side: the process's threads leave a profile each, named by Node. */
function profileFlags(side: Side, { profile }: Options): string[] {
  return profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${join(profile, side)}`];
}

function appendPlan(store: AppendPlan['store'], options: Options): AppendPlan {
  return {
    job: 'append',
    store,
    conversations: options.conversations,
    rowsPerBatch: options.rows,
    bodyBytes: options.body,
    warmupMs: options.warmup * 1_000,
    measureMs: options.seconds * 1_000,
  };
}
