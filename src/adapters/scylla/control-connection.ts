import type { Client } from 'cassandra-driver';
import type { Logger } from '../../core/ports.ts';

/** Of the driver's own connection for news of the cluster, which its types don't show. */
interface ControlConnection {
  /** Looks for a new connection; with hosts, as its own next step. */
  _refresh(hosts?: Iterator<unknown>): Promise<void>;
}

/**
 * After an outage of all nodes the driver listens twice to its new control connection, so when that ends it looks
 * for the next one twice at the same time; one search resets what the other has just found, which then throws
 * where nobody catches it, and the process ends. Here the second search is the first one.
 */
export function refreshOnceAtATime(driver: Client, logger: Logger): void {
  const { controlConnection } = driver as unknown as { readonly controlConnection: ControlConnection };
  const refresh = controlConnection._refresh.bind(controlConnection);
  let running: Promise<void> | undefined;
  controlConnection._refresh = (hosts) => {
    if (hosts !== undefined) return refresh(hosts);
    running ??= refresh()
      .catch((error: unknown) => logger.error({ err: error }, 'the store driver lost its control connection'))
      .finally(() => (running = undefined));
    return running;
  };
}
