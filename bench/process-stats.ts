/** What Linux tells of a process under /proc; elsewhere everything is undefined. */
import { readFileSync } from 'node:fs';
import type { CpuUse } from './plan.ts';

/** Of /proc's times; it is 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

interface CpuTimes {
  /** Seconds, user and system, of all threads. */
  readonly all: number;
  /** Of the main thread. */
  readonly main: number;
}

function cpuTimes(pid: number): CpuTimes | undefined {
  const all = statSeconds(`/proc/${pid}/stat`);
  const main = statSeconds(`/proc/${pid}/task/${pid}/stat`);
  return all === undefined || main === undefined ? undefined : { all, main };
}

/** What a server, this process and all others use from now on. */
export class CpuMeter {
  readonly #pid: number;
  readonly #server: CpuTimes | undefined;
  readonly #own = process.cpuUsage();
  readonly #busy = busySeconds();

  constructor(serverPid: number) {
    this.#pid = serverPid;
    this.#server = cpuTimes(serverPid);
  }

  use(seconds: number): CpuUse | undefined {
    const server = cpuTimes(this.#pid);
    const busy = busySeconds();
    if (server === undefined || busy === undefined || this.#server === undefined || this.#busy === undefined)
      return undefined;
    const own = process.cpuUsage(this.#own);
    const generator = (own.user + own.system) / 1e6 / seconds;
    const all = (server.all - this.#server.all) / seconds;
    return {
      server: all,
      serverMain: (server.main - this.#server.main) / seconds,
      generator,
      others: Math.max(0, (busy - this.#busy) / seconds - all - generator),
    };
  }
}

/** Seconds that all cores together have been busy, whoever used them. */
function busySeconds(): number | undefined {
  const fields = /^cpu +(.+)$/m
    .exec(read('/proc/stat') ?? '')?.[1]
    ?.split(' ')
    .map(Number);
  if (fields === undefined) return undefined;
  const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = fields;
  return (user + nice + system + irq + softirq + steal) / TICKS_PER_SECOND;
}

/** Bytes in RAM that belong to this process alone (clean and dirty, swap apart). */
export function privateBytes(pid: number): number | undefined {
  const rollup = read(`/proc/${pid}/smaps_rollup`);
  if (rollup === undefined) return undefined;
  let kilobytes = 0;
  for (const match of rollup.matchAll(/^Private_(?:Clean|Dirty):\s+(\d+) kB$/gm))
    kilobytes += Number(match[1]);
  return kilobytes * 1024;
}

export function cpuModel(): string {
  return /^model name\s*:\s*(.+)$/m.exec(read('/proc/cpuinfo') ?? '')?.[1] ?? process.arch;
}

function statSeconds(path: string): number | undefined {
  const stat = read(path);
  if (stat === undefined) return undefined;
  // The second field, the command in parentheses, may contain spaces.
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return undefined; // no such process, or no /proc here
  }
}
