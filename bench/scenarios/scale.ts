/**
 * What a message costs with three sequencers beside one, at equal load per sequencer: users, conversations and
 * messages per second grow with the sequencers. In turns within one run; then both as fast as they can.
 */
import type { Options } from '../options.ts';
import type { LoadPlan, LoadResult, ServerProcess, Target } from '../plan.ts';
import { generate } from '../processes.ts';
import { letWork } from '../ring.ts';
import { type BenchStack, withStack } from '../stack.ts';
import type { Progress } from './load.ts';

/** How many own conversations; the other sequencers of the stack are drained meanwhile. */
export const SIDES = [1, 3] as const;
export type Sequencers = (typeof SIDES)[number];

export type Measured = Omit<LoadResult, 'heads'>;

export interface ScaleRound {
  readonly round: number;
  readonly sequencers: Sequencers;
  /** Messages per second over all sequencers, at times fixed beforehand. */
  readonly ratePerSecond: number;
  /** Its drained sequencers are named so. */
  readonly result: Measured;
}

export interface ScaleReport {
  readonly scenario: 'scale';
  readonly ratePerSequencer: number;
  /** Unanswered sends per connection in the closed loop. */
  readonly window: number;
  readonly edges: number;
  readonly storeNodes: number;
  /** Open loop, in the order in which they ran. */
  readonly rounds: readonly ScaleRound[];
  /** Closed loop, of as many connections on both sides. */
  readonly closed: readonly { readonly sequencers: Sequencers; readonly result: Measured }[];
  /** Of all loads, heating included. */
  readonly checked: { readonly acked: number; readonly delivered: number };
  readonly problemCount: number;
  readonly problems: readonly string[];
}

/** Beyond them a connection falls behind its times. */
const OPEN_WINDOW = 64;
const ALL = SIDES[1];

export function runScale(options: Options, progress: Progress): Promise<ScaleReport> {
  const { rate = 0, rounds: roundsMax, heat, window, edges, storeNodes } = options;
  return withStack(options, progress, async (stack) => {
    const loads = new Loads(options, stack, progress);
    const rounds: ScaleRound[] = [];
    const closed: ScaleReport['closed'][number][] = [];
    if (heat > 0) await loads.heat();
    for (let round = 1; round <= roundsMax; round++) {
      // Each goes first every other time: what drifts over the run bears on both alike.
      for (const sequencers of round % 2 === 1 ? [...SIDES].reverse() : SIDES) {
        const ratePerSecond = rate * sequencers;
        const result = await loads.open(sequencers, ratePerSecond, `round ${round}/${roundsMax}`);
        if (result !== undefined) rounds.push({ round, sequencers, ratePerSecond, result });
      }
    }
    for (const sequencers of SIDES) {
      const result = await loads.closed(sequencers);
      if (result !== undefined) closed.push({ sequencers, result });
    }
    const { checked, problemCount, problems } = loads;
    const shape = { ratePerSequencer: rate, window, edges, storeNodes };
    return { scenario: 'scale', ...shape, rounds, closed, checked, problemCount, problems };
  });
}

type Size = Pick<LoadPlan, 'connections' | 'conversations'>;

/** Loads on the same stack and conversations; none runs any more once one has found a fault. */
class Loads {
  readonly checked = { acked: 0, delivered: 0 };
  problemCount = 0;
  problems: readonly string[] = [];
  readonly #options: Options;
  readonly #stack: BenchStack;
  readonly #progress: Progress;
  /** Of each conversation; a load of fewer connections has the first of them. */
  #heads: readonly number[] = [];

  constructor(options: Options, stack: BenchStack, progress: Progress) {
    this.#options = options;
    this.#stack = stack;
    this.#progress = progress;
  }

  /** All sequencers, in a closed loop: that is the most work for their compilers. */
  async heat(): Promise<void> {
    const { heat, window } = this.#options;
    await this.#run(ALL, 'heating', { ...this.#sizeOf(1), window, warmupMs: 0, measureMs: heat * 1_000 });
  }

  /** undefined: there was a fault, in it or before. */
  open(sequencers: Sequencers, ratePerSecond: number, what: string): Promise<Measured | undefined> {
    return this.#run(sequencers, what, { ...this.#sizeOf(sequencers), window: OPEN_WINDOW, ratePerSecond });
  }

  closed(sequencers: Sequencers): Promise<Measured | undefined> {
    const { window } = this.#options;
    return this.#run(sequencers, 'closed loop', { ...this.#sizeOf(1), window });
  }

  /** Each connection is in one conversation. */
  #sizeOf(sequencers: Sequencers): Size {
    const connections = this.#options.connections * sequencers;
    return { connections, conversations: connections / 2 };
  }

  async #run(
    sequencers: Sequencers,
    what: string,
    load: Size & Pick<LoadPlan, 'window'> & Partial<LoadPlan>,
  ): Promise<Measured | undefined> {
    if (this.problemCount > 0) return undefined;
    const say = (text: string): void => this.#progress(`${what}, ${sequencers} sequencer(s): ${text}`);
    const { target, quiet } = this.#stack;
    say('waiting until the ring has settled and the stack is quiet');
    await letWork(sequencers, target.admin ?? { sequencers: [], edges: [] });
    await quiet();
    const { warmup, seconds, body } = this.#options;
    const plan: LoadPlan = {
      job: 'direct',
      target: withDrained(target, sequencers),
      senders: load.connections,
      bodyBytes: body,
      warmupMs: warmup * 1_000,
      measureMs: seconds * 1_000,
      heads: this.#heads.slice(0, load.conversations),
      ...load,
    };
    const { heads, ...result } = await generate(plan, { progress: say });
    this.#heads = [...heads, ...this.#heads.slice(heads.length)];
    this.checked.acked += result.checked.acked;
    this.checked.delivered += result.checked.delivered;
    this.problemCount = result.problemCount;
    this.problems = result.problems;
    return result.problemCount > 0 ? undefined : result;
  }
}

/** Those that own nothing are named so. */
function withDrained(target: Target, sequencers: number): Target {
  const named = ({ name, ...process }: ServerProcess): ServerProcess => {
    const number = /^sequencer (\d+)$/.exec(name)?.[1];
    return { ...process, name: Number(number) > sequencers ? `drained ${name}` : name };
  };
  return { ...target, processes: target.processes.map(named) };
}
