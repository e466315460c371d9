import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import { pino, type DestinationStream } from 'pino';
import { CLOSES, type CloseReason, type ErrorCode, ERRORS } from './core/errors.ts';
import type { Logger } from './core/ports.ts';

/** Logs and metrics: the one place where metric names are declared. */

const COUNTERS = {
  framesIn: ['carillon_frames_in_total', 'Frames received from clients.'],
  framesOut: ['carillon_frames_out_total', 'Frames written to clients, a topic publish counted once.'],
  sendsAcked: ['carillon_sends_acked_total', 'Sends acknowledged as durable.'],
  deliveries: ['carillon_deliveries_total', 'Committed events handed to the fan-out.'],
  activations: ['carillon_activations_total', 'Conversations brought into memory.'],
  appendRows: ['carillon_append_rows_total', 'Rows committed to the log.'],
  appendFailures: ['carillon_append_failures_total', 'Batches that were not committed.'],
  overloaded: ['carillon_overloaded_total', 'Requests refused because a mailbox was full.'],
  refusedUpgrades: ['carillon_refused_upgrades_total', 'Connections refused before they became sockets.'],
} as const;

const GAUGES = {
  connections: ['carillon_connections', 'Open sockets.'],
  sessions: ['carillon_sessions', 'Sessions that said hello.'],
  pullSockets: ['carillon_pull_mode_sockets', 'Sockets too slow to be pushed to, which pull instead.'],
  actors: ['carillon_actors_active', 'Conversations in memory.'],
  mailboxBytes: ['carillon_mailbox_bytes', 'Bytes of requests waiting in the mailboxes of all actors.'],
} as const;

const BATCH_BUCKETS = [1, 2, 4, 8, 16, 32, 64, 128, 256];
const LATENCY_BUCKETS = [0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1, 2.5];

type Numbers<K extends string> = Record<K, number>;

/** Anything that takes one measured value. */
export interface Measure {
  observe(value: number): void;
}

export interface Metrics {
  /** Plain numbers that the hot path adds to; a scrape copies them. They only rise. */
  readonly counts: Numbers<keyof typeof COUNTERS>;
  /** Plain numbers, set by their owners whenever it suits them, or in `beforeScrape`. */
  readonly gauges: Numbers<keyof typeof GAUGES>;
  /** Errors told to clients, by code. */
  readonly errors: Numbers<ErrorCode>;
  /** Sockets that the server closed, by reason; `slow_consumer` is one. */
  readonly closes: Numbers<CloseReason>;
  readonly appendBatchRows: Measure;
  readonly appendSeconds: Measure;
  /** Runs `refresh` before each scrape. */
  beforeScrape(refresh: () => void): void;
  /** The Prometheus text and its media type. */
  scrape(): Promise<{ readonly type: string; readonly text: string }>;
}

export function createMetrics(): Metrics {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry });

  const counts = zeros(COUNTERS);
  for (const [key, [name, help]] of entries(COUNTERS)) {
    new Counter({
      name,
      help,
      registers,
      collect() {
        copy(this, counts[key]);
      },
    });
  }
  const gauges = zeros(GAUGES);
  for (const [key, [name, help]] of entries(GAUGES)) {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(gauges[key]);
      },
    });
  }
  const errors = zeros(ERRORS);
  labelled(registry, 'carillon_errors_total', 'Errors told to clients.', 'code', errors);
  const closes = zeros(CLOSES);
  labelled(registry, 'carillon_closes_total', 'Sockets that the server closed.', 'reason', closes);

  const refreshes: (() => void)[] = [];
  return {
    counts,
    gauges,
    errors,
    closes,
    appendBatchRows: new Histogram({
      name: 'carillon_append_batch_rows',
      help: 'Rows per append of a conversation.',
      buckets: BATCH_BUCKETS,
      registers,
    }),
    appendSeconds: new Histogram({
      name: 'carillon_append_seconds',
      help: 'Time from an append to its outcome.',
      buckets: LATENCY_BUCKETS,
      registers,
    }),
    beforeScrape: (refresh) => void refreshes.push(refresh),
    scrape: async () => {
      for (const refresh of refreshes) refresh();
      return { type: registry.contentType, text: await registry.metrics() };
    },
  };
}

function entries<K extends string, V>(table: Readonly<Record<K, V>>): [K, V][] {
  return Object.entries(table) as [K, V][];
}

function zeros<K extends string>(table: Readonly<Record<K, unknown>>): Numbers<K> {
  const numbers = {} as Numbers<K>;
  for (const [key] of entries(table)) numbers[key] = 0;
  return numbers;
}

function copy(counter: Counter, value: number): void {
  counter.reset();
  counter.inc(value);
}

function labelled(
  registry: Registry,
  name: string,
  help: string,
  label: string,
  numbers: Numbers<string>,
): void {
  new Counter({
    name,
    help,
    labelNames: [label],
    registers: [registry],
    collect() {
      this.reset();
      for (const [key, value] of Object.entries(numbers)) this.inc({ [label]: key }, value);
    },
  });
}

export interface LogOptions {
  readonly level: string;
  /** auto: text on a terminal. */
  readonly format: 'auto' | 'json' | 'text';
}

/** A pino logger to `destination` (standard output by default). */
export function createLogger(
  { level, format }: LogOptions,
  destination: DestinationStream = process.stdout,
): Logger {
  const asJson = format === 'json' || (format === 'auto' && !process.stdout.isTTY);
  return pino(
    { level, base: null },
    asJson ? destination : { write: (line) => destination.write(asText(line)) },
  );
}

/** `12:30:00.120 INFO  message key=value`, an error's stack below. */
function asText(line: string): string {
  const { time, level, msg, err, ...fields } = JSON.parse(line) as Record<string, unknown>;
  const clock = new Date(Number(time)).toISOString().slice(11, 23);
  const name = (pino.levels.labels[Number(level)] ?? '').toUpperCase().padEnd(5);
  const rest = Object.entries(fields).map(
    ([key, value]) => ` ${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
  const { stack, message } = (err ?? {}) as { stack?: string; message?: string };
  const trace =
    err === undefined ? '' : `\n  ${(stack ?? message ?? JSON.stringify(err)).replaceAll('\n', '\n  ')}`;
  return `${clock} ${name} ${String(msg ?? '')}${rest.join('')}${trace}\n`;
}
