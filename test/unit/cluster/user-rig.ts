/** A user hub over the memory store and a virtual clock, with all that it says; its store can be made to wait. */
import assert from 'node:assert/strict';
import { type OnlineUsers, UserHub } from '../../../cluster/users/user-hub.ts';
import { MemoryStore } from '../../../src/adapters/memory/store.ts';
import type { ChangeOutcome, EdgeLink, Logger } from '../../../src/core/ports.ts';
import type { Answer, Delivery, NodeRequest, SettingsRequest } from '../../../src/core/requests.ts';
import {
  homeOf,
  type UserRow,
  type UserSettings,
  type UserState,
  type Visibility,
} from '../../../src/core/users.ts';
import { VirtualSystem } from '../../sim/virtual-system.ts';
import { userMetrics } from '../../support/routed.ts';

export const START = 1_700_000_000_000;

/** Counts what is asked of it, and holds it back while told to. */
export class UserStore extends MemoryStore {
  reads = 0;
  /** Under way now. */
  reading = 0;
  /** What was tried, too. */
  readonly writes: (readonly Pick<UserRow, 'user' | 'seen'>[])[] = [];
  failure: Error | undefined;
  /** What becomes of the next changes of settings; `unknown` is applied with `late`, if at all. */
  readonly fates: ('unavailable' | 'unknown' | 'unknownApplied')[] = [];
  late: () => Promise<unknown> = () => Promise.resolve();
  readonly #held = new Map<'read' | 'write', (() => void)[]>();

  hold(what: 'read' | 'write'): void {
    if (!this.#held.has(what)) this.#held.set(what, []);
  }
  release(what: 'read' | 'write'): void {
    const waiting = this.#held.get(what) ?? [];
    this.#held.delete(what);
    for (const go of waiting) go();
  }

  override async user(user: string): Promise<UserRow> {
    this.reads++;
    this.reading++;
    try {
      await this.#pass('read');
      return await super.user(user);
    } finally {
      this.reading--;
    }
  }
  override async writeSeen(rows: readonly Pick<UserRow, 'user' | 'seen'>[]): Promise<void> {
    this.writes.push(rows);
    await this.#pass('write');
    await super.writeSeen(rows);
  }
  override async settings(user: string): Promise<UserSettings> {
    await this.#pass('read');
    return super.settings(user);
  }
  override async changeSettings(user: string, from: UserSettings, to: UserSettings): Promise<ChangeOutcome> {
    await this.#pass('write');
    const fate = this.fates.shift();
    if (fate === undefined) return super.changeSettings(user, from, to);
    if (fate === 'unknownApplied') await super.changeSettings(user, from, to);
    else this.late = () => super.changeSettings(user, from, to);
    return fate === 'unavailable' ? fate : 'unknown';
  }

  /** As if set before. */
  async put({ user, settings, seen }: UserRow): Promise<void> {
    await super.changeSettings(user, await super.settings(user), settings);
    await super.writeSeen([{ user, seen }]);
  }

  async #pass(what: 'read' | 'write'): Promise<void> {
    const waiting = this.#held.get(what);
    if (waiting !== undefined) await new Promise<void>((resolve) => waiting.push(resolve));
    if (this.failure !== undefined) throw this.failure;
  }
}

class Online implements OnlineUsers {
  readonly users = new Set<string>();
  isKnown = true;

  get size(): number {
    return this.users.size;
  }
  has(user: string): boolean {
    return this.users.has(user);
  }
  all(): Iterator<string> {
    return this.users.values();
  }
}

export class UserRig implements EdgeLink {
  readonly system = new VirtualSystem(1);
  readonly store = new UserStore(this.system);
  readonly online = new Online();
  readonly metrics = userMetrics();
  readonly hub: UserHub;
  readonly answers = new Map<NodeRequest, Answer>();
  readonly deliveries: Delivery[] = [];
  readonly logged: string[] = [];
  readonly #known = new Map<string, number>();
  isHome: (user: string) => boolean = () => true;

  constructor() {
    const log = (_: object, message: string): void => void this.logged.push(message);
    const logger: Logger = { info: log, warn: log, error: log };
    this.hub = new UserHub({
      store: this.store,
      edge: this,
      system: this.system,
      logger,
      metrics: this.metrics,
      online: this.online,
      isHome: (user) => this.isHome(user),
    });
  }

  answer(request: NodeRequest, answer: Answer): void {
    assert.ok(!this.answers.has(request), 'a request is answered once');
    this.answers.set(request, answer);
  }
  deliver(delivery: Delivery): void {
    if (delivery.t === 'settings') this.#known.set(delivery.user, delivery.settings.at);
    this.deliveries.push(delivery);
  }

  come(user: string): void {
    this.online.users.add(user);
    this.hub.came(user);
  }
  leave(user: string): void {
    this.online.users.delete(user);
    this.hub.left(user);
  }
  async watch(edge: string, ...users: string[]): Promise<void> {
    for (const user of users) this.hub.watch(edge, user);
    await this.system.settle();
  }
  /** By an edge that knows what it was told so far. */
  change<K extends { receipts?: boolean; presence?: Visibility }>(user: string, set: K): SettingsRequest {
    const request = settingsRequest(user, { ...set, base: this.#known.get(user) ?? 0 });
    this.hub.change(request);
    return request;
  }

  /** `ok`, an error's code, or `nothing`. */
  said(request: NodeRequest): string {
    const answer = this.answers.get(request);
    return answer?.t === 'error' ? answer.code : (answer?.t ?? 'nothing');
  }

  /** What was told since the last look: `e1 bob online`, `e1 bob offline 5000`, `settings bob false nobody`. */
  news(): string[] {
    return this.deliveries.splice(0).map((each) => {
      if (each.t === 'state') return `${each.edge} ${inShort(each.state)}`;
      assert.ok(each.t === 'settings', `a ${each.t} is none of a hub`);
      return `settings ${each.user} ${each.settings.receipts} ${each.settings.presence}`;
    });
  }

  /** Whose last times were tried to be written since the last look, a list per write. */
  lastSeen(): string[][] {
    return this.store.writes.splice(0).map((rows) => rows.map(({ user, seen }) => `${user} ${seen - START}`));
  }

  async advance(ms: number): Promise<void> {
    await this.system.advance(ms);
  }
}

/** With the last time in ms since the start, where it says offline and there is one. */
function inShort({ user, online, seen, visibleTo }: UserState): string {
  const time = online || seen === 0 ? '' : ` ${seen - START}`;
  return `${user} ${online ? 'online' : 'offline'}${time}${visibleTo === 'everyone' ? '' : ` ${visibleTo}`}`;
}

let lastId = 0;

export function settingsRequest(
  user: string,
  { receipts, presence, base = 0 }: { receipts?: boolean; presence?: Visibility; base?: number },
): SettingsRequest {
  const common = {
    edge: 'e1',
    session: 1,
    id: ++lastId,
    conv: homeOf(user),
    user,
    device: 'phone',
    bytes: 100,
  };
  return { t: 'settings', ...common, receipts, presence, base };
}
