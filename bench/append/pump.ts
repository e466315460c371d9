/** Keeps one batch of each conversation in flight, whatever appends it, and measures. */
import type { AppendRow } from '../../src/core/rows.ts';
import { LatencyRecorder } from '../generator/latency.ts';
import type { AppendPlan, AppendResult, StoreUse } from '../plan.ts';
import { CpuMeter } from '../process-stats.ts';
import { Rows } from './rows.ts';

/** refused: certainly not written, to be tried again. Anything else than these two is a fault, in words. */
export type Outcome =
  | { readonly t: 'committed' | 'refused' }
  | { readonly t: 'fault'; readonly text: string };

/** What appends. */
export interface Appender {
  /** Before the first batch of these conversations. */
  begin(lines: readonly Rows[]): Promise<void>;
  /** `done` is called once, later. */
  append(line: Rows, rows: readonly AppendRow[], done: (outcome: Outcome) => void): void;
  /** Compares what the log holds with what was appended; returns what is wrong, and the number of rows read. */
  check(line: Rows): Promise<{ rows: number; problems: readonly string[] }>;
  /** Starts counting requests; what it returns ends that. */
  countRequests?(): Promise<(rows: number) => Promise<StoreUse>>;
}

const PROGRESS_MS = 1_000;
const REFUSED_RETRY_MS = 100;
const PROBLEMS_MAX = 20;

export async function pump(
  plan: AppendPlan,
  appender: Appender,
  progress: (text: string) => void,
): Promise<AppendResult> {
  const lines = Array.from({ length: plan.conversations }, () => new Rows(plan.bodyBytes));
  progress(`creating ${lines.length} conversations`);
  await appender.begin(lines);
  const pumping = new Pumping(plan, appender);
  for (const line of lines) pumping.start(line);
  await pumping.watch('warm-up', plan.warmupMs, progress);
  const stopCounting = await appender.countRequests?.();
  const meter = new CpuMeter(plan.store.processes);
  const startedAt = performance.now();
  pumping.measure(true);
  await pumping.watch('measuring', plan.measureMs, progress);
  pumping.measure(false);
  const seconds = (performance.now() - startedAt) / 1_000;
  const cpu = meter.use(seconds);
  const { rows, problems } = pumping;
  const store = await stopCounting?.(rows);
  await pumping.end();
  progress('checking');
  let checked = 0;
  // A batch that failed leaves no saying what is there.
  for (const line of problems.length === 0 ? lines : []) {
    const found = await appender.check(line);
    checked += found.rows;
    problems.push(...found.problems);
  }
  return {
    job: 'append',
    seconds,
    rows,
    rowsPerSecond: rows / seconds,
    rowBytes: (lines[0] as Rows).rowBytes,
    batchLatency: pumping.latency.summary(),
    clientUsPerRow: ((cpu?.generator ?? Number.NaN) * seconds * 1e6) / rows,
    cpu,
    store,
    refused: pumping.refused,
    checked,
    problemCount: problems.length,
    problems: problems.slice(0, PROBLEMS_MAX),
  };
}

class Pumping {
  /** Committed while it was measured. */
  rows = 0;
  refused = 0;
  readonly problems: string[] = [];
  readonly latency = new LatencyRecorder();
  readonly #plan: AppendPlan;
  readonly #appender: Appender;
  #all = 0;
  #inFlight = 0;
  #measuring = false;
  #ending = false;
  #ended: (() => void) | undefined;

  constructor(plan: AppendPlan, appender: Appender) {
    this.#plan = plan;
    this.#appender = appender;
  }

  measure(on: boolean): void {
    this.#measuring = on;
  }

  start(line: Rows): void {
    this.#inFlight++;
    let rows: AppendRow[] = [];
    let sentAt = 0;
    const append = (): void => this.#appender.append(line, rows, done);
    const next = (): void => {
      rows = line.next(this.#plan.rowsPerBatch);
      sentAt = performance.now();
      append();
    };
    const done = (outcome: Outcome): void => {
      switch (outcome.t) {
        case 'refused':
          this.refused++;
          setTimeout(append, REFUSED_RETRY_MS);
          return;
        case 'committed':
          this.#committed(rows.length, sentAt);
          break;
        case 'fault':
          this.problems.push(`${line.conv}, seqs ${rows[0]?.seq} to ${rows.at(-1)?.seq}: ${outcome.text}`);
          this.#ending = true; // the log has a hole: nothing may follow
      }
      if (!this.#ending) next();
      else if (--this.#inFlight === 0) this.#ended?.();
    };
    next();
  }

  #committed(rows: number, sentAt: number): void {
    this.#all += rows;
    if (!this.#measuring) return;
    this.rows += rows;
    this.latency.recordMs(performance.now() - sentAt);
  }

  /** Waits, and tells how it goes; ends early when something went wrong. */
  async watch(phase: string, ms: number, progress: (text: string) => void): Promise<void> {
    const end = performance.now() + ms;
    let [before, toldAt] = [this.#all, performance.now()];
    for (let left = ms; left > 0 && !this.#ending; left = end - performance.now()) {
      await new Promise((resolve) => setTimeout(resolve, Math.min(left, 50)));
      const now = performance.now();
      if (now - toldAt < PROGRESS_MS) continue;
      progress(`${phase}: ${Math.round(((this.#all - before) * 1_000) / (now - toldAt))} rows/s`);
      [before, toldAt] = [this.#all, now];
    }
  }

  /** Nothing more is begun; resolves when all that is in flight has ended. */
  end(): Promise<void> {
    this.#ending = true;
    return new Promise((resolve) => {
      if (this.#inFlight === 0) resolve();
      else this.#ended = resolve;
    });
  }
}
