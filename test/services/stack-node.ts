import { isReady, ServiceProcess } from './service-process.ts';

export type NodeRole = 'edge' | 'sequencer';

const ROOT = new URL('../../', import.meta.url).pathname;
const READY_MS_MAX = 60_000;
/** A node gives itself 10 s to drain and stop. */
const STOP_MS_MAX = 20_000;
const OUTPUT_CHARS_MAX = 64 * 1024;
/** Before a node that ended by itself is started again; doubled each time until it has run for STEADY_MS. */
const BACKOFF_FIRST_MS = 250;
const BACKOFF_MS_MAX = 5_000;
const STEADY_MS = 10_000;
const LAST_LINES = 5;

/** sources: through tsx. dist: as built. */
export type Program = 'sources' | 'dist';

const PROGRAMS: Readonly<Record<Program, readonly string[]>> = {
  sources: ['--import', 'tsx', 'src/cli/main.ts'],
  dist: ['dist/src/cli/main.js'],
};

export interface NodeOptions {
  readonly role: NodeRole;
  readonly index: number;
  /** The main port of an edge. */
  readonly port: number | undefined;
  readonly adminPort: number;
  /** All of its CARILLON_* variables, of which it sees none of ours; and others, beside ours. */
  readonly env: Readonly<Record<string, string>>;
  readonly program: Program;
  readonly restartExited: boolean;
  readonly progress: (line: string) => void;
}

/** An edge or a sequencer in a process of its own, over restarts: its settings and ports stay. */
export class NodeProcess {
  readonly role: NodeRole;
  /** From 0, per role. */
  readonly index: number;
  /** `edge 1`. */
  readonly name: string;
  /** Base URL of the admin port: /readyz, /metrics. */
  readonly adminUrl: string;
  readonly #options: NodeOptions;
  #process: ServiceProcess | undefined;
  /** What the processes before said. */
  #earlier = '';
  /** Counts what was asked of it: what follows from an earlier wish is off. */
  #wish = 0;

  constructor(options: NodeOptions) {
    this.#options = options;
    this.role = options.role;
    this.index = options.index;
    this.name = `${options.role} ${options.index + 1}`;
    this.adminUrl = `http://127.0.0.1:${options.adminPort}`;
  }

  /** Base URL of the main port. Throws for a sequencer, which has none. */
  get url(): string {
    if (this.#options.port === undefined) throw new Error(`${this.name} has no main port`);
    return `http://127.0.0.1:${this.#options.port}`;
  }

  get isStarted(): boolean {
    return this.#process !== undefined;
  }

  get pid(): number {
    return this.#running.pid;
  }

  get exited(): boolean {
    return this.#running.exited;
  }

  /** The last output of all its processes, both streams. */
  get output(): string {
    return (this.#earlier + this.#running.output).slice(-OUTPUT_CHARS_MAX);
  }

  /** Seconds of processor time that the process used so far. */
  get cpuSeconds(): number {
    return this.#running.cpuSeconds;
  }

  /** Bytes of user-space memory: resident, anonymous. */
  get memoryBytes(): number {
    return this.#running.memoryBytes;
  }

  /** Resolves when ready. Rejects, with nothing left running, when it ends or takes too long. */
  async start(): Promise<void> {
    await this.#begin(++this.#wish);
  }

  /** kill -9. It stays down until `restart`. */
  async kill(): Promise<void> {
    this.#wish++;
    await this.#running.kill();
  }

  signal(signal: NodeJS.Signals): void {
    this.#running.signal(signal);
  }

  /** SIGTERM; resolves with the exit code. It stays down until `restart`. */
  async stop(): Promise<number | null> {
    this.#wish++;
    await this.#running.stop(STOP_MS_MAX);
    return this.#running.exitCode;
  }

  /** Starts it again with the same settings, after a kill -9 if it runs; resolves when ready. */
  async restart(): Promise<void> {
    const wish = ++this.#wish;
    await this.#running.kill();
    await this.#begin(wish);
  }

  /** The id of a sequencer's term, or of an edge; each restart changes it. */
  async id(): Promise<string> {
    const response = await fetch(`${this.adminUrl}/node`);
    const { node } = (await response.json()) as { node?: unknown };
    if (typeof node !== 'string') throw new Error(`${this.adminUrl}/node names no node`);
    return node;
  }

  get #running(): ServiceProcess {
    if (this.#process === undefined) throw new Error(`${this.name} was not started`);
    return this.#process;
  }

  async #begin(wish: number): Promise<void> {
    await this.#launch();
    if (this.#options.restartExited) void this.#watch(wish);
  }

  async #launch(): Promise<void> {
    const { program, env } = this.#options;
    if (this.#process !== undefined) this.#earlier = this.output;
    this.#process = new ServiceProcess({
      name: this.name,
      command: process.execPath,
      args: [...PROGRAMS[program], 'start'],
      cwd: ROOT,
      env: { ...withoutOurs(), ...env },
    });
    await this.#process.ready(READY_MS_MAX, () => isReady(this.adminUrl));
  }

  /** Starts it again whenever it ends though nobody asked for that. Never rejects. */
  async #watch(wish: number): Promise<void> {
    const { progress } = this.#options;
    let waitMs = BACKOFF_FIRST_MS;
    for (;;) {
      const watched = this.#running;
      const since = performance.now();
      await watched.ended();
      if (wish !== this.#wish) return;
      const isSteady = performance.now() - since > STEADY_MS;
      if (isSteady) waitMs = BACKOFF_FIRST_MS;
      progress(
        `${this.name}, pid ${watched.pid}, ended by itself with ${watched.ending}; next start in ${waitMs} ms`,
      );
      if (!isSteady) progress(lastLines(watched.output));
      await new Promise((resolve) => setTimeout(resolve, waitMs));
      if (wish !== this.#wish) return;
      waitMs = Math.min(BACKOFF_MS_MAX, waitMs * 2);
      try {
        await this.#launch();
        progress(`${this.name} is ready again with pid ${this.pid} at the same ports`);
      } catch (error) {
        if (wish === this.#wish) progress(error instanceof Error ? lastLines(error.message) : String(error));
      }
    }
  }
}

/** Takes our own CARILLON_* variables away. */
function withoutOurs(): Record<string, undefined> {
  const ours = Object.keys(process.env).filter((name) => name.startsWith('CARILLON_'));
  return Object.fromEntries(ours.map((name) => [name, undefined]));
}

function lastLines(output: string): string {
  return output
    .trimEnd()
    .split('\n')
    .slice(-LAST_LINES)
    .map((line) => `  ${line}`)
    .join('\n');
}
