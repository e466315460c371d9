import type { UserId } from '../src/core/ids.ts';
import type { EdgeLink, OwnerLink } from '../src/core/ports.ts';
import type { NodeRequest } from '../src/core/requests.ts';
import type { ActorHost } from './actor-host.ts';
import { refuse, UNAVAILABLE_RETRY_MS } from './refusals.ts';
import type { OnlineUsers, UserHub } from './users/user-hub.ts';

/** The one edge's name, where there is but one. */
const EDGE = '';

/** The way from an edge to a conversation's owner. Embedded, this process owns every conversation. */
export class Router implements OwnerLink {
  readonly #here: ActorHost;
  readonly #edge: EdgeLink;
  readonly #users: UserHub;
  readonly #online: HereOnline;
  #draining = false;

  constructor(here: ActorHost, edge: EdgeLink, users: UserHub, online: HereOnline) {
    this.#here = here;
    this.#edge = edge;
    this.#users = users;
    this.#online = online;
  }

  submit(request: NodeRequest): void {
    if (this.#draining) {
      refuse(this.#edge, request, 'unavailable', 'The node is leaving.', UNAVAILABLE_RETRY_MS);
      return;
    }
    if (request.t === 'settings') this.#users.change(request);
    else this.#here.submit(request);
  }

  announce(user: UserId): void {
    this.#here.announce(user);
    this.#online.users.add(user);
    this.#users.came(user);
  }

  depart(user: UserId): void {
    if (this.#online.users.delete(user)) this.#users.left(user);
  }

  watch(user: UserId): void {
    this.#users.watch(EDGE, user);
  }

  unwatch(user: UserId): void {
    this.#users.unwatch(EDGE, user);
  }

  /** Takes nothing in any more; what was taken in goes on. */
  stopIntake(): void {
    this.#draining = true;
    this.#here.dirtyWalk.stop();
  }
}

/** The users of the one edge, as it announces them. */
export class HereOnline implements OnlineUsers {
  readonly users = new Set<UserId>();
  readonly isKnown = true;

  get size(): number {
    return this.users.size;
  }
  has(user: UserId): boolean {
    return this.users.has(user);
  }
  all(): Iterator<UserId> {
    return this.users.values();
  }
}
