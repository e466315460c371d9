import type { PresenceEvent, UserPrefs } from '../protocol/frames.ts';
import { LIMITS } from '../protocol/limits.ts';
import type { Answers, Request } from './requests.ts';
import { ClientError } from './errors.ts';

type Frame = Request<'watch'> | Request<'unwatch'> | Request<'prefs'>;

export interface UsersOptions {
  readonly call: (frame: Frame) => Promise<Answers['watch']>;
  /** Somebody who is watched came or went. */
  readonly presence: (event: PresenceEvent) => void;
  /** What the user has set has changed. */
  readonly settings: (settings: UserPrefs) => void;
  /** A watch could not be renewed after a reconnect. */
  readonly failed: (error: ClientError) => void;
}

const UNSET: UserPrefs = { receipts: true, presence: 'everyone' };

/** Who of those watched is online, over reconnects, and what the user lets others know. */
export class Users {
  readonly #o: UsersOptions;
  /** What was heard of those watched since the last connection began; undefined: nothing. */
  readonly #watched = new Map<string, PresenceEvent | undefined>();
  /** In requests that are unanswered: those are sent again over reconnects. */
  readonly #asked: (readonly string[])[] = [];
  #settings = UNSET;

  constructor(options: UsersOptions) {
    this.#o = options;
  }

  /** Has their presence told, now and as it changes; up to 200 users at a time. Rejects with a ClientError. */
  async watch(users: readonly string[]): Promise<void> {
    const added = [...new Set(users)].filter((user) => !this.#watched.has(user));
    if (this.#watched.size + added.length > LIMITS.watchedUsersMax)
      throw new ClientError('too_large', `up to ${LIMITS.watchedUsersMax} users can be watched at a time`);
    if (users.length === 0) return;
    for (const user of added) this.#watched.set(user, undefined);
    try {
      await this.#ask(users);
    } catch (error) {
      for (const user of added) this.#watched.delete(user);
      throw error;
    }
  }

  async unwatch(users: readonly string[]): Promise<void> {
    const known = users.filter((user) => this.#watched.delete(user));
    if (known.length > 0) await this.#o.call({ t: 'unwatch', users: known });
  }

  /** What is known of one who is watched; undefined: nothing yet, or not since the connection was lost. */
  of(user: string): PresenceEvent | undefined {
    return this.#watched.get(user);
  }

  /** What the user has set for all conversations. */
  get settings(): UserPrefs {
    return this.#settings;
  }

  /** Sets what is named, on all devices; resolves once that is durable. Rejects with a ClientError. */
  async set(change: Partial<UserPrefs>): Promise<void> {
    await this.#o.call({ t: 'prefs', ...change });
  }

  // --- for the client ---

  /** A new connection knows of no watch. */
  online(settings: UserPrefs = UNSET): void {
    this.settingsAre(settings);
    const asked = new Set(this.#asked.flat());
    const users = [...this.#watched.keys()].filter((user) => !asked.has(user));
    if (users.length === 0) return;
    this.#ask(users).catch((error: unknown) => {
      if (error instanceof ClientError) this.#o.failed(error);
      else throw error;
    });
  }

  async #ask(users: readonly string[]): Promise<void> {
    this.#asked.push(users);
    try {
      await this.#o.call({ t: 'watch', users });
    } finally {
      this.#asked.splice(this.#asked.indexOf(users), 1);
    }
  }

  offline(): void {
    for (const user of this.#watched.keys()) this.#watched.set(user, undefined);
  }

  event(event: PresenceEvent): void {
    if (!this.#watched.has(event.user)) return; // of a watch that has ended
    this.#watched.set(event.user, event);
    this.#o.presence(event);
  }

  settingsAre({ receipts, presence }: UserPrefs): void {
    const { receipts: hadReceipts, presence: hadPresence } = this.#settings;
    if (receipts === hadReceipts && presence === hadPresence) return;
    this.#settings = { receipts, presence };
    this.#o.settings(this.#settings);
  }
}
