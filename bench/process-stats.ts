/** What Linux tells of a process under /proc; elsewhere everything is undefined. */
import { readdirSync, readFileSync } from 'node:fs';
import type { CpuUse, ProcessUse, ServerProcess } from './plan.ts';

/** Of /proc's times; it is 100 on every Linux that Node runs on. */
const TICKS_PER_SECOND = 100;

interface CpuTimes {
  /** Seconds, user and system, of all threads. */
  readonly all: number;
  /** Of the main thread. */
  readonly main: number;
  /** Of a Java process's compiler threads that live. */
  readonly compilers: number;
}

function cpuTimes({ pid, java }: ServerProcess): CpuTimes | undefined {
  const all = statSeconds(`/proc/${pid}/stat`);
  const main = statSeconds(`/proc/${pid}/task/${pid}/stat`);
  if (all === undefined || main === undefined) return undefined;
  return { all, main, compilers: java === true ? compilerSeconds(pid) : 0 };
}

function compilerSeconds(pid: number): number {
  let seconds = 0;
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    const path = `/proc/${pid}/task/${task}/stat`;
    if (/\(C[12] Compiler/.test(read(path) ?? '')) seconds += statSeconds(path) ?? 0;
  }
  return seconds;
}

/** What a server's processes, this process and all others use from now on. */
export class CpuMeter {
  readonly #processes: readonly ServerProcess[];
  readonly #before: readonly (CpuTimes | undefined)[];
  readonly #own = process.cpuUsage();
  readonly #busy = busySeconds();

  constructor(processes: readonly ServerProcess[]) {
    this.#processes = processes;
    this.#before = processes.map(cpuTimes);
  }

  /** undefined: one of them is gone, or the system does not tell. */
  use(seconds: number): CpuUse | undefined {
    const busy = busySeconds();
    if (busy === undefined || this.#busy === undefined) return undefined;
    const own = process.cpuUsage(this.#own);
    const generator = (own.user + own.system) / 1e6 / seconds;
    const processes: ProcessUse[] = [];
    let [server, serverMain] = [0, 0];
    for (const [i, each] of this.#processes.entries()) {
      const [before, now] = [this.#before[i], cpuTimes(each)];
      if (before === undefined || now === undefined) return undefined;
      const cores = (now.all - before.all) / seconds;
      const mainCores = (now.main - before.main) / seconds;
      // A compiler thread that ended meanwhile takes its time along.
      const compilerCores = each.java && Math.max(0, (now.compilers - before.compilers) / seconds);
      processes.push({ name: each.name, cores, mainCores, compilerCores });
      server += cores;
      serverMain += mainCores;
    }
    const others = Math.max(0, (busy - this.#busy) / seconds - server - generator);
    return { server, serverMain, processes, generator, others };
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
