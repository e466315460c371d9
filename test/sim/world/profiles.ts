import { Dice } from '../../unit/peer/rough-bus.ts';
import { VISIBILITIES } from '../../../src/core/users.ts';
import { FaultPlans } from './fault-plans.ts';
import type { Action, ConversationPlan, DevicePlan, Plan, Step } from './plan.ts';

const LEASE_TIMEOUT_MS = 4_000;
const USERS = ['ann', 'bob', 'cat', 'dan', 'eve', 'fay'] as const;
/** Creations are over by then, mostly. */
const SETTLED_MS = 1_500;
const FLOOD_BURST = 100;
const CURSORS_PER_SECOND = 0.7;
const PREFS_PER_SECOND = 0.5;
const SETTINGS_PER_SECOND = 0.3;
const WATCHES_PER_SECOND = 0.5;
/** Of bursts of messages. */
const MENTIONS_SHARE = 0.3;
/** A mute's end. */
const FOREVER = 4_000_000_000_000;

interface Weighted {
  readonly name: string;
  /** How often it is picked, beside the others. */
  readonly weight: number;
}

/** What of a run of the whole system is chance, within what bounds. */
export interface Profile extends Weighted {
  readonly owners?: undefined;
  readonly activeMs: readonly [min: number, max: number];
  readonly sequencers: readonly [min: number, max: number];
  readonly users: readonly [min: number, max: number];
  /** Bursts of sends per second, over all devices. */
  readonly burstsPerSecond: number;
  readonly burstMax: number;
  /** Of most bodies, at most. */
  readonly bytes: number;
  readonly membersPerSecond: number;
  readonly readsPerSecond: number;
  /** So many messages in every conversation, beyond what owners keep in memory. */
  readonly flood?: { readonly at: number; readonly count: number };
  readonly faults: (plans: FaultPlans, activeMs: number) => void;
}

/** A run of owners alone: ../owners. */
export interface OwnersProfile extends Weighted {
  readonly owners: true;
}

/** A seed's own profile, or the one given, and the dice for all else of its plan. */
export function drawProfile<P extends Weighted>(
  seed: number,
  profiles: readonly P[],
  only?: string,
): { profile: P; dice: Dice } {
  const dice = new Dice(Math.imul(seed, 0x9e3779b1) ^ 0xca11);
  return { profile: profiles.find(({ name }) => name === only) ?? pick(profiles, dice), dice };
}

export function makePlan(seed: number, profile: Profile, dice: Dice): Plan {
  const activeMs = between(dice, profile.activeMs);
  const sequencers = between(dice, profile.sequencers);
  const users = USERS.slice(0, between(dice, profile.users));
  const devices = makeDevices(dice, users);
  const conversations = makeConversations(dice, users, devices);
  const steps: Step[] = conversations.map((_, conv) => ({
    at: (conv < 2 ? 700 : 700 + dice.below(activeMs / 2)) + 40 * conv,
    action: { t: 'create', conv },
  }));
  const faults = new FaultPlans(dice, sequencers, devices, conversations.length);
  profile.faults(faults, activeMs);
  steps.push(...faults.steps);
  addActions(steps, dice, profile, { activeMs, devices, conversations });
  steps.sort((a, b) => a.at - b.at);
  return {
    seed,
    profile: profile.name,
    leaseTimeoutMs: LEASE_TIMEOUT_MS,
    sequencers,
    storeDelayMsMax: dice.below(5),
    storeLoss: dice.happens(0.5) ? 0.01 : 0,
    busDelayMsMax: dice.below(4),
    devices,
    conversations,
    steps,
    activeMs,
  };
}

function pick<P extends Weighted>(profiles: readonly P[], dice: Dice): P {
  let at = dice.roll() * profiles.reduce((sum, { weight }) => sum + weight, 0);
  for (const profile of profiles) if ((at -= profile.weight) < 0) return profile;
  return profiles[0] as P;
}

function makeDevices(dice: Dice, users: readonly string[]): DevicePlan[] {
  return users.flatMap((user) =>
    Array.from(
      { length: dice.happens(0.35) ? 2 : 1 },
      (_, i): DevicePlan => ({
        user,
        name: `${user}-${i + 1}`,
        subprotocol: dice.happens(0.3) ? 'json' : 'binary',
      }),
    ),
  );
}

function makeConversations(
  dice: Dice,
  users: readonly string[],
  devices: readonly DevicePlan[],
): ConversationPlan[] {
  const plans: ConversationPlan[] = [];
  const pairs = new Set<string>();
  for (let wanted = 2 + dice.below(4), tries = 0; plans.length < wanted && tries < 20; tries++) {
    const { user, name } = of(dice, devices);
    const others = users.filter((other) => other !== user);
    const isDirect = others.length > 0 && dice.happens(0.4);
    if (isDirect) {
      const members = [user, of(dice, others)];
      const pair = [...members].sort().join();
      if (pairs.has(pair)) continue;
      pairs.add(pair);
      plans.push({ kind: 'direct', device: name, members });
    } else
      plans.push({ kind: 'group', device: name, members: [user, ...others.filter(() => dice.happens(0.7))] });
  }
  return plans;
}

function addActions(
  steps: Step[],
  dice: Dice,
  profile: Profile,
  { activeMs, devices, conversations }: Pick<Plan, 'activeMs' | 'devices' | 'conversations'>,
): void {
  const spread = (perSecond: number, make: () => Action | undefined): void => {
    const count = Math.round(((activeMs - SETTLED_MS) / 1_000) * perSecond);
    for (let i = 0; i < count; i++) {
      const action = make();
      if (action !== undefined) steps.push({ at: SETTLED_MS + dice.below(activeMs - SETTLED_MS), action });
    }
  };
  const conv = (): number => dice.below(conversations.length);
  /** Mostly one who is a member to begin with. */
  const device = (of_: number): string => {
    const members = conversations[of_]?.members ?? [];
    const likely = devices.filter(({ user }) => members.includes(user));
    return of(dice, dice.happens(0.95) && likely.length > 0 ? likely : devices).name;
  };
  const anyone = (): string => of(dice, devices).user;
  spread(profile.burstsPerSecond, () => {
    const to = conv();
    const count = 1 + dice.below(profile.burstMax);
    return {
      t: 'say',
      device: device(to),
      conv: to,
      count,
      bytes: dice.happens(0.1) ? 3_000 : 20 + dice.below(profile.bytes),
      mentions: dice.happens(MENTIONS_SHARE) ? [anyone(), anyone()] : undefined,
    };
  });
  const { flood } = profile;
  for (let i = 0; flood !== undefined && i < flood.count / FLOOD_BURST; i++)
    conversations.forEach(({ device: name }, to) => {
      const common = { device: name, conv: to, count: FLOOD_BURST, bytes: 20 };
      const action = { t: 'say', ...common, mentions: undefined } as const;
      steps.push({ at: flood.at + 150 * i, action });
    });
  spread(profile.readsPerSecond, () => {
    const from = conv();
    return {
      t: 'history',
      device: device(from),
      conv: from,
      back: dice.happens(0.5) ? dice.below(30) : undefined,
    };
  });
  spread(profile.membersPerSecond, () => memberChange(dice, conversations, devices));
  spread(CURSORS_PER_SECOND, () => {
    const in_ = conv();
    return { t: 'read', device: device(in_), conv: in_, back: dice.happens(0.5) ? 0 : dice.below(10) };
  });
  spread(PREFS_PER_SECOND, () => {
    const of_ = conv();
    const on = dice.happens(0.5);
    const change = of(dice, [{ mute: on ? FOREVER : 0 }, { pin: on }, { archive: on }] as const);
    return { t: 'prefs', device: device(of_), conv: of_, change };
  });
  spread(SETTINGS_PER_SECOND, () => {
    const presence = of(dice, VISIBILITIES);
    const change = dice.happens(0.5) ? { presence } : { receipts: dice.happens(0.5) };
    return { t: 'settings', device: of(dice, devices).name, change };
  });
  spread(WATCHES_PER_SECOND, () => {
    const t = dice.happens(0.8) ? 'watch' : 'unwatch';
    return { t, device: of(dice, devices).name, users: [anyone(), anyone()] };
  });
}

function memberChange(
  dice: Dice,
  conversations: readonly ConversationPlan[],
  devices: readonly DevicePlan[],
): Action | undefined {
  const conv = dice.below(conversations.length);
  const conversation = conversations[conv] as ConversationPlan;
  if (conversation.kind === 'direct') return undefined;
  const { user, name } = of(dice, devices);
  const op = of(dice, ['add', 'add', 'remove', 'remove', 'leave'] as const);
  if (op === 'leave') return { t: 'members', device: name, conv, op, user };
  // One's own going is called leaving.
  if (conversation.device.startsWith(user)) return undefined;
  return { t: 'members', device: conversation.device, conv, op, user };
}

export function of<T>(dice: Dice, items: readonly T[]): T {
  return items[dice.below(items.length)] as T;
}

export function between(dice: Dice, [min, max]: readonly [number, number]): number {
  return min + dice.below(max - min + 1);
}
