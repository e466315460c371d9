import type { UserId } from '../src/core/ids.ts';
import type { EdgeLink, OwnerLink } from '../src/core/ports.ts';
import type { ConversationRequest } from '../src/core/requests.ts';
import type { ActorHost } from './actor-host.ts';
import { refuse, UNAVAILABLE_RETRY_MS } from './refusals.ts';

/** The way from an edge to a conversation's owner. Embedded, this process owns every conversation. */
export class Router implements OwnerLink {
  readonly #here: ActorHost;
  readonly #edge: EdgeLink;
  #draining = false;

  constructor(here: ActorHost, edge: EdgeLink) {
    this.#here = here;
    this.#edge = edge;
  }

  submit(request: ConversationRequest): void {
    if (this.#draining) {
      refuse(this.#edge, request, 'unavailable', 'The node is leaving.', UNAVAILABLE_RETRY_MS);
      return;
    }
    this.#here.submit(request);
  }

  announce(user: UserId): void {
    this.#here.announce(user);
  }

  /** Whom the edge of this process knows is its own business. */
  depart(): void {}

  /** Takes nothing in any more; what was taken in goes on. */
  stopIntake(): void {
    this.#draining = true;
    this.#here.dirtyWalk.stop();
  }
}
