import { join } from 'node:path';
import { isReady, ServiceProcess } from '../services/service-process.ts';

export { freePort } from '../services/addresses.ts';
export { scratchDir } from '../services/scratch-dir.ts';

const READY_MS_MAX = 20_000;
/** The server gives itself 10 s. */
const STOP_MS_MAX = 20_000;
const ROOT = new URL('../../', import.meta.url).pathname;

export interface ServerSettings {
  readonly dataDir: string;
  readonly port: number;
  /** CARILLON_* variables, and Node's. */
  readonly env?: Readonly<Record<string, string>>;
}

/** A real server in a process of its own, run from the sources. */
export class ServerProcess {
  readonly url: string;
  readonly #process: ServiceProcess;

  private constructor(settings: ServerSettings) {
    this.url = `http://127.0.0.1:${settings.port}`;
    this.#process = new ServiceProcess({
      name: 'the server',
      command: process.execPath,
      args: ['--import', 'tsx', join(ROOT, 'src/cli/main.ts'), 'start'],
      cwd: ROOT,
      env: {
        CARILLON_PORT: String(settings.port),
        CARILLON_DATA_DIR: settings.dataDir,
        ...settings.env,
      },
    });
  }

  /** Resolves once /readyz says yes. */
  static async start(settings: ServerSettings): Promise<ServerProcess> {
    const server = new ServerProcess(settings);
    await server.#process.ready(READY_MS_MAX, () => isReady(server.url));
    return server;
  }

  /** Its last output, both streams. */
  get output(): string {
    return this.#process.output;
  }

  get pid(): number {
    return this.#process.pid;
  }

  get exited(): boolean {
    return this.#process.exited;
  }

  /** Bytes of user-space memory: resident, anonymous. */
  get memoryBytes(): number {
    return this.#process.memoryBytes;
  }

  /** Seconds of processor time used so far. */
  get cpuSeconds(): number {
    return this.#process.cpuSeconds;
  }

  /** kill -9. */
  async kill(): Promise<void> {
    await this.#process.kill();
  }

  /** SIGTERM; resolves with the exit code. */
  async stop(): Promise<number | null> {
    await this.#process.stop(STOP_MS_MAX);
    return this.#process.exitCode;
  }
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Waits until `condition` holds, or fails naming `what`. */
export async function until(what: string, msMax: number, condition: () => boolean): Promise<void> {
  const deadline = performance.now() + msMax;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`not within ${msMax} ms: ${what}`);
    await sleep(10);
  }
}
