import type { Config } from '../config.ts';
import type { StaticFile } from '../edge/http.ts';
import type { Logger, MessageStore, ProjectionStore, System } from '../core/ports.ts';
import type { Presence } from '../core/presence-port.ts';
import type { RingControl } from '../core/ring-control.ts';
import type { Authenticator } from '../edge/auth/authenticator.ts';
import { createEdge, type Edge } from '../edge/edge.ts';
import type { HttpOptions } from '../edge/http.ts';
import type { Component } from '../lifecycle.ts';
import type { Metrics } from '../telemetry.ts';
import { RECONNECT_SPREAD_MS, SOCKET_PATH } from './sockets.ts';

/** What every role of a process is given. */
export interface Surroundings {
  readonly config: Config;
  readonly system: System;
  readonly logger: Logger;
  readonly metrics: Metrics;
  readonly readiness: HttpOptions['readiness'];
}

/** What an edge needs that can fail for want of a file: made before anything is opened. */
export interface EdgeFiles {
  readonly authenticator: Authenticator;
  readonly files: ReadonlyMap<string, StaticFile>;
}

/** A composed process. */
export interface Roles {
  /** In the order of starting. */
  readonly components: readonly Component[];
  /** Once started: where the page and the sockets are, or the admin port, or nothing. */
  readonly url: () => string;
}

export interface EdgeStores {
  readonly messages: Pick<MessageStore, 'read'>;
  readonly projections: Pick<ProjectionStore, 'inbox' | 'inboxRow'>;
  readonly presence: Presence;
}

export function openEdge(
  id: string,
  { config, system, logger, metrics }: Surroundings,
  { authenticator }: EdgeFiles,
  stores: EdgeStores,
): Edge {
  const settings = {
    sendsPerSecond: config.sendsPerSecond,
    burst: config.sendBurst,
    reconnectSpreadMs: RECONNECT_SPREAD_MS,
  };
  return createEdge({ id, system, logger, metrics, authenticator, settings, ...stores });
}

export function httpOptions(
  { readiness, metrics, config }: Surroundings,
  files: ReadonlyMap<string, StaticFile>,
  node: () => string | null,
  presence: Presence | undefined,
  ring?: RingControl,
): HttpOptions {
  const roles = [...(config.roles.edge ? ['edge'] : []), ...(config.roles.sequencer ? ['sequencer'] : [])];
  return {
    socketPath: SOCKET_PATH,
    files,
    readiness,
    metrics: () => metrics.scrape(),
    node: () => ({ node: node(), roles }),
    presence,
    ring,
    adminToken: config.adminToken,
  };
}
