import type { Dice } from '../../unit/peer/rough-bus.ts';
import type { ReplicaIndex, StoreWeather } from '../store/weather.ts';
import type { Moment } from '../world/plan.ts';
import { between, of } from '../world/profiles.ts';

/** Of an owner's own term; and of those who watch it, once the calm is there. */
export const LEASE_MS = 1_500;

/** How a node is stopped at its work. `leave` ends its term first: others need not wait for a silence. */
export type Stop = 'crash' | 'leave' | 'pause' | 'freeze';

export interface StopPlan {
  readonly does: Stop;
  /** Until it runs again, or its slot has another node, … */
  readonly ms: number;
  /** … or, of a stopped one, until another node comes to this moment. */
  readonly until: Moment | undefined;
}

/** What befalls whichever node comes to the moment first. */
export interface Trap {
  readonly moment: Moment;
  /** A weather for a moment: what is just being sent gets into it. */
  readonly squall: { readonly weather: Partial<StoreWeather>; readonly ms: number } | undefined;
  readonly stop: StopPlan | undefined;
}

export type Deed =
  | { readonly t: 'weather'; readonly weather: Partial<StoreWeather> }
  | { readonly t: 'replicaDown'; readonly replica: ReplicaIndex; readonly ms: number }
  | { readonly t: 'storeCut'; readonly slot: string; readonly ms: number }
  | { readonly t: 'stop'; readonly slot: string; readonly stop: StopPlan }
  /** One trap after the other: each is laid when the one before has struck. */
  | { readonly t: 'plot'; readonly traps: readonly Trap[] }
  /** Nodes let go what is at rest. */
  | { readonly t: 'rest' }
  /** Whoever has the conversation is to hand it over to that slot's node. */
  | { readonly t: 'move'; readonly conv: number; readonly to: string };

export interface Step {
  readonly at: number;
  readonly deed: Deed;
}

/** One run of sequencers' owners alone, all of it decided before it starts. Times are virtual ms. */
export interface OwnersPlan {
  readonly seed: number;
  readonly profile: string;
  readonly nodes: number;
  readonly conversations: number;
  readonly writers: number;
  /** The silence after which others take a node for dead; in the calm it is `LEASE_MS`. */
  readonly patienceMs: number;
  /** Messages of one batch, and those that a writer sends together, at most. */
  readonly batchMax: number;
  readonly groupMax: number;
  readonly thinkMsMax: number;
  /** Of the refused ones, those that come back when their ids have long been indexed, if they are in the log at all. */
  readonly laterShare: number;
  readonly busLoss: number;
  /** In the order of their times. */
  readonly steps: readonly Step[];
  /** When the calm begins. */
  readonly activeMs: number;
  /** Every node ends with it: those that come after begin with recoveries. Else they must find a way on themselves. */
  readonly endsAnew: boolean;
}

/** The steps of a take-over, in their order. */
const RECOVERY = [
  'leases.markDead',
  'leases.claim',
  'log.floor',
  'log.head',
  'log.rowsBackward',
  'log.write',
  'log.writeFloor',
  'leases.barrier',
  'log.writeDedup',
] as const;
const SERVICE = ['log.write', 'log.write', 'log.write', 'leases.barrier', 'leases.markDirty'] as const;
const HAND_OVER = ['leases.release', 'log.writeDedup', 'log.write', 'leases.barrier'] as const;
const LONG = [LEASE_MS, 2 * LEASE_MS] as const;
const FIRST_WEATHER_MS = 300;
const FIRST_DEED_MS = 400;
/** So long after somebody else is to have a conversation it goes (RING_SEEN_MS of cluster/handoff.ts). */
const HAND_OVER_BEGINS_MS = 750;

export function makeOwnersPlan(seed: number, profile: string, dice: Dice): OwnersPlan {
  const nodes = between(dice, [3, 4]);
  const conversations = dice.happens(0.8) ? 1 : 2;
  const activeMs = between(dice, [3_000, 7_000]);
  const isMoving = dice.happens(0.3);
  const steps: Step[] = [{ at: FIRST_WEATHER_MS, deed: weather(dice) }];
  const gapMs = of(dice, [200, 400, 700]);
  for (let at = FIRST_DEED_MS; at < activeMs; at += 1 + dice.below(2 * gapMs)) {
    const moves = isMoving && dice.happens(0.7);
    if (moves) steps.push(...move(dice, at, nodes, conversations));
    else steps.push({ at, deed: deed(dice, nodes) });
    if (moves) at += HAND_OVER_BEGINS_MS;
  }
  steps.sort((one, other) => one.at - other.at);
  // A hand-over takes its time, and needs nodes that live so long.
  const patienceMs = of(dice, isMoving ? LONG : [300, 300, 500, 500, 800, ...LONG]);
  return {
    seed,
    profile,
    nodes,
    conversations,
    writers: conversations + between(dice, isMoving ? [2, 3] : [1, 3]),
    patienceMs,
    batchMax: isMoving ? 16 : of(dice, [2, 4, 8, 16]),
    groupMax: of(dice, isMoving ? [1, 3] : [1, 3, 5]),
    laterShare: of(dice, [0, 0.1, 0.6]),
    thinkMsMax: of(dice, [10, 50, 300]),
    busLoss: of(dice, [0, 0.1, 0.4]),
    steps,
    activeMs,
    // Impatient ones would go on taking over from one another.
    endsAnew: patienceMs < LEASE_MS || dice.happens(0.3),
  };
}

function deed(dice: Dice, nodes: number): Deed {
  switch (dice.below(18)) {
    case 0:
      return { t: 'stop', slot: slot(dice, nodes), stop: stop(dice) };
    case 1:
    case 2:
      return { t: 'rest' };
    case 3:
      return { t: 'replicaDown', replica: dice.below(3) as ReplicaIndex, ms: between(dice, [50, 2_000]) };
    case 4:
      return { t: 'storeCut', slot: slot(dice, nodes), ms: between(dice, [50, 2_000]) };
    case 5:
    case 6:
      return weather(dice);
    case 7:
    case 8:
      return { t: 'plot', traps: deathThatFewKnowOf(dice) };
    case 9:
    case 10:
      return { t: 'plot', traps: termLetGo(dice) };
    case 11:
      return { t: 'plot', traps: recoveryOvertaken(dice) };
    default:
      return takeOvers(dice);
  }
}

/** A conversation is to move; about when it goes, a batch is on its way for long, and its next owner does not last. */
function move(dice: Dice, at: number, nodes: number, conversations: number): Step[] {
  const to = slot(dice, nodes);
  const moving: Step = { at, deed: { t: 'move', conv: dice.below(conversations), to } };
  const inFlight: Trap[] = [
    { moment: sent('log.write', 1 + dice.below(2)), squall: slow(dice, 1), stop: undefined },
    { moment: { operation: 'leases.release', when: 'answered', nth: 1 }, squall: undefined, stop: undefined },
    { ...trap(dice, ['log.write'], 2), stop: stop(dice) },
  ];
  const slowly: Trap[] = [
    {
      moment: sent('leases.release', 1),
      squall: slow(dice, 10),
      stop: dice.happens(0.3) ? stop(dice) : undefined,
    },
    trap(dice, HAND_OVER, 2),
  ];
  const traps = dice.happens(0.6) ? inFlight : slowly;
  return [moving, { at: at + HAND_OVER_BEGINS_MS - dice.below(15), deed: { t: 'plot', traps } }];
}

function slow(dice: Dice, ms: number): Trap['squall'] {
  return { weather: { slowShare: 0.7, slowMs: of(dice, [100, 500]) }, ms };
}

const FEW = { lossPerReplica: 0.65, hintShare: 0 };

/** A batch arrives late; its owner goes on when another has taken over, and of its death most replicas do not know. */
function deathThatFewKnowOf(dice: Dice): Trap[] {
  const until = moment(dice, ['log.writeFloor', 'log.write', 'log.write'], 3);
  const weather = of(dice, [FEW, { slowShare: 0.9, slowMs: 2_400 }, { slowShare: 0.9, slowMs: 2_400 }]);
  return [
    {
      moment: sent('log.write', 1 + dice.below(3)),
      squall: { weather, ms: 1 },
      stop: { does: 'freeze', ms: 2_500, until },
    },
    { moment: sent('leases.markDead', 1), squall: { weather: FEW, ms: of(dice, [10, 30]) }, stop: undefined },
  ];
}

/** A batch half written, and again when its owner has let the conversation go for a while, and taken it anew. */
function termLetGo(dice: Dice): Trap[] {
  const stops = { does: 'pause', ms: between(dice, [1_150, 1_900]), until: undefined } as const;
  return [
    {
      moment: sent('log.write', 1 + dice.below(3)),
      squall: { weather: FEW, ms: 1 },
      stop: stops,
    },
  ];
}

/** A batch half written; who finds it is stopped, and goes on when another is about to have finished who did not. */
function recoveryOvertaken(dice: Dice): Trap[] {
  const until = sent(of(dice, ['log.write', 'log.writeFloor', 'log.writeFloor']), 1);
  return [
    {
      moment: sent('log.write', 1 + dice.below(3)),
      squall: { weather: FEW, ms: 1 },
      stop: { does: of(dice, ['crash', 'leave', 'leave']), ms: 1_000, until: undefined },
    },
    { moment: { operation: 'log.floor', when: 'answered', nth: 1 }, squall: undefined, stop: undefined },
    {
      moment: sent('log.rowsBackward', 1),
      squall: undefined,
      stop: { does: of(dice, ['pause', 'freeze']), ms: 3_000, until },
    },
    {
      moment: sent('log.writeFloor', 1),
      squall: undefined,
      stop: { does: 'pause', ms: of(dice, [20, 60, 200]), until: undefined },
    },
  ];
}

/** An owner is stopped at its work, and some of those that take over from it at theirs. */
function takeOvers(dice: Dice): Deed {
  const traps = [trap(dice, SERVICE, 3)];
  for (let more = dice.below(4); more > 0; more--)
    traps.push(dice.happens(0.7) ? trap(dice, RECOVERY, 2) : trap(dice, SERVICE, 2));
  return { t: 'plot', traps };
}

function trap(dice: Dice, operations: readonly string[], nthMax: number, stops = dice.happens(0.8)): Trap {
  const afterMs = of(dice, [0, 0, 0, 1, 3, 10, 50]);
  const at = { ...moment(dice, operations, nthMax), afterMs };
  return {
    moment: at,
    squall: dice.happens(0.6) ? squall(dice) : undefined,
    stop: stops ? stop(dice) : undefined,
  };
}

function moment(dice: Dice, operations: readonly string[], nthMax: number): Moment {
  const when = of(dice, ['sent', 'sent', 'answered'] as const);
  return { operation: of(dice, operations), when, nth: 1 + dice.below(nthMax) };
}

function sent(operation: string, nth: number): Moment {
  return { operation, when: 'sent', nth };
}

/** Mostly, what is written just then comes to one replica alone, or late. */
function squall(dice: Dice): NonNullable<Trap['squall']> {
  const kinds = [
    { lossPerReplica: 0.6, hintShare: 0 },
    { lossPerReplica: 0.6, hintShare: 0.5, hintMsMax: 2_000 },
    { slowShare: 0.6, slowMs: 3_000 },
    { timeoutShare: 0.7, lateMsMax: 1_500 },
    { lwtUnknownShare: 0.7, lateMsMax: 1_500 },
  ];
  return { weather: of(dice, kinds), ms: of(dice, [1, 5, 30, 200]) };
}

/** For longer than a lease lasts, mostly; who was stopped wakes in the middle of another's take-over. */
function stop(dice: Dice): StopPlan {
  const does = of(dice, ['crash', 'leave', 'leave', 'pause', 'freeze', 'freeze'] as const);
  const ms = between(
    dice,
    of(dice, [
      [50, 500],
      [500, 2_000],
      [1_500, 4_000],
    ] as const),
  );
  const hasMoment = (does === 'pause' || does === 'freeze') && dice.happens(0.7);
  return { does, ms, until: hasMoment ? moment(dice, dice.happens(0.7) ? RECOVERY : SERVICE, 2) : undefined };
}

/** Reads repair nothing, or late, in most of the weathers: a table may be without. */
function weather(dice: Dice): Deed {
  return {
    t: 'weather',
    weather: {
      delayMsMax: of(dice, [1, 4, 15]),
      lossPerReplica: of(dice, [0, 0, 0.05, 0.2]),
      hintShare: of(dice, [0, 0, 0.5, 1]),
      hintMsMax: of(dice, [500, 3_000]),
      slowShare: of(dice, [0, 0, 0.02, 0.1]),
      slowMs: of(dice, [100, 3_000]),
      timeoutShare: of(dice, [0, 0, 0, 0.05]),
      lwtUnknownShare: of(dice, [0, 0, 0.1]),
      lateMsMax: of(dice, [300, 2_000]),
      readRepair: of(dice, ['blocking', 'late', 'none', 'none', 'none']),
    },
  };
}

function slot(dice: Dice, nodes: number): string {
  return `s${1 + dice.below(nodes)}`;
}
