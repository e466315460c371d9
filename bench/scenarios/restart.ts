/**
 * How long a server with a full store takes from its start to the first 200 of /readyz: after kill -9 in the wake
 * of a load, and after an orderly stop. Each time, every conversation's head must be what was acked.
 */
import type { Options } from '../options.ts';
import type { AuditResult, LoadPlan, LoadResult } from '../plan.ts';
import { generate, type RunningServer, startServer, withDataDir } from '../processes.ts';
import type { Progress } from './load.ts';

export interface RestartReport {
  readonly scenario: 'restart';
  readonly messages: number;
  readonly bodyBytes: number;
  /** Milliseconds, spawn to ready; the file cache is warm. */
  readonly afterKillMs: readonly number[];
  readonly afterStopMs: readonly number[];
  readonly problemCount: number;
  readonly problems: readonly string[];
}

const FILL_WINDOW = 16;
const FILL_MS_MAX = 3_600_000;
const BURST_MS = 2_000;

interface Store {
  readonly dataDir: string;
  server: RunningServer;
  heads: readonly number[];
  readonly parts: (LoadResult | AuditResult)[];
}

export function runRestart(options: Options, progress: Progress): Promise<RestartReport> {
  return withDataDir(options.dir, async (dataDir) => {
    const store: Store = {
      dataDir,
      server: await startServer({ program: options.server, dataDir }),
      heads: [],
      parts: [],
    };
    const ackedMax = Math.ceil(options.bytes / options.body);
    await load(store, options, { measureMs: FILL_MS_MAX, ackedMax }, progress);
    const afterKillMs: number[] = [];
    const afterStopMs: number[] = [];
    for (let round = 1; round <= options.rounds && faults(store) === 0; round++) {
      afterKillMs.push(await restart(store, options, 'SIGKILL', progress));
      afterStopMs.push(await restart(store, options, 'SIGTERM', progress));
      if (round < options.rounds) await load(store, options, { measureMs: BURST_MS }, progress);
    }
    await store.server.stop();
    return {
      scenario: 'restart',
      messages: store.heads.reduce((sum, head) => sum + head, 0),
      bodyBytes: options.body,
      afterKillMs,
      afterStopMs,
      problemCount: faults(store),
      problems: store.parts.flatMap((part) => part.problems),
    };
  });
}

function faults(store: Store): number {
  return store.parts.reduce((sum, part) => sum + part.problemCount, 0);
}

async function load(
  store: Store,
  options: Options,
  extent: Pick<LoadPlan, 'measureMs' | 'ackedMax'>,
  progress: Progress,
): Promise<void> {
  const { connections, conversations, body } = options;
  const plan: LoadPlan = {
    job: 'direct',
    target: store.server.target,
    connections,
    conversations,
    window: FILL_WINDOW,
    senders: 0,
    bodyBytes: body,
    warmupMs: 0,
    heads: store.heads,
    ...extent,
  };
  const result = await generate(plan, { progress: (text) => progress(`filling: ${text}`) });
  store.heads = result.heads;
  store.parts.push(result);
}

/** Ends the server so, starts it again, compares what it kept, and returns how long it took. */
async function restart(
  store: Store,
  options: Options,
  signal: 'SIGKILL' | 'SIGTERM',
  progress: Progress,
): Promise<number> {
  await store.server.stop(signal);
  let tookMs = 0;
  store.server = await startServer({
    program: options.server,
    dataDir: store.dataDir,
    onReady: (ms) => (tookMs = ms),
  });
  progress(`ready ${Math.round(tookMs)} ms after ${signal} and a start`);
  const { connections, conversations } = options;
  const { target } = store.server;
  const audit = { job: 'audit' as const, target, connections, conversations, heads: store.heads };
  store.parts.push(await generate(audit, { progress }));
  return tookMs;
}
