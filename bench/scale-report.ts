/** What a message costs with three sequencers beside one. */
import type { Latency } from './plan.ts';
import {
  type Measured,
  type ScaleReport,
  type ScaleRound,
  type Sequencers,
  SIDES,
} from './scenarios/scale.ts';
import { median } from './statistics.ts';
import { count, milliseconds, share, table } from './table.ts';

/** What three may cost of one, per message. */
const RATIO_MAX = 1.15;
/** Of the machine: beyond, processes wait for one another, and a message's cost is not its own. */
const BUSY_MAX = 0.6;
/** Of the rate asked for: with less, the load per sequencer is not equal. */
const RATE_MIN = 0.95;

/** CPU microseconds per acked message. */
export interface Costs {
  readonly sequencers: number;
  readonly edges: number;
  /** Of both. */
  readonly carillon: number;
  /** Of services that others run nothing is known. */
  readonly cassandra: number | undefined;
  readonly nats: number | undefined;
  readonly redis: number | undefined;
}

export interface RoundFigures {
  readonly round: number;
  readonly sequencers: Sequencers;
  readonly ackedPerSecond: number;
  readonly ackLatency: Latency;
  /** undefined, as all below: the system does not tell. */
  readonly costs: Costs | undefined;
  /** Cores in use by sequencers that owned nothing: no part of the costs. */
  readonly drainedCores: number | undefined;
  /** Of all cores, 0 to 1. */
  readonly busy: number | undefined;
  /** Why it doesn't count; undefined: it counts. */
  readonly leftOut: string | undefined;
}

/** Medians of the rounds that count. */
export interface SideFigures {
  readonly rounds: number;
  readonly ackedPerSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
  readonly costs: Costs;
  readonly busy: number;
}

export interface ScaleFigures {
  readonly rounds: readonly RoundFigures[];
  /** undefined: no round of it counts. */
  readonly one: SideFigures | undefined;
  readonly three: SideFigures | undefined;
  /** Of the CPU per message of all Carillon processes: three ÷ one. */
  readonly ratio: number | undefined;
  readonly ratioMax: number;
  /** Of acked/s in a closed loop. */
  readonly closedRatio: number | undefined;
}

export function scaleFigures(report: ScaleReport, cores: number): ScaleFigures {
  const rounds = report.rounds.map((round) => figuresOf(round, cores));
  const [one, three] = SIDES.map((side) => sideOf(rounds.filter(({ sequencers }) => sequencers === side)));
  const [closedOne, closedThree] = SIDES.map((side) => closedOf(report, side)?.ackedPerSecond);
  return {
    rounds,
    one,
    three,
    ratio: one && three && three.costs.carillon / one.costs.carillon,
    ratioMax: RATIO_MAX,
    closedRatio: closedOne && closedThree && closedThree / closedOne,
  };
}

function figuresOf({ round, sequencers, ratePerSecond, result }: ScaleRound, cores: number): RoundFigures {
  const { ackedPerSecond, ackLatency, cpu } = result;
  const busy = cpu && (cpu.server + cpu.generator + cpu.others) / cores;
  const drained = cpu?.processes.filter(({ name }) => name.startsWith('drained'));
  return {
    round,
    sequencers,
    ackedPerSecond,
    ackLatency,
    costs: costsOf(result),
    drainedCores: drained?.reduce((sum, { cores: used }) => sum + used, 0),
    busy,
    leftOut: leftOutFor(ackedPerSecond, ratePerSecond, busy, cpu?.others),
  };
}

function costsOf({ ackedPerSecond, cpu }: Measured): Costs | undefined {
  if (cpu === undefined) return undefined;
  const of = (names: RegExp): number | undefined => {
    const processes = cpu.processes.filter(({ name }) => names.test(name));
    if (processes.length === 0) return undefined;
    return (processes.reduce((sum, { cores }) => sum + cores, 0) / ackedPerSecond) * 1e6;
  };
  const sequencers = of(/^sequencer/) ?? 0;
  const edges = of(/^edge/) ?? 0;
  const services = { cassandra: of(/^Cassandra/), nats: of(/^NATS/), redis: of(/^Redis/) };
  return { sequencers, edges, carillon: sequencers + edges, ...services };
}

function leftOutFor(acked: number, asked: number, busy: number | undefined, others = 0): string | undefined {
  if (busy === undefined) return 'this system does not tell what CPU time its processes take';
  if (busy > BUSY_MAX)
    return `${percent(busy)} of the machine was busy (${share(others)} cores with none of the bench's), ${percent(BUSY_MAX)} is the most; ask for a lower --rate`;
  if (acked < asked * RATE_MIN)
    return `${count(acked)} of ${count(asked)} messages/s were acked; ask for a lower --rate`;
  return undefined;
}

function sideOf(all: readonly RoundFigures[]): SideFigures | undefined {
  const rounds = all.flatMap((round) => {
    const { costs, busy, leftOut } = round;
    return costs === undefined || busy === undefined || leftOut !== undefined
      ? []
      : [{ ...round, costs, busy }];
  });
  if (rounds.length === 0) return undefined;
  const of = (pick: (round: (typeof rounds)[number]) => number): number => median(rounds.map(pick));
  const known = (pick: (costs: Costs) => number | undefined): number | undefined =>
    rounds.every(({ costs }) => pick(costs) !== undefined) ? of(({ costs }) => pick(costs) ?? 0) : undefined;
  return {
    rounds: rounds.length,
    ackedPerSecond: of((round) => round.ackedPerSecond),
    p50Us: of(({ ackLatency }) => ackLatency.p50Us),
    p99Us: of(({ ackLatency }) => ackLatency.p99Us),
    costs: {
      sequencers: of(({ costs }) => costs.sequencers),
      edges: of(({ costs }) => costs.edges),
      carillon: of(({ costs }) => costs.carillon),
      cassandra: known(({ cassandra }) => cassandra),
      nats: known(({ nats }) => nats),
      redis: known(({ redis }) => redis),
    },
    busy: of(({ busy }) => busy),
  };
}

function closedOf({ closed }: ScaleReport, side: Sequencers): Measured | undefined {
  return closed.find(({ sequencers }) => sequencers === side)?.result;
}

export function scaleTable(report: ScaleReport, cores: number): string {
  const { ratePerSequencer, edges, storeNodes } = report;
  const figures = scaleFigures(report, cores);
  const lines = [
    `${edges} edge(s), ${storeNodes} store node(s), ${count(ratePerSequencer)} messages/s per sequencer at fixed times`,
    '',
    table(costRows(figures)),
    '',
    ...drainedLines(figures),
    ...figures.rounds.flatMap(({ leftOut, ...round }) =>
      leftOut === undefined ? [] : [`${titleOf(round)} does not count: ${leftOut}`],
    ),
    verdict(figures),
  ];
  const refused = [...report.rounds, ...report.closed].flatMap(({ result }) =>
    Object.entries(result.refused),
  );
  for (const code of new Set(refused.map(([name]) => name))) {
    const times = refused.reduce((sum, [name, n]) => sum + (name === code ? n : 0), 0);
    lines.push(`refused with ${code}: ${count(times)}`);
  }
  return [...lines, ...closedLines(report, figures, cores)].join('\n');
}

const COSTS: readonly (readonly [keyof Costs, string])[] = [
  ['sequencers', 'sequencers'],
  ['edges', 'edges'],
  ['carillon', 'Carillon'],
  ['cassandra', 'Cassandra'],
  ['nats', 'NATS'],
];

function costRows({ rounds, one, three }: ScaleFigures): string[][] {
  const costs = (of: Costs | undefined, cell: (us: number) => string): string[] =>
    COSTS.map(([key]) => (of?.[key] === undefined ? '-' : cell(of[key])));
  const line = (
    title: string,
    acked: number,
    p50Us: number,
    p99Us: number,
    busy: number | undefined,
    of: Costs | undefined,
  ): string[] => [
    title,
    count(acked),
    `${milliseconds(p50Us)} / ${milliseconds(p99Us)}`,
    busy === undefined ? '-' : percent(busy),
    ...costs(of, count),
  ];
  const rows = [
    [
      'CPU us per acked message',
      'acked/s',
      'send -> ack p50 / p99',
      'machine busy',
      ...COSTS.map(([, n]) => n),
    ],
  ];
  for (const round of rounds) {
    const { ackedPerSecond, ackLatency, busy, costs: of } = round;
    const title = round.leftOut === undefined ? titleOf(round) : `(${titleOf(round)})`;
    rows.push(line(title, ackedPerSecond, ackLatency.p50Us, ackLatency.p99Us, busy, of));
  }
  for (const [sequencers, side] of [
    [1, one],
    [3, three],
  ] as const) {
    if (side === undefined) continue;
    const title = `median of ${side.rounds}, ${named(sequencers)}`;
    rows.push(line(title, side.ackedPerSecond, side.p50Us, side.p99Us, side.busy, side.costs));
  }
  if (one !== undefined && three !== undefined) {
    const parts = COSTS.map(([key]) => {
      const [of, to] = [three.costs[key], one.costs[key]];
      return of === undefined || to === undefined ? '-' : (of / to).toFixed(3);
    });
    rows.push(['3 ÷ 1', (three.ackedPerSecond / one.ackedPerSecond).toFixed(3), '', '', ...parts]);
  }
  return rows;
}

function drainedLines({ rounds }: ScaleFigures): string[] {
  const cores = rounds.flatMap(({ sequencers, drainedCores }) =>
    sequencers === 1 && drainedCores !== undefined ? [drainedCores] : [],
  );
  if (cores.length === 0) return [];
  return [
    `With 1 sequencer the two others are drained, as warm as before; what they take, ${median(cores).toFixed(3)} cores, is in no figure but "machine busy".`,
  ];
}

function verdict({ ratio, ratioMax, one, three }: ScaleFigures): string {
  if (ratio !== undefined) {
    const met = ratio <= ratioMax ? 'met' : 'MISSED';
    return `CPU per message of all Carillon processes, 3 sequencers ÷ 1: ${ratio.toFixed(3)} (bar: at most ${ratioMax}, ${met})`;
  }
  const missing = [one === undefined ? '1' : '', three === undefined ? '3' : ''].filter((n) => n !== '');
  return `CPU per message, 3 sequencers ÷ 1: not known (bar: at most ${ratioMax}); no round with ${missing.join(' or ')} counts`;
}

function closedLines(report: ScaleReport, { closedRatio }: ScaleFigures, cores: number): string[] {
  const sides = SIDES.flatMap((side) => {
    const result = closedOf(report, side);
    return result === undefined ? [] : [{ side, result }];
  });
  if (sides.length === 0) return [];
  const rows = [
    [`closed loop, window ${report.window}`, ...sides.map(({ side }) => named(side))],
    ['acked/s', ...sides.map(({ result }) => count(result.ackedPerSecond))],
    [
      'send -> ack p50 / p99',
      ...sides.map(
        ({ result: { ackLatency } }) =>
          `${milliseconds(ackLatency.p50Us)} / ${milliseconds(ackLatency.p99Us)}`,
      ),
    ],
  ];
  const lines = ['', table(rows)];
  if (closedRatio !== undefined)
    lines.push(
      `acked/s, 3 sequencers ÷ 1: ${closedRatio.toFixed(3)}. All of it shares the same ${cores} cores, store and clients included, so it can't grow with the sequencers here; one round each, no bar.`,
    );
  return lines;
}

function titleOf({ round, sequencers }: Pick<RoundFigures, 'round' | 'sequencers'>): string {
  return `round ${round}, ${named(sequencers)}`;
}

function named(sequencers: Sequencers): string {
  return sequencers === 1 ? '1 sequencer' : `${sequencers} sequencers`;
}

function percent(part: number): string {
  return `${Math.round(part * 100)} %`;
}
