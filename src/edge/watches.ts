import { directConversationId } from '../core/direct-id.ts';
import type { UserId } from '../core/ids.ts';
import { type Logger, type OwnerLink, type ProjectionStore, logUnlessAway } from '../core/ports.ts';
import type { UserState } from '../core/users.ts';
import { LIMITS } from '../protocol/limits.ts';
import type { EdgeBounds } from './bounds.ts';
import type { ReadGate } from './read-gate.ts';
import type { Replies } from './replies.ts';
import type { Session } from './session.ts';

export interface WatchesOptions {
  readonly logger: Logger;
  readonly bounds: Pick<EdgeBounds, 'watchedUsersMax'>;
  readonly projections: Pick<ProjectionStore, 'inboxRow'>;
  readonly gate: ReadGate;
  readonly replies: Replies;
  readonly owners: () => OwnerLink;
}

/** What a session was told of one whom it watches. */
interface Told {
  /** undefined: nothing yet. */
  online: boolean | undefined;
  seen: number;
  /** Whether the two are known to be in a direct conversation, … */
  isContact: boolean;
  /** … or that is being looked up. */
  isAsked: boolean;
}

/** A user whom sessions here watch. */
export interface Watched {
  readonly user: UserId;
  /** As it was told last; undefined: not yet. */
  state: UserState | undefined;
  readonly sessions: Map<Session, Told>;
}

/** What a watch would be too much for. */
export type Refusal = 'session' | 'edge';

/**
 * Whom sessions watch, and telling them: how a user is when a watch begins, then what has changed, and of what they may
 * not see nothing but `online: false`. Sessions that read slowly are told once they have caught up.
 */
export class Watches {
  readonly #o: WatchesOptions;
  readonly #watched = new Map<UserId, Watched>();

  constructor(options: WatchesOptions) {
    this.#o = options;
  }

  get size(): number {
    return this.#watched.size;
  }

  /** What stands against the session's watching these too. */
  refusal(session: Session, users: readonly UserId[]): Refusal | undefined {
    const named = new Set(users);
    const known = [...(session.watching ?? [])].filter(({ user }) => named.has(user)).length;
    if ((session.watching?.size ?? 0) + named.size - known > LIMITS.watchedUsersMax) return 'session';
    const added = [...named].filter((user) => !this.#watched.has(user)).length;
    return added > 0 && this.#watched.size + added > this.#o.bounds.watchedUsersMax ? 'edge' : undefined;
  }

  /** Tells the session how each is, once that is known, whether it was told before or not. */
  watch(session: Session, users: readonly UserId[]): void {
    session.watching ??= new Set();
    for (const user of new Set(users)) {
      const watched = this.#watched.get(user) ?? this.#add(user);
      session.watching.add(watched);
      watched.sessions.set(session, { online: undefined, seen: 0, isContact: false, isAsked: false });
      this.#tell(session, watched);
    }
  }

  unwatch(session: Session, users: readonly UserId[]): void {
    for (const user of users) {
      const watched = this.#watched.get(user);
      if (watched !== undefined && session.watching?.delete(watched) === true) this.#leave(session, watched);
    }
  }

  /** The session has left. */
  forget(session: Session): void {
    for (const watched of session.watching ?? []) this.#leave(session, watched);
    session.watching = undefined;
  }

  /** How a user is, by the node that knows. */
  state(state: UserState): void {
    const watched = this.#watched.get(state.user);
    if (watched === undefined) return;
    watched.state = state;
    for (const session of watched.sessions.keys()) this.#tell(session, watched);
  }

  /** The session takes events again. */
  settle(session: Session): void {
    for (const watched of session.watching ?? []) this.#tell(session, watched);
  }

  #add(user: UserId): Watched {
    const watched: Watched = { user, state: undefined, sessions: new Map() };
    this.#watched.set(user, watched);
    this.#o.owners().watch(user);
    return watched;
  }

  #leave(session: Session, watched: Watched): void {
    watched.sessions.delete(session);
    if (watched.sessions.size > 0) return;
    this.#watched.delete(watched.user);
    this.#o.owners().unwatch(watched.user);
  }

  #tell(session: Session, watched: Watched): void {
    const { state } = watched;
    const told = watched.sessions.get(session);
    if (state === undefined || told === undefined || session.mode !== 'push') return;
    const { user, visibleTo } = state;
    const isShown = user === session.user || visibleTo === 'everyone';
    if (!isShown && visibleTo === 'contacts' && !told.isContact) void this.#ask(session, watched, told);
    else this.#say(session, told, state, isShown || visibleTo === 'contacts');
  }

  #say(session: Session, told: Told, { user, online, seen }: UserState, isShown: boolean): void {
    const shown = isShown && online;
    const since = isShown && !online ? seen : 0;
    if (told.online === shown && told.seen === since) return;
    told.online = shown;
    told.seen = since;
    const lastSeen = since > 0 ? since : undefined;
    this.#o.replies.frame(session, { t: 'presence', user, online: shown, lastSeen }, '');
  }

  /** Contacts are those with whom the user has a direct conversation that both were shown. */
  async #ask(session: Session, watched: Watched, told: Told): Promise<void> {
    const { gate, projections, logger } = this.#o;
    const { user } = watched;
    if (told.isAsked) return; // what has changed meanwhile is told then
    told.isAsked = true;
    const conv = directConversationId(session.user, user);
    try {
      told.isContact = (await gate.run(() => projections.inboxRow(user, conv))) !== undefined;
    } catch (err) {
      logUnlessAway(logger, err, { user }, 'a contact was not looked up');
    }
    told.isAsked = false;
    const { state } = watched;
    if (state === undefined || session.mode !== 'push' || watched.sessions.get(session) !== told) return;
    const isShown = told.isContact ? state.visibleTo !== 'nobody' : state.visibleTo === 'everyone';
    this.#say(session, told, state, isShown);
  }
}
