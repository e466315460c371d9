import { collectDefaultMetrics, Registry } from 'prom-client';
import { pino, type DestinationStream } from 'pino';
import {
  type NatsTelemetry,
  natsMetrics,
  type RedisTelemetry,
  redisMetrics,
  type ScyllaTelemetry,
  scyllaMetrics,
} from './adapter-metrics.ts';
import {
  type ClusterMetrics,
  clusterMetrics,
  type PeerNumbers,
  type PeerSide,
  peerMetrics,
} from './cluster-metrics.ts';
import { CLOSES, type CloseReason, type ErrorCode, ERRORS } from './core/errors.ts';
import type { Logger } from './core/ports.ts';
import {
  counters,
  gauges,
  histogram,
  labelled,
  LATENCY_BUCKETS,
  type Measure,
  type Numbers,
  ROWS_BUCKETS,
  zeros,
} from './metric-kinds.ts';

export type { ClusterMetrics } from './cluster-metrics.ts';
export type { Measure } from './metric-kinds.ts';

/**
 * Logs and metrics. The names of metrics are declared here, and of those that a cluster alone has in
 * adapter-metrics.ts and cluster-metrics.ts.
 */

const COUNTERS = {
  framesIn: ['carillon_frames_in_total', 'Frames received from clients.'],
  framesOut: ['carillon_frames_out_total', 'Frames written to clients, a topic publish counted once.'],
  sendsAcked: ['carillon_sends_acked_total', 'Sends acknowledged as durable.'],
  deliveries: ['carillon_deliveries_total', 'Committed events handed to the fan-out.'],
  activations: ['carillon_activations_total', 'Conversations brought into memory.'],
  appendRows: ['carillon_append_rows_total', 'Rows committed to the log.'],
  appendFailures: ['carillon_append_failures_total', 'Batches that were not committed.'],
  overloaded: ['carillon_overloaded_total', 'Requests refused because a mailbox was full.'],
  presenceChanges: ['carillon_presence_changes_total', 'Times that a watched user came or went.'],
  lastSeenWrites: ['carillon_last_seen_writes_total', 'Users whose time of being online was written.'],
  lastSeenDropped: [
    'carillon_last_seen_dropped_total',
    'Users whose time of being online was not written: too many at once.',
  ],
  refusedUpgrades: ['carillon_refused_upgrades_total', 'Connections refused before they became sockets.'],
} as const;

const GAUGES = {
  connections: ['carillon_connections', 'Open sockets.'],
  sessions: ['carillon_sessions', 'Sessions that said hello.'],
  pullSockets: ['carillon_pull_mode_sockets', 'Sockets too slow to be pushed to, which pull instead.'],
  actors: ['carillon_actors_active', 'Conversations in memory.'],
  watchedUsers: ['carillon_watched_users', 'Users whose presence somebody watches, told by this node.'],
  mailboxBytes: ['carillon_mailbox_bytes', 'Bytes of requests waiting in the mailboxes of all actors.'],
} as const;

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
  /** Of adapters and of cluster nodes: registered when first asked for, and the same object ever after. */
  scylla(): ScyllaTelemetry;
  nats(): NatsTelemetry;
  redis(): RedisTelemetry;
  cluster(): ClusterMetrics;
  /** Shows these numbers as those of that side. */
  peers(side: PeerSide, numbers: PeerNumbers): void;
  /** Runs `refresh` before each scrape. */
  beforeScrape(refresh: () => void): void;
  /** The Prometheus text and its media type. */
  scrape(): Promise<{ readonly type: string; readonly text: string }>;
}

export function createMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });

  const counts = zeros(COUNTERS);
  counters(registry, COUNTERS, [[{}, counts]]);
  const states = zeros(GAUGES);
  gauges(registry, GAUGES, [[{}, states]]);
  const errors = zeros(ERRORS);
  labelled(registry, 'carillon_errors_total', 'Errors told to clients.', 'code', errors);
  const closes = zeros(CLOSES);
  labelled(registry, 'carillon_closes_total', 'Sockets that the server closed.', 'reason', closes);

  const peers = once(() => peerMetrics(registry));
  const refreshes: (() => void)[] = [];
  return {
    counts,
    gauges: states,
    errors,
    closes,
    appendBatchRows: histogram(
      registry,
      'carillon_append_batch_rows',
      'Rows per append of a conversation.',
      ROWS_BUCKETS,
    ),
    appendSeconds: histogram(
      registry,
      'carillon_append_seconds',
      'Time from an append to its outcome.',
      LATENCY_BUCKETS,
    ),
    scylla: once(() => scyllaMetrics(registry)),
    nats: once(() => natsMetrics(registry)),
    redis: once(() => redisMetrics(registry)),
    cluster: once(() => clusterMetrics(registry)),
    peers: (side, numbers) => peers()(side, numbers),
    beforeScrape: (refresh) => void refreshes.push(refresh),
    scrape: async () => {
      for (const refresh of refreshes) refresh();
      return { type: registry.contentType, text: await registry.metrics() };
    },
  };
}

/** Makes it at the first call. */
function once<T>(make: () => T): () => T {
  let made: T | undefined;
  return () => (made ??= make());
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
