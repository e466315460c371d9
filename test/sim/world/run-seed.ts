import { GRACE_MS } from '../../../cluster/users/user-hub.ts';
import { drainMicrotasks } from '../microtasks.ts';
import type { Finding } from '../checkers/all.ts';
import { finalLog, floorsOf } from './final-log.ts';
import { knownHeads } from '../checkers/rows.ts';
import type { Plan } from './plan.ts';
import { play } from './play.ts';
import { type Tally, World } from './world.ts';

/** Within the lease timeout and this after the last fault, everyone has everything. */
const CONVERGE_MS = 12_000;
const LOOK_MS = 250;
/** Calm for so long at least: what is late comes. */
const CALM_MS_MIN = 1_500;
const FINAL_READ_MS = 2_500;
/** How many mentions are left behind a cursor that moved a client hears when the inbox is written, after 5 s at most. */
const FOLLOW_MS = 6_000;
/** Of one seed in so many, some leave at the end, and are to be seen to have left. */
const PARTING_SEEDS = 3;
const PARTING_MS = GRACE_MS + 3_000;

export interface Outcome {
  readonly seed: number;
  readonly profile: string;
  readonly findings: readonly Finding[];
  readonly virtualMs: number;
  readonly acked: number;
  readonly tally: Tally;
  readonly trace: readonly string[] | undefined;
}

/** One run, from its plan to the checkers' word. Not to be called behind an `await`: see microtasks.ts. */
export function runPlan(plan: Plan, isTraced: boolean): Outcome {
  const world = new World(plan, isTraced);
  return play(world, plan, () => {
    calmDown(world);
    readAll(world);
    takePresence(world);
    if (plan.seed % PARTING_SEEDS === 0) part(world);
  });
}

/** All faults end; whatever was stopped runs again, everyone comes online, and all is to come right by itself. */
function calmDown(world: World): void {
  const { system, plan, history } = world;
  world.trace('world', 'calm');
  world.faults.endAll();
  for (const slot of ['e1', 'e2']) world.start(slot);
  for (let i = 1; i <= plan.sequencers && world.sequencers.size === 0; i++) world.start(`s${i}`);
  for (const device of world.devices.values())
    if (device.client.state.is === 'waiting') device.client.connect();
  const until = world.now + plan.leaseTimeoutMs + CONVERGE_MS;
  const earliest = world.now + CALM_MS_MIN;
  while (world.now < until) {
    system.run(LOOK_MS, drainMicrotasks);
    if (world.now >= earliest && isQuiet(world)) break;
  }
  for (const device of world.devices.values())
    if (device.client.state.is !== 'online' || device.client.unacked > 0)
      history.errors.push(
        `${device.name} is ${device.client.state.is} with ${device.client.unacked} unacked long after the last fault`,
      );
  system.run(FOLLOW_MS, drainMicrotasks);
  takeStandings(world);
  for (const { user, name: device, client } of world.devices.values())
    if (client.state.is === 'online') history.settled.push({ user, device, settings: client.users.settings });
}

/** Whether nobody waits for anything and all know of all that was acknowledged. */
function isQuiet(world: World): boolean {
  for (const { client, watched } of world.devices.values()) {
    if (client.state.is !== 'online' || client.unacked > 0 || client.unconfirmedReads > 0) return false;
    for (const user of watched) if (client.users.of(user) === undefined) return false;
  }
  const { prefs, settings } = world.history;
  if ([...prefs, ...settings].some(({ isOver }) => !isOver)) return false;
  const heads = knownHeads(world.history);
  for (const [conv, head] of heads)
    for (const device of world.devices.values()) {
      const entry = device.client.conversation(conv);
      if (entry === undefined || entry.removed !== undefined) continue;
      if (entry.head < head || device.client.timeline(conv).last < head) return false;
    }
  return true;
}

function takeStandings(world: World): void {
  for (const { user, name, client } of world.devices.values())
    for (const conv of world.conversations) {
      const entry = conv === undefined ? undefined : client.conversation(conv);
      if (conv === undefined || client.state.is !== 'online') continue;
      const timeline = entry === undefined ? undefined : client.timeline(conv);
      world.history.standings.push({
        at: world.now,
        user,
        device: name,
        conv,
        head: entry?.head ?? 0,
        last: timeline?.last ?? 0,
        failure: timeline?.failure?.code,
        read: entry?.read ?? 0,
        unread: entry?.unread ?? 0,
        mentions: entry?.mentions ?? 0,
        prefs: {
          mute: entry?.mute ?? 0,
          pin: entry?.pin ?? false,
          archive: entry?.archive ?? false,
        },
      });
    }
}

/** How those are who are watched, as told and as it is. */
function takePresence(world: World): void {
  const devices = [...world.devices.values()];
  const online = new Set(
    devices.filter(({ client }) => client.state.is === 'online').map(({ user }) => user),
  );
  for (const { user: watcher, name: device, client, watched } of devices)
    for (const user of client.state.is === 'online' ? watched : [])
      world.history.presence.push({
        device,
        watcher,
        user,
        told: client.users.of(user)?.online,
        isOnline: online.has(user),
      });
}

/** Every other user goes for good, with all devices. */
function part(world: World): void {
  const users = [...new Set(world.plan.devices.map(({ user }) => user))];
  for (const { user, client } of world.devices.values()) if (users.indexOf(user) % 2 === 0) client.close();
  world.system.run(PARTING_MS, drainMicrotasks);
  takePresence(world);
}

/** Has every conversation opened by a read, so that whatever can be recovered is, and takes the logs. */
function readAll(world: World): void {
  const { system, plan, store, history } = world;
  const convs = world.conversations.filter((conv) => conv !== undefined);
  for (const conv of convs)
    for (const device of world.devices.values()) {
      device.history(conv, {});
      device.receipts(conv);
    }
  system.run(FINAL_READ_MS, drainMicrotasks);
  const reader = store.client('reader', system).log;
  const floors = floorsOf(convs, reader, (ms) => system.run(ms, drainMicrotasks));
  // From here on nothing happens any more: all that anyone was told is to be there.
  // Of a group whose `created` was lost its creator never heard, but its members did.
  const all = new Set([...world.conversations, ...history.shown.map(({ conv }) => conv)]);
  for (const conv of all) {
    if (conv === undefined) continue;
    const planned = plan.conversations[world.conversations.indexOf(conv)];
    const direct = planned?.kind === 'direct' ? planned.members : undefined;
    history.logs.set(conv, finalLog(conv, store.quorumTruth(conv), floors.get(conv), direct));
  }
}
