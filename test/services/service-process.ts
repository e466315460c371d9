import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { connect } from 'node:net';

const OUTPUT_CHARS_MAX = 32 * 1024;
const STOP_MS_MAX = 10_000;
const LOOK_MS = 50;

/** Ends the child with its parent, however that ends (util-linux; elsewhere the exit handler must do). */
const DEATH_WISH = ['/usr/bin/setpriv', '--pdeathsig', 'KILL'].filter(
  (_, i, all) => i > 0 || existsSync(all[0] as string),
);

const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

export interface ServiceCommand {
  readonly name: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

/** One process of a service: started, watched, ended by its pid. */
export class ServiceProcess {
  readonly name: string;
  readonly #child: ChildProcess;
  #output = '';

  constructor({ name, command, args, cwd, env }: ServiceCommand) {
    this.name = name;
    const [program, ...rest] =
      DEATH_WISH.length === 3 ? [...DEATH_WISH, command, ...args] : [command, ...args];
    this.#child = spawn(program as string, rest, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    running.add(this.#child);
    const keep = (chunk: Buffer): void => {
      this.#output = (this.#output + chunk.toString()).slice(-OUTPUT_CHARS_MAX);
    };
    this.#child.stdout?.on('data', keep);
    this.#child.stderr?.on('data', keep);
    this.#child.on('exit', () => running.delete(this.#child));
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  get output(): string {
    return this.#output;
  }

  get exited(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  signal(signal: NodeJS.Signals): void {
    if (!this.exited) process.kill(this.pid, signal);
  }

  /** kill -9. */
  async kill(): Promise<void> {
    await this.#end('SIGKILL');
  }

  /** SIGTERM, and kill -9 if that is not heeded. */
  async stop(): Promise<void> {
    const timer = setTimeout(() => this.signal('SIGKILL'), STOP_MS_MAX);
    await this.#end('SIGTERM');
    clearTimeout(timer);
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    if (this.exited) return;
    const ended = once(this.#child, 'exit');
    this.signal(signal);
    await ended;
  }

  /** Waits until `ready` says so; rejects with the service's last words if it ends or takes too long. */
  async ready(msMax: number, ready: () => boolean | Promise<boolean>): Promise<void> {
    const deadline = performance.now() + msMax;
    while (!(await ready())) {
      if (this.exited || performance.now() > deadline) {
        await this.kill();
        throw new Error(`${this.name} did not become ready within ${msMax} ms:\n${this.#output}`);
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

/** Runs a tool to its end; rejects with what it printed when it fails. */
export async function runTool(
  command: string,
  args: readonly string[],
  options: { cwd?: string; env?: Record<string, string> } = {},
): Promise<void> {
  const child = spawn(command, args, {
    ...options,
    env: { ...process.env, ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const chunks: Buffer[] = [];
  child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => chunks.push(chunk));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0)
    throw new Error(
      `${command} ${args.join(' ')} ended with ${code}:\n${Buffer.concat(chunks).toString().slice(-4_000)}`,
    );
}

export function hasTool(command: string): boolean {
  return spawnSync('which', [command]).status === 0;
}
