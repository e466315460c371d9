/** The presence hub alone, over a store in memory: users come and go at a steady rate, some of them watched. */
import { setTimeout as sleep } from 'node:timers/promises';
import { HereOnline } from '../../cluster/router.ts';
import { GRACE_MS, UserHub } from '../../cluster/users/user-hub.ts';
import { MemoryStore } from '../../src/adapters/memory/store.ts';
import { realSystem } from '../../src/adapters/system.ts';
import type { Delivery } from '../../src/core/requests.ts';
import type { UserState } from '../../src/core/users.ts';
import { userMetrics } from '../../test/support/routed.ts';
import type { HubMoment, HubPlan, HubResult } from '../plan.ts';
import { connectionOf, user as userName } from '../topology.ts';
import { heldBy } from './held.ts';
import { Problems } from './problems.ts';

const TICK_MS = 5;
/** How long the drive runs without a hub, to know what of the CPU time is its own. */
const ALONE_MS = 2_000;
/** From the last disconnect until it is told. */
const SETTLE_MS = GRACE_MS + 1_000;
const FIRST_MS_MAX = 10_000;
/** How far a time that was told may be from ours. */
const SEEN_MS_OFF_MAX = 50;

/** What an edge was told last of a user. */
const UNTOLD = 0;
const OFFLINE = 1;
const ONLINE = 2;

type Measured = Pick<HubResult, 'seconds' | 'eventsPerSecond' | 'cpuUsPerEvent' | 'statesPerSecond'>;

export class HubDrive {
  readonly #plan: HubPlan;
  readonly #progress: (text: string) => void;
  readonly #problems = new Problems();
  readonly #online = new HereOnline();
  readonly #metrics = userMetrics();
  /** Begins after the drive has run alone, which it must not know of. */
  #hub: UserHub | undefined;
  readonly #names: readonly string[];
  /** All users: those who are online first. */
  readonly #order: Int32Array;
  #onlineCount: number;
  /** When each left last: monotonic and Unix ms. */
  readonly #leftAt: Float64Array;
  readonly #leftUnix: Float64Array;
  /** By edge and user. */
  readonly #told = new Map<string, Uint8Array>();
  readonly #moments: HubMoment[] = [];
  #events = 0;
  #states = 0;

  constructor(plan: HubPlan, progress: (text: string) => void) {
    this.#plan = plan;
    this.#progress = progress;
    const { users, edges } = plan;
    this.#names = Array.from({ length: users }, (_, i) => userName(i));
    this.#order = Int32Array.from({ length: users }, (_, i) => i);
    this.#onlineCount = users >> 1;
    this.#leftAt = new Float64Array(users).fill(Number.NEGATIVE_INFINITY);
    this.#leftUnix = new Float64Array(users);
    for (let i = 0; i < edges; i++) this.#told.set(`edge-${i}`, new Uint8Array(users));
  }

  async run(): Promise<HubResult> {
    const { warmupMs, measureMs } = this.#plan;
    for (let i = this.#order.length - 1; i > 0; i--) this.#swap(i, Math.floor(Math.random() * (i + 1)));
    for (const user of this.#order.subarray(0, this.#onlineCount))
      this.#online.users.add(this.#names[user] as string);
    const alone = await this.#measured(ALONE_MS);
    this.#leftAt.fill(Number.NEGATIVE_INFINITY);
    this.#leftUnix.fill(0);
    const hub = this.#startHub();
    this.#hub = hub;
    const watches = this.#watch(hub);
    await this.#firstTold(watches);
    await this.#moment('all watched', hub);
    this.#progress('warming up');
    await this.#load(warmupMs);
    await this.#moment('before measuring', hub);
    this.#progress('measuring');
    const measured = await this.#measured(measureMs);
    await this.#moment('after measuring', hub);
    await sleep(SETTLE_MS);
    this.#check();
    await this.#moment('after the grace', hub);
    const { leaving } = this.#moments.at(-1)?.entries ?? {};
    if (leaving !== 0) this.#problems.add(`the hub still holds ${leaving} users as leaving`);
    hub.stop();
    const { lastSeenWrites: written, lastSeenDropped: dropped } = this.#metrics.counts;
    return {
      job: 'hub',
      ...measured,
      driveUsPerEvent: alone.cpuUsPerEvent,
      lastSeen: { written, dropped },
      moments: this.#moments,
      checked: watches,
      problemCount: this.#problems.count,
      problems: this.#problems.list,
    };
  }

  #startHub(): UserHub {
    const system = realSystem();
    const problem = (fields: object, message: string): void =>
      this.#problems.add(`${message}: ${JSON.stringify(fields)}`);
    return new UserHub({
      store: new MemoryStore(system),
      edge: { deliver: (delivery) => this.#deliver(delivery), answer: () => {} },
      system,
      logger: { info: () => {}, warn: problem, error: problem },
      metrics: this.#metrics,
      online: this.#online,
      isHome: () => true,
    });
  }

  async #measured(ms: number): Promise<Measured> {
    const [eventsBefore, statesBefore] = [this.#events, this.#states];
    const [startedAt, cpuBefore] = [performance.now(), process.cpuUsage()];
    await this.#load(ms);
    const cpu = process.cpuUsage(cpuBefore);
    const seconds = (performance.now() - startedAt) / 1_000;
    const events = this.#events - eventsBefore;
    return {
      seconds,
      eventsPerSecond: events / seconds,
      cpuUsPerEvent: (cpu.user + cpu.system) / events,
      statesPerSecond: (this.#states - statesBefore) / seconds,
    };
  }

  /** Every so-manieth user at some edges; returns how many watches that makes. */
  #watch(hub: UserHub): number {
    const { users, watchedShare, edges, edgesPerUser } = this.#plan;
    let watches = 0;
    for (let user = 0; user < users; user += Math.round(1 / watchedShare)) {
      for (let i = 0; i < edgesPerUser; i++) {
        hub.watch(`edge-${(user + i) % edges}`, this.#names[user] as string);
        watches++;
      }
    }
    return watches;
  }

  async #firstTold(watches: number): Promise<void> {
    const deadline = performance.now() + FIRST_MS_MAX;
    while (this.#states < watches && performance.now() < deadline) await sleep(TICK_MS);
    if (this.#states !== watches)
      this.#problems.add(`${watches} watches were first told ${this.#states} states`);
  }

  async #moment(name: string, hub: UserHub): Promise<void> {
    this.#moments.push({ name, ...(await heldBy(hub)) });
  }

  /** At the plan's rate: a random user who is online leaves, one who is not comes. */
  async #load(ms: number): Promise<void> {
    const { connectsPerSecond } = this.#plan;
    const startedAt = performance.now();
    let pairs = 0;
    for (let elapsed = 0; elapsed < ms; elapsed = performance.now() - startedAt) {
      for (const due = Math.floor((elapsed * connectsPerSecond) / 1_000); pairs < due; pairs++) {
        this.#leave(Math.floor(Math.random() * this.#onlineCount));
        const offline = this.#order.length - this.#onlineCount;
        this.#come(this.#onlineCount + Math.floor(Math.random() * offline));
        this.#events += 2;
      }
      await sleep(TICK_MS);
    }
  }

  /** As cluster/router.ts tells the hub of its edge. */
  #come(at: number): void {
    const user = this.#order[at] as number;
    const name = this.#names[user] as string;
    this.#swap(at, this.#onlineCount++);
    this.#online.users.add(name);
    this.#hub?.came(name);
  }

  #leave(at: number): void {
    const user = this.#order[at] as number;
    const name = this.#names[user] as string;
    this.#swap(at, --this.#onlineCount);
    this.#online.users.delete(name);
    this.#leftAt[user] = performance.now();
    this.#leftUnix[user] = Date.now();
    this.#hub?.left(name);
  }

  #swap(a: number, b: number): void {
    const order = this.#order;
    [order[a], order[b]] = [order[b] as number, order[a] as number];
  }

  #deliver(delivery: Delivery): void {
    if (delivery.t !== 'state') return;
    const { edge, state } = delivery;
    const user = connectionOf(state.user);
    const told = this.#told.get(edge) as Uint8Array;
    const is = state.online ? ONLINE : OFFLINE;
    if (told[user] === is) this.#problems.add(`${edge} was told twice that ${describe(state)}`);
    told[user] = is;
    this.#states++;
    this.#checkState(user, state);
  }

  /** Whoever is there is told to be; who is told to have gone has, for the grace. */
  #checkState(user: number, state: UserState): void {
    const isThere = this.#online.users.has(state.user);
    const goneMs = performance.now() - (this.#leftAt[user] as number);
    if (state.online ? !isThere : isThere || goneMs < GRACE_MS - SEEN_MS_OFF_MAX)
      this.#problems.add(`${describe(state)}: is there ${isThere}, left ${Math.round(goneMs)} ms ago`);
    const seenOff = Math.abs(state.seen - (this.#leftUnix[user] as number));
    if (!state.online && seenOff > SEEN_MS_OFF_MAX)
      this.#problems.add(`${describe(state)}, ${seenOff} ms from when it left`);
  }

  /** What each edge was told last is how each user is. */
  #check(): void {
    const { users, watchedShare, edges, edgesPerUser } = this.#plan;
    for (let user = 0; user < users; user += Math.round(1 / watchedShare)) {
      const isThere = this.#online.users.has(this.#names[user] as string);
      for (let i = 0; i < edgesPerUser; i++) {
        const edge = `edge-${(user + i) % edges}`;
        const told = this.#told.get(edge)?.[user] ?? UNTOLD;
        if (told !== (isThere ? ONLINE : OFFLINE))
          this.#problems.add(`${edge} was told ${told} of user ${user}, who is there: ${isThere}`);
      }
    }
  }
}

function describe({ user, online, seen }: UserState): string {
  return `${user} is ${online ? 'online' : 'offline'}, seen ${seen}`;
}
