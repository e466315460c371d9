import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { removeScratchDirs } from './scratch-dir.ts';

const OUTPUT_CHARS_MAX = 64 * 1024;
const STOP_MS_MAX = 10_000;
const LOOK_MS = 50;
const READYZ_MS_MAX = 1_000;

/** Ends the child with its parent, however that ends (util-linux; elsewhere the exit handler must do). */
const DEATH_WISH: readonly string[] = existsSync('/usr/bin/setpriv')
  ? ['/usr/bin/setpriv', '--pdeathsig', 'KILL']
  : [];

const running = new Set<ChildProcess>();
process.on('exit', () => {
  endProcesses();
  removeScratchDirs();
});

/** kill -9 for all that this process started and that still runs; whoever waits for one of them learns of it. */
export function endProcesses(): void {
  for (const child of running) child.kill('SIGKILL');
}

export interface ServiceCommand {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd?: string;
  /** Beside our own; undefined takes one of ours away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
}

function start({ command, args, cwd, env }: Omit<ServiceCommand, 'name'>): ChildProcess {
  const [program, ...rest] = [...DEATH_WISH, command, ...args];
  const child = spawn(program as string, rest, {
    cwd,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    // A Ctrl-C of the terminal's is for us: we end the others in good order.
    detached: DEATH_WISH.length > 0,
  });
  running.add(child);
  child.once('exit', () => running.delete(child));
  return child;
}

/** One process: started, watched, ended by its pid. */
export class ServiceProcess {
  readonly name: string;
  readonly #child: ChildProcess;
  #output = '';

  constructor({ name, ...command }: ServiceCommand) {
    this.name = name;
    this.#child = start(command);
    const keep = (text: string): void => {
      this.#output = (this.#output + text).slice(-OUTPUT_CHARS_MAX);
    };
    this.#child.stdout?.setEncoding('utf8').on('data', keep);
    this.#child.stderr?.setEncoding('utf8').on('data', keep);
    this.#child.on('error', (error) => keep(`${error.message}\n`));
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  /** Its last output, both streams. */
  get output(): string {
    return this.#output;
  }

  get exited(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** null while it runs, and when a signal ended it. */
  get exitCode(): number | null {
    return this.#child.exitCode;
  }

  /** What ended it, for people: `SIGKILL`, `code 1`. */
  get ending(): string {
    return this.#child.signalCode ?? `code ${this.#child.exitCode}`;
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

  signal(signal: NodeJS.Signals): void {
    if (!this.exited) process.kill(this.pid, signal);
  }

  /** kill -9. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** SIGTERM, and kill -9 if that is not heeded in time. */
  async stop(msMax = STOP_MS_MAX): Promise<void> {
    const timer = setTimeout(() => this.signal('SIGKILL'), msMax);
    await this.#end('SIGTERM');
    clearTimeout(timer);
  }

  /** Resolves when it has ended. */
  async ended(): Promise<void> {
    if (!this.exited) await once(this.#child, 'exit');
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const ended = this.ended();
    this.signal(signal);
    this.signal('SIGCONT'); // one that is stopped hears of it only then
    await ended;
  }

  /** Waits until `ready` says so; rejects with the service's last words if it ends or takes too long. */
  async ready(msMax: number, ready: () => boolean | Promise<boolean>): Promise<void> {
    const deadline = performance.now() + msMax;
    while (!(await ready())) {
      if (this.exited || performance.now() > deadline) {
        const why = this.exited
          ? `ended with ${this.ending} instead of becoming ready`
          : `did not become ready within ${msMax} ms`;
        await this.kill();
        throw new Error(`${this.name} ${why}:\n${this.#output}`);
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    }
  }
}

/** Whether something listens there. */
export function answers(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host, port }, () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
}

/** Whether /readyz of that address says yes, soon. */
export async function isReady(url: string): Promise<boolean> {
  try {
    return (await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(READYZ_MS_MAX) })).ok;
  } catch {
    return false; // not listening yet, or stopped
  }
}

/** Runs a tool to its end; rejects with what it printed when it fails. */
export async function runTool(
  command: string,
  args: readonly string[],
  options: { cwd?: string; env?: Record<string, string> } = {},
): Promise<void> {
  const child = start({ command, args, ...options });
  const chunks: Buffer[] = [];
  child.stdout?.on('data', (chunk: Buffer) => chunks.push(chunk));
  child.stderr?.on('data', (chunk: Buffer) => chunks.push(chunk));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0)
    throw new Error(
      `${command} ${args.join(' ')} ended with ${code}:\n${Buffer.concat(chunks).toString().slice(-4_000)}`,
    );
}

export function hasTool(command: string): boolean {
  return spawnSync('which', [command]).status === 0;
}
