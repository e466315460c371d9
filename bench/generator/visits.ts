/** Clients come, stay and go at a steady rate; others watch some of them, and must see it. */
import { setTimeout as sleep } from 'node:timers/promises';
import { GRACE_MS } from '../../cluster/users/user-hub.ts';
import type { ServerFrame } from '../../src/protocol/frames.ts';
import type { VisitsPlan, VisitsResult } from '../plan.ts';
import { CpuMeter } from '../process-stats.ts';
import { connectionOf, user } from '../topology.ts';
import { Clients, type LoadHandler } from './clients.ts';
import { Problems } from './problems.ts';

const TICK_MS = 5;
/** Who has gone stays away until that is told, and for so long after. */
const AWAY_MS = GRACE_MS + 2_000;
/** From the last change until it is told. */
const SETTLE_MS = GRACE_MS + 1_000;
const CONNECTING_MAX = 1_024;
const SEEN_MS_OFF_MAX = 2_000;

/** What a watcher was told of one user. */
interface Told {
  online: boolean | undefined;
  lastSeen: number | undefined;
}

export class Visits implements LoadHandler {
  readonly #plan: VisitsPlan;
  readonly #progress: (text: string) => void;
  readonly #problems = new Problems();
  readonly #clients: Clients;
  /** Visitors are the first users, watchers those after them. */
  readonly #visitors: number;
  /** By watcher, then by visitor. */
  readonly #told: readonly Map<number, Told>[];
  readonly #leftUnix: number[] = [];
  /** Who is there, in the order of leaving. */
  readonly #staying: { visitor: number; until: number }[] = [];
  #firstStaying = 0;
  #connecting = 0;
  #begun = 0;
  #welcomed = 0;
  #states = 0;

  constructor(plan: VisitsPlan, progress: (text: string) => void) {
    this.#plan = plan;
    this.#progress = progress;
    this.#clients = new Clients(plan.target, this.#problems.add);
    this.#clients.handler = this;
    const { visitsPerSecond, stayMs, watchers, watchedEach } = plan;
    const perRound = Math.ceil((visitsPerSecond * (stayMs + AWAY_MS)) / 1_000);
    this.#visitors = Math.max(perRound, watchers * watchedEach);
    const every = this.#visitors / (watchers * watchedEach);
    this.#told = Array.from({ length: watchers }, (_, watcher) => {
      const watched = Array.from({ length: watchedEach }, (_, i) =>
        Math.floor((i * watchers + watcher) * every),
      );
      return new Map(watched.map((visitor) => [visitor, { online: undefined, lastSeen: undefined }]));
    });
  }

  async run(): Promise<VisitsResult> {
    const { target, warmupMs, measureMs } = this.#plan;
    await this.#watch();
    this.#progress('warming up');
    await this.#visit(warmupMs);
    this.#progress('measuring');
    const [welcomedBefore, statesBefore] = [this.#welcomed, this.#states];
    const [startedAt, meter] = [performance.now(), new CpuMeter(target.processes)];
    await this.#visit(measureMs);
    const seconds = (performance.now() - startedAt) / 1_000;
    const cpu = meter.use(seconds);
    const [visits, states] = [this.#welcomed - welcomedBefore, this.#states - statesBefore];
    await sleep(SETTLE_MS); // who is there now stays
    if (this.#connecting > 0) this.#problems.add(`${this.#connecting} connects were never answered`);
    const checkedOnline = this.#check();
    this.#clients.closeAll();
    return {
      job: 'visits',
      seconds,
      visitsPerSecond: visits / seconds,
      statesPerSecond: states / seconds,
      ...(cpu !== undefined && { cpu }),
      checked: this.#told.reduce((sum, { size }) => sum + size, 0),
      checkedOnline,
      problemCount: this.#problems.count,
      problems: this.#problems.list,
    };
  }

  async #watch(): Promise<void> {
    for (const [watcher, told] of this.#told.entries()) {
      const connection = this.#visitors + watcher;
      await this.#clients.connectOne(connection);
      const users = [...told.keys()].map(user);
      const answer = await this.#clients.request(connection, { t: 'watch', users });
      if (answer.t !== 'ok') throw new Error(`watch was answered by ${JSON.stringify(answer)}`);
    }
  }

  /** At the plan's rate, each of the visitors in turn. */
  async #visit(ms: number): Promise<void> {
    const { visitsPerSecond } = this.#plan;
    const [startedAt, begunBefore] = [performance.now(), this.#begun];
    for (let elapsed = 0; elapsed < ms; elapsed = performance.now() - startedAt) {
      const due = begunBefore + Math.floor((elapsed * visitsPerSecond) / 1_000);
      while (this.#begun < due && this.#connecting < CONNECTING_MAX)
        void this.#come(this.#begun++ % this.#visitors);
      this.#leave();
      await sleep(TICK_MS);
    }
  }

  async #come(visitor: number): Promise<void> {
    this.#connecting++;
    try {
      await this.#clients.connectOne(visitor);
      this.#welcomed++;
      this.#staying.push({ visitor, until: performance.now() + this.#plan.stayMs });
    } catch (error) {
      this.#problems.add(error instanceof Error ? error.message : String(error));
    }
    this.#connecting--;
  }

  #leave(): void {
    const now = performance.now();
    for (;;) {
      const next = this.#staying[this.#firstStaying];
      if (next === undefined || next.until > now) return;
      this.#firstStaying++;
      this.#leftUnix[next.visitor] = Date.now();
      this.#clients.disconnect(next.visitor);
    }
  }

  /** Every watcher sees who is there, and who is not; returns how many of those seen are there. */
  #check(): number {
    let online = 0;
    for (const [watcher, told] of this.#told.entries()) {
      for (const [visitor, is] of told) {
        const isThere = this.#clients.sockets[visitor]?.open === true;
        if (isThere) online++;
        if (is.online !== isThere)
          this.#problems.add(`watcher ${watcher}: ${user(visitor)} is told ${is.online}, is ${isThere}`);
        const left = this.#leftUnix[visitor];
        if (isThere || left === undefined || Math.abs((is.lastSeen ?? 0) - left) <= SEEN_MS_OFF_MAX) continue;
        this.#problems.add(`watcher ${watcher}: ${user(visitor)} was seen ${is.lastSeen}, left ${left}`);
      }
    }
    return online;
  }

  hot(connection: number, type: number): void {
    this.#problems.add(`connection ${connection} got a frame of type ${type}`);
  }
  readEnd(): void {}

  other(connection: number, frame: ServerFrame): void {
    const told =
      frame.t === 'presence'
        ? this.#told[connection - this.#visitors]?.get(connectionOf(frame.user))
        : undefined;
    if (frame.t !== 'presence' || told === undefined) {
      this.#problems.add(`connection ${connection} got ${JSON.stringify(frame)}`);
      return;
    }
    this.#states++;
    told.online = frame.online;
    told.lastSeen = frame.lastSeen;
  }
}
