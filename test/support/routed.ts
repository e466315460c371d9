import type { ActorHost } from '../../cluster/actor-host.ts';
import { HereOnline, Router } from '../../cluster/router.ts';
import { UserHub, type UserMetrics } from '../../cluster/users/user-hub.ts';
import type { EdgeLink, Logger, ProjectionStore, System } from '../../src/core/ports.ts';

export function userMetrics(): UserMetrics {
  const counts = { presenceChanges: 0, lastSeenWrites: 0, lastSeenDropped: 0 };
  return { counts, gauges: { watchedUsers: 0 } };
}

export interface RoutedOptions {
  readonly host: ActorHost;
  readonly edge: EdgeLink;
  readonly store: ProjectionStore;
  readonly system: System;
  readonly logger: Logger;
}

/** A router to one process, as the embedded role makes it; `stop` it with the host. */
export function routed(options: RoutedOptions): { router: Router; stop: () => void } {
  const online = new HereOnline();
  const users = new UserHub({ ...options, metrics: userMetrics(), online, isHome: () => true });
  return { router: new Router(options.host, options.edge, users, online), stop: () => users.stop() };
}
