/** The processes of a bench: the server under load, bare baselines, and the generator, each on its core. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { availableParallelism, cpus } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { SUBPROTOCOLS } from '../src/protocol/frames.ts';
import { freePort } from '../test/services/addresses.ts';
import type {
  AppendPlan,
  AppendResult,
  AuditPlan,
  AuditResult,
  FillPlan,
  FromGenerator,
  HoldPlan,
  HubPlan,
  HubResult,
  LoadPlan,
  LoadResult,
  Plan,
  ReadsPlan,
  ReadsResult,
  SyncPlan,
  SyncResult,
  Target,
  ToGenerator,
  VisitsPlan,
  VisitsResult,
} from './plan.ts';

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const SERVER = join(ROOT, 'dist/src/cli/main.js');
export const SOCKET_PATH = '/v1/connect';
/** Nothing is refused for its rate, and nothing is logged but warnings. */
export const FREE_RATES = {
  CARILLON_SENDS_PER_SECOND: '1000000',
  CARILLON_SEND_BURST: '10000000',
  CARILLON_LOG_LEVEL: 'warn',
} as const;
const READY_MS_MAX = 60_000;
const STOP_MS_MAX = 15_000;
const LOG_LINES_MAX = 40;

/** The server's core and the generator's; undefined where processes cannot be pinned, or there is one core. */
export const cores: { server: number; generator: number } | undefined =
  availableParallelism() >= 2 && spawnSync('taskset', ['-c', '0', 'true']).status === 0
    ? { server: 0, generator: 1 }
    : undefined;

function pinned(core: number | undefined, command: readonly string[]): [string, string[]] {
  const [program, ...rest] = core === undefined ? command : ['taskset', '-c', String(core), ...command];
  return [program as string, rest];
}

/**
 * The bench itself only waits and polls, but not on the server's core. What it starts begins where it is, so it is
 * let go to all cores before it starts what is to run where there is room.
 */
export function placeBench(where: 'generator' | 'anywhere'): void {
  if (cores === undefined) return;
  const list = where === 'generator' ? String(cores.generator) : `0-${cpus().length - 1}`;
  spawnSync('taskset', ['-cp', list, String(process.pid)]);
}

/** The event loop to the server's core; its other threads (the store's writer, the collector) run where there is room. */
function pinMainThread(pid: number): void {
  if (cores !== undefined) spawnSync('taskset', ['-cp', String(cores.server), String(pid)]);
}

/** A program of the bench itself, run like the bench: from its sources or compiled. */
function benchProgram(name: string, nodeFlags: readonly string[] = []): string[] {
  const compiled = import.meta.url.endsWith('.js');
  const path = fileURLToPath(new URL(`${name}.${compiled ? 'js' : 'ts'}`, import.meta.url));
  return [process.execPath, ...nodeFlags, ...(compiled ? [] : ['--import', 'tsx']), path];
}

/** A server under load, ours or a baseline. */
export interface RunningServer {
  readonly target: Target;
  readonly child: ChildProcess;
  /** SIGTERM and wait, or SIGKILL. Throws if a stop takes too long or fails. */
  stop(signal?: 'SIGTERM' | 'SIGKILL'): Promise<void>;
}

export interface ServerOptions {
  readonly dataDir: string;
  /** The compiled command line; absent: this repository's. */
  readonly program?: string;
  readonly nodeFlags?: readonly string[];
  /** How long from the spawn to the first 200 of /readyz. */
  readonly onReady?: (ms: number) => void;
}

/** Starts `carillon start` and waits until it is ready. */
export async function startServer(options: ServerOptions): Promise<RunningServer> {
  const program = options.program ?? SERVER;
  if (!existsSync(program)) throw new Error('dist/src/cli/main.js is missing: run `npm run build` first');
  const port = await freePort();
  const command = [process.execPath, ...(options.nodeFlags ?? []), program, 'start'];
  const startedAt = performance.now();
  const child = start(pinned(undefined, command), {
    CARILLON_HOST: '127.0.0.1',
    CARILLON_PORT: String(port),
    CARILLON_DATA_DIR: options.dataDir,
    CARILLON_AUTH: 'dev',
    ...FREE_RATES,
  });
  const log = keepLog(child);
  await ready(port, child, log);
  pinMainThread(child.pid as number);
  options.onReady?.(performance.now() - startedAt);
  const target = {
    addresses: [{ host: '127.0.0.1', port }],
    path: SOCKET_PATH,
    subprotocol: SUBPROTOCOLS.binary,
    processes: [{ name: 'server', pid: child.pid as number }],
  };
  return { target, child, stop: (signal) => stop(child, signal ?? 'SIGTERM', log) };
}

/** Starts one of the bare baselines. */
export async function startBaseline(
  name: 'echo' | 'publish',
  args: readonly string[] = [],
): Promise<RunningServer> {
  const child = start(
    pinned(cores?.server, [...benchProgram(`baselines/${name}-server`), ...args]),
    {},
    true,
  );
  const log = keepLog(child);
  const port = await new Promise<number>((resolve, reject) => {
    child.once('message', (message: { port: number }) => resolve(message.port));
    child.once('exit', () => reject(new Error(`the ${name} baseline did not start:\n${log.join('\n')}`)));
  });
  const target = {
    addresses: [{ host: '127.0.0.1', port }],
    path: '/',
    processes: [{ name: 'server', pid: child.pid as number }],
  };
  return { target, child, stop: () => stop(child, 'SIGKILL', log) };
}

export interface GeneratorOptions {
  readonly progress: (text: string) => void;
  /** Called at each step of a `hold` plan; the generator waits for it. */
  readonly onStep?: (connections: number) => Promise<void>;
}

export function generate(plan: LoadPlan, options: GeneratorOptions): Promise<LoadResult>;
export function generate(plan: ReadsPlan, options: GeneratorOptions): Promise<ReadsResult>;
export function generate(plan: HubPlan, options: GeneratorOptions): Promise<HubResult>;
export function generate(plan: VisitsPlan, options: GeneratorOptions): Promise<VisitsResult>;
export function generate(plan: SyncPlan, options: GeneratorOptions): Promise<SyncResult>;
export function generate(
  plan: HoldPlan | FillPlan | AuditPlan,
  options: GeneratorOptions,
): Promise<AuditResult>;
export async function generate(plan: Plan, options: GeneratorOptions): Promise<unknown> {
  return carryOut('generator/main', plan, options);
}

/** Appends rows from a process of its own: through our log, or by the bare driver. */
export async function append(
  side: 'carillon' | 'driver',
  plan: AppendPlan,
  options: GeneratorOptions & { readonly nodeFlags?: readonly string[] },
): Promise<AppendResult> {
  const program = side === 'carillon' ? 'append/main' : 'baselines/driver-append';
  return (await carryOut(program, plan, options)) as AppendResult;
}

/** Runs a program of the bench's on the generator's core until it has carried out the plan. */
async function carryOut(
  program: string,
  plan: Plan,
  options: GeneratorOptions & { readonly nodeFlags?: readonly string[] },
): Promise<unknown> {
  const command = benchProgram(program, options.nodeFlags);
  const child = start(pinned(cores?.generator, command), {}, true);
  const log = keepLog(child);
  const say = (message: ToGenerator): void => void child.send(message);
  const exited = once(child, 'exit');
  try {
    const result = await new Promise((resolve, reject) => {
      child.on('message', (message: FromGenerator) => {
        if (message.t === 'progress') options.progress(message.text);
        else if (message.t === 'failed') reject(new Error(message.message));
        else if (message.t === 'step') {
          options.onStep?.(message.connections).then(() => say({ t: 'next' }), reject);
        } else resolve(message.result);
      });
      child.once('exit', (code, signal) =>
        reject(new Error(`${program} ended (${signal ?? code}):\n${log.join('\n')}`)),
      );
      say({ t: 'run', plan });
    });
    await exited;
    return result;
  } catch (error) {
    child.kill('SIGKILL'); // with a result it ends by itself
    throw error;
  }
}

/** A folder for a server's data, removed in the end. */
export async function withDataDir<T>(parent: string, work: (dataDir: string) => Promise<T>): Promise<T> {
  const dataDir = await mkdtemp(join(parent, 'carillon-bench-'));
  dataDirs.add(dataDir);
  try {
    return await work(dataDir);
  } finally {
    removeDataDir(dataDir);
  }
}

/** What an interrupted bench must not leave behind. */
const children = new Set<ChildProcess>();
const dataDirs = new Set<string>();
process.on('exit', () => {
  for (const child of children) child.kill('SIGKILL');
  for (const dataDir of dataDirs) removeDataDir(dataDir);
});
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));

function removeDataDir(dataDir: string): void {
  dataDirs.delete(dataDir);
  rmSync(dataDir, { recursive: true, force: true });
}

function start(
  [program, args]: [string, string[]],
  env: Record<string, string>,
  channel = false,
): ChildProcess {
  const child = spawn(program, args, {
    cwd: ROOT,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe', ...(channel ? (['ipc'] as const) : [])],
  });
  children.add(child);
  child.once('exit', () => children.delete(child));
  return child;
}

/** The last lines that a process wrote, for the message when it fails. */
function keepLog(child: ChildProcess): string[] {
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      lines.push(...text.split('\n').filter((line) => line !== ''));
      if (lines.length > LOG_LINES_MAX) lines.splice(0, lines.length - LOG_LINES_MAX);
    });
  }
  return lines;
}

async function ready(port: number, child: ChildProcess, log: readonly string[]): Promise<void> {
  const deadline = performance.now() + READY_MS_MAX;
  for (;;) {
    if (child.exitCode !== null || child.signalCode !== null) {
      throw new Error(`the server ended instead of getting ready:\n${log.join('\n')}`);
    }
    const status = await fetch(`http://127.0.0.1:${port}/readyz`).then(
      (response) => response.status,
      () => 0, // not listening yet
    );
    if (status === 200) return;
    if (performance.now() > deadline)
      throw new Error(`the server is not ready after ${READY_MS_MAX} ms:\n${log.join('\n')}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

async function stop(
  child: ChildProcess,
  signal: 'SIGTERM' | 'SIGKILL',
  log: readonly string[],
): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) {
    throw new Error(
      `the server had ended by itself (${child.signalCode ?? child.exitCode}):\n${log.join('\n')}`,
    );
  }
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  child.kill(signal);
  const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS_MAX);
  await ended;
  clearTimeout(timer);
  if (signal === 'SIGTERM' && child.exitCode !== 0) {
    throw new Error(
      `the server stopped with ${child.signalCode ?? child.exitCode}, not 0:\n${log.join('\n')}`,
    );
  }
}
