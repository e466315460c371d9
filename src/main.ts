/** The composition root: config -> adapters -> roles. */
import { realSystem } from './adapters/system.ts';
import type { Config } from './config.ts';
import { loadAssets } from './console/assets.ts';
import { createAuthenticator } from './edge/auth/create-authenticator.ts';
import { Lifecycle } from './lifecycle.ts';
import { clusterRoles } from './roles/cluster.ts';
import { embedded } from './roles/embedded.ts';
import type { Surroundings } from './roles/surroundings.ts';
import { createLogger, createMetrics } from './telemetry.ts';

const DRAIN_MS_MAX = 10_000;

export interface RunningServer {
  /** Where the page and the sockets are; of a process without an edge, the admin port, or ''. */
  readonly url: string;
  /** Drains and stops; resolves to the exit code. */
  stop(): Promise<number>;
}

/** Starts everything that the config asks for; rejects, with nothing left running, if a part cannot start. */
export async function startServer(config: Config): Promise<RunningServer> {
  const system = realSystem();
  const logger = createLogger({ level: config.logLevel, format: config.logFormat });
  const metrics = createMetrics();
  const readiness: Surroundings['readiness'] = () => lifecycle.readiness();
  const surroundings = { config, system, logger, metrics, readiness };
  // What can fail for want of a file comes first: the store, once open, is the lifecycle's to close.
  const files = {
    authenticator: createAuthenticator(config.auth, () => system.now()),
    files: await loadAssets(),
  };
  const roles = await (config.cluster === undefined
    ? embedded(surroundings, files)
    : clusterRoles(surroundings, files, config.cluster));
  const exit = (code: number): never => process.exit(code);
  const lifecycle = new Lifecycle(system, logger, roles.components, { drainMsMax: DRAIN_MS_MAX, exit });
  await lifecycle.start();
  lifecycle.exitOnSignals();
  return { url: roles.url(), stop: () => lifecycle.shutDown() };
}
