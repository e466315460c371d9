import type { UserId } from '../../src/core/ids.ts';
import {
  type EdgeLink,
  type Logger,
  type ProjectionStore,
  logUnlessAway,
  type System,
} from '../../src/core/ports.ts';
import { pause } from '../../src/core/patience.ts';
import type { SettingsRequest } from '../../src/core/requests.ts';
import type { UserSettings } from '../../src/core/users.ts';
import { OVERLOADED_RETRY_MS, refuse, UNAVAILABLE_RETRY_MS } from '../refusals.ts';

const USERS_MAX = 4_096;
const REQUESTS_PER_USER_MAX = 16;
/** How long what may be set or not is looked after, and how often. */
const SETTLE_TRIES_MAX = 30;
const SETTLE_EVERY_MS = 1_000;
/** By then the edge was told what has changed meanwhile. */
const BEHIND_RETRY_MS = 200;
/** How long an answer waits for edges that have not heard what is set, and how often they are looked at. */
const HEARD_WAIT_MS = 2_000;
const HEARD_LOOK_MS = 10;

const REFUSALS = {
  unavailable: 'The store cannot be used now.',
  unknown: 'It may or may not be set: set it again.',
} as const;

export interface SettingsChangesOptions {
  readonly store: Pick<ProjectionStore, 'settings' | 'changeSettings'>;
  readonly edge: EdgeLink;
  readonly system: System;
  readonly logger: Logger;
  /** They are durable. */
  readonly changed: (user: UserId, settings: UserSettings) => void;
  /** Whether the edges where the user is have heard what was told last; without it they always have. */
  readonly haveHeard?: ((user: UserId) => boolean) | undefined;
}

/** behind: they were changed meanwhile. */
type Outcome = 'done' | 'behind' | 'unavailable' | 'unknown';

/**
 * Changes what users have set, one request of a user's after the other; each is answered when it is durable and told: if
 * this node dies before, the request comes to the next home, which tells it. A request changes what its edge knew to be
 * set, and nothing newer, so that a copy that comes late does nothing. A change whose
 * fate is not known is followed until it is: what is set then is set once more, so that nothing that is still on its
 * way can change it later, and told.
 */
export class SettingsChanges {
  readonly #o: SettingsChangesOptions;
  readonly #waiting = new Map<UserId, SettingsRequest[]>();

  constructor(options: SettingsChangesOptions) {
    this.#o = options;
  }

  take(request: SettingsRequest): void {
    const { user } = request;
    const waiting = this.#waiting.get(user);
    if ((waiting?.length ?? 0) >= REQUESTS_PER_USER_MAX || this.#waiting.size >= USERS_MAX) {
      const message = 'Too many changes wait to be written.';
      refuse(this.#o.edge, request, 'overloaded', message, OVERLOADED_RETRY_MS);
    } else if (waiting !== undefined) waiting.push(request);
    else void this.#run(user, [request]);
  }

  async #run(user: UserId, requests: SettingsRequest[]): Promise<void> {
    this.#waiting.set(user, requests);
    for (let next = requests[0]; next !== undefined; next = requests[0]) {
      const outcome = await this.#tried(user, next);
      if (outcome === 'done') await this.#heard(user);
      this.#answer(next, outcome);
      if (outcome === 'unknown') await this.#settle(user);
      requests.shift();
    }
    this.#waiting.delete(user);
  }

  #answer(request: SettingsRequest, outcome: Outcome): void {
    const { edge } = this.#o;
    if (outcome === 'done') edge.answer(request, { t: 'ok', seq: undefined, members: undefined });
    else if (outcome === 'behind')
      refuse(edge, request, 'unavailable', 'They have just been changed: set it again.', BEHIND_RETRY_MS);
    else refuse(edge, request, 'unavailable', REFUSALS[outcome], UNAVAILABLE_RETRY_MS);
  }

  async #heard(user: UserId): Promise<void> {
    const { haveHeard, system } = this.#o;
    if (haveHeard === undefined) return;
    const until = system.monotonic() + HEARD_WAIT_MS;
    while (!haveHeard(user) && system.monotonic() < until) await pause(system, HEARD_LOOK_MS);
  }

  async #settle(user: UserId): Promise<void> {
    for (let tries = 0; tries < SETTLE_TRIES_MAX; tries++) {
      await pause(this.#o.system, SETTLE_EVERY_MS);
      if ((await this.#tried(user, undefined)) === 'done') return;
    }
  }

  /** Without a request: sets once more what is set. */
  async #tried(user: UserId, request: SettingsRequest | undefined): Promise<Outcome> {
    const { store, logger } = this.#o;
    try {
      return await this.#apply(user, await store.settings(user), request);
    } catch (err) {
      logUnlessAway(logger, err, { user }, 'settings were not changed');
      return 'unavailable';
    }
  }

  async #apply(user: UserId, before: UserSettings, request: SettingsRequest | undefined): Promise<Outcome> {
    const { store, system } = this.#o;
    const { receipts = before.receipts, presence = before.presence, base = before.at } = request ?? {};
    if (base !== before.at) {
      this.#tell(user, before);
      return receipts === before.receipts && presence === before.presence ? 'done' : 'behind';
    }
    const settings = { receipts, presence, at: Math.max(before.at + 1, system.now()) };
    const outcome = await store.changeSettings(user, before, settings);
    if (outcome === 'applied') {
      this.#tell(user, settings);
      return 'done';
    }
    return outcome === 'notApplied' ? 'behind' : outcome;
  }

  #tell(user: UserId, settings: UserSettings): void {
    this.#o.changed(user, settings);
    this.#o.edge.deliver({ t: 'settings', user, settings });
  }
}
