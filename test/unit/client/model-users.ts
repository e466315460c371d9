import type { PresenceEvent, Unwatch, UserPrefs, Watch } from '../../../src/protocol/frames.ts';
import type { ModelServer, Session } from './model-server.ts';

type Change = { readonly [K in keyof UserPrefs]: UserPrefs[K] | undefined };

/** Who is online, as the model server sees it: without a grace, and visible to everyone. */
export class ModelUsers {
  readonly #server: ModelServer;
  readonly #settings = new Map<string, UserPrefs>();
  readonly #watching = new Map<Session, Set<string>>();

  constructor(server: ModelServer) {
    this.#server = server;
  }

  of(user: string): UserPrefs {
    return this.#settings.get(user) ?? { receipts: true, presence: 'everyone' };
  }

  set(session: Session, id: number, { receipts, presence }: Change): void {
    const before = this.of(session.user);
    const settings = { receipts: receipts ?? before.receipts, presence: presence ?? before.presence };
    this.#settings.set(session.user, settings);
    for (const each of this.#server.sessions)
      if (each.user === session.user) each.peer.send({ t: 'prefs', ...settings });
    session.peer.send({ t: 'ok', id });
  }

  watch(session: Session, { t, id, users }: Watch | Unwatch): void {
    const watching = this.#watching.get(session) ?? new Set();
    this.#watching.set(session, watching);
    session.peer.send({ t: 'ok', id });
    for (const user of users) {
      if (t === 'unwatch') watching.delete(user);
      else {
        watching.add(user);
        session.peer.send(this.#state(user));
      }
    }
  }

  /** Has those told who watch the user. */
  changed(user: string): void {
    for (const [session, users] of this.#watching)
      if (users.has(user) && this.#server.sessions.has(session)) session.peer.send(this.#state(user));
  }

  #state(user: string): PresenceEvent {
    const online = [...this.#server.sessions].some((session) => session.user === user);
    return { t: 'presence', user, online };
  }
}
