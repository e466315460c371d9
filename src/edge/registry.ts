import type { DeviceId, UserId } from '../core/ids.ts';
import { UNSET, type UserSettings } from '../core/users.ts';
import { TokenBucket } from './rate-limit.ts';
import type { Session } from './session.ts';

/** A user with sessions here. */
export class Account {
  readonly user: UserId;
  readonly sessions: Session[] = [];
  /** Of sends, over all the user's sessions. */
  readonly sends: TokenBucket;
  /** As last heard of. */
  settings: UserSettings = UNSET;

  constructor(user: UserId, sends: TokenBucket) {
    this.user = user;
    this.sends = sends;
  }

  of(device: DeviceId): Session | undefined {
    return this.sessions.find((session) => session.device === device);
  }
}

export interface SendRate {
  readonly sendsPerSecond: number;
  readonly burst: number;
}

/** The sessions of an edge, by number and by user. */
export class Registry {
  readonly #sessions = new Map<number, Session>();
  readonly #accounts = new Map<UserId, Account>();
  /** Users whose last session left with the send rate spent: a new connection does not restore it. */
  readonly #lingering = new Set<Account>();
  readonly #rate: SendRate;
  readonly #lingeringMax: number;

  constructor(rate: SendRate, lingeringMax: number) {
    this.#rate = rate;
    this.#lingeringMax = lingeringMax;
  }

  get size(): number {
    return this.#sessions.size;
  }

  add(session: Session): void {
    this.#sessions.set(session.number, session);
  }

  get(number: number): Session | undefined {
    return this.#sessions.get(number);
  }

  all(): IterableIterator<Session> {
    return this.#sessions.values();
  }

  /** Who is known as `user`, connected or lingering. */
  account(user: UserId): Account | undefined {
    return this.#accounts.get(user);
  }

  /** The session has said who it is. */
  join(session: Session, now: number): void {
    const { user } = session;
    let account = this.#accounts.get(user);
    if (account === undefined) {
      account = new Account(user, new TokenBucket(this.#rate.burst, now));
      this.#accounts.set(user, account);
    }
    this.#lingering.delete(account);
    account.sessions.push(session);
    session.account = account;
  }

  remove(session: Session, now: number): void {
    this.#sessions.delete(session.number);
    const { account } = session;
    if (account === undefined) return;
    session.account = undefined;
    account.sessions.splice(account.sessions.indexOf(session), 1);
    if (account.sessions.length > 0) return;
    if (this.#isFresh(account, now) || this.#lingering.size >= this.#lingeringMax)
      this.#accounts.delete(account.user);
    else this.#lingering.add(account);
  }

  /** Forgets users who have gone and may send at the full rate again. */
  prune(now: number): void {
    for (const account of this.#lingering) {
      if (!this.#isFresh(account, now)) continue;
      this.#lingering.delete(account);
      this.#accounts.delete(account.user);
    }
  }

  #isFresh(account: Account, now: number): boolean {
    return account.sends.isFull(now, this.#rate.sendsPerSecond, this.#rate.burst);
  }
}
