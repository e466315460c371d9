import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export { freePort } from '../services/addresses.ts';

const READY_MS_MAX = 20_000;
const OUTPUT_CHARS_MAX = 64 * 1024;
const ROOT = new URL('../../', import.meta.url).pathname;

export interface ServerSettings {
  readonly dataDir: string;
  readonly port: number;
  /** CARILLON_* variables. */
  readonly env?: Readonly<Record<string, string>>;
}

/** A real server in a process of its own, run from the sources. */
export class ServerProcess {
  readonly url: string;
  readonly #child: ChildProcess;
  #output = '';

  private constructor(settings: ServerSettings) {
    this.url = `http://127.0.0.1:${settings.port}`;
    const env = {
      ...process.env,
      CARILLON_PORT: String(settings.port),
      CARILLON_DATA_DIR: settings.dataDir,
      ...settings.env,
    };
    const args = ['--import', 'tsx', join(ROOT, 'src/cli/main.ts'), 'start'];
    this.#child = spawn(process.execPath, args, { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'pipe'] });
    const keep = (chunk: Buffer): void => {
      this.#output = (this.#output + chunk.toString()).slice(-OUTPUT_CHARS_MAX);
    };
    this.#child.stdout?.on('data', keep);
    this.#child.stderr?.on('data', keep);
  }

  /** Resolves once /readyz says yes. */
  static async start(settings: ServerSettings): Promise<ServerProcess> {
    const server = new ServerProcess(settings);
    const deadline = performance.now() + READY_MS_MAX;
    while (!(await server.#isReady())) {
      if (server.exited || performance.now() > deadline) {
        await server.kill();
        throw new Error(`the server did not become ready:\n${server.output}`);
      }
      await sleep(20);
    }
    return server;
  }

  /** Its last output, both streams. */
  get output(): string {
    return this.#output;
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  get exited(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** Bytes of user-space memory: resident, anonymous. */
  get memoryBytes(): number {
    const line = /^RssAnon:\s+(\d+) kB/m.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8'));
    return Number(line?.[1]) * 1024;
  }

  /** Seconds of processor time used so far. */
  get cpuSeconds(): number {
    const fields = readFileSync(`/proc/${this.pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
    return (Number(fields[11]) + Number(fields[12])) / 100;
  }

  /** kill -9. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** SIGTERM; resolves with the exit code. */
  async stop(): Promise<number | null> {
    await this.#end('SIGTERM');
    return this.#child.exitCode;
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    if (this.exited) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill(signal);
    await ended;
  }

  async #isReady(): Promise<boolean> {
    try {
      return (await fetch(`${this.url}/readyz`)).ok;
    } catch {
      return false; // not listening yet
    }
  }
}

/** A folder of the test's own, and what removes it. */
export function scratchDir(name: string): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), `carillon-${name}-`));
  return {
    path,
    remove: () => {
      if (existsSync(path)) rmSync(path, { recursive: true, force: true });
    },
  };
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
