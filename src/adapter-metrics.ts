import { Counter, type Registry } from 'prom-client';
import type { Loss, NatsMetrics, Refusal } from './adapters/nats/metrics.ts';
import type { Reason, RedisMetrics } from './adapters/redis/metrics.ts';
import type { ScyllaMetrics } from './adapters/scylla/metrics.ts';
import {
  byCode,
  counters,
  gauges,
  histogram,
  labelled,
  labelledHistogram,
  LATENCY_BUCKETS,
  type Names,
  type Numbers,
  ROWS_BUCKETS,
  sumGauges,
  zeros,
} from './metric-kinds.ts';

/** The metrics of the adapters to Scylla, NATS and Redis: names beside those of telemetry.ts. */

const BATCH_BYTES_BUCKETS = [256, 1_024, 4_096, 8_192, 16_384, 32_768, 49_152, 65_536];
const COMMANDS_BUCKETS = [1, 2, 5, 10, 25, 50, 100, 250, 500, 1_000, 2_000];

/** With gauges too: they are read from what is watched, at each scrape. */
export interface Watching<S> {
  /** From here on the gauges are there; of several that are watched they are sums. */
  watch(source: S): void;
}

const SCYLLA_GAUGES = {
  open: ['carillon_scylla_open_requests', 'Requests sent to the store and not answered.'],
  nodesUp: ['carillon_scylla_nodes_up', 'Nodes of the store that the driver holds for up.'],
} as const;
export type ScyllaTelemetry = ScyllaMetrics & Watching<Readonly<Numbers<keyof typeof SCYLLA_GAUGES>>>;

export function scyllaMetrics(registry: Registry): ScyllaTelemetry {
  const histogramOf = (name: string, help: string, buckets: number[]) =>
    labelledHistogram(registry, name, help, 'statement', buckets);
  const answered = histogramOf(
    'carillon_scylla_answer_seconds',
    'Time from a request to the store to its answer.',
    LATENCY_BUCKETS,
  );
  const failed = histogramOf(
    'carillon_scylla_failure_seconds',
    'Time from a request to the store to its failure.',
    LATENCY_BUCKETS,
  );
  const rows = histogramOf('carillon_scylla_batch_rows', 'Rows per batch.', ROWS_BUCKETS);
  const bytes = histogramOf('carillon_scylla_batch_bytes', 'Bytes per batch.', BATCH_BYTES_BUCKETS);
  const failures = new Counter({
    name: 'carillon_scylla_failures_total',
    help: 'Requests to the store that failed, by kind.',
    labelNames: ['statement', 'kind'],
    registers: [registry],
  });
  return {
    answered: (statement, seconds) => answered(statement).observe(seconds),
    failed: (statement, seconds, kind) => {
      failed(statement).observe(seconds);
      failures.inc({ statement, kind });
    },
    batch: (statement, rowCount, byteCount) => {
      rows(statement).observe(rowCount);
      bytes(statement).observe(byteCount);
    },
    ...watching(registry, SCYLLA_GAUGES),
  };
}

const NATS_COUNTERS = {
  messagesOut: ['carillon_nats_messages_out_total', 'Messages published on the bus.'],
  bytesOut: ['carillon_nats_bytes_out_total', 'Bytes published on the bus.'],
  messagesIn: ['carillon_nats_messages_in_total', 'Messages received from the bus.'],
  bytesIn: ['carillon_nats_bytes_in_total', 'Bytes received from the bus.'],
  connects: ['carillon_nats_connects_total', 'Connections made: at the start, and after each loss.'],
  connectFailures: ['carillon_nats_connect_failures_total', 'Attempts to connect that failed.'],
} as const;
const NATS_STATES = {
  connections: ['carillon_nats_connections', 'Connections to the bus that are up.'],
} as const;
const NATS_GAUGES = {
  pendingBytes: ['carillon_nats_pending_bytes', 'Bytes published that the server has not confirmed.'],
} as const;
export type NatsTelemetry = NatsMetrics & Watching<Readonly<Numbers<keyof typeof NATS_GAUGES>>>;

export function natsMetrics(registry: Registry): NatsTelemetry {
  const counts = zeros(NATS_COUNTERS);
  counters(registry, NATS_COUNTERS, [[{}, counts]]);
  const states = zeros(NATS_STATES);
  gauges(registry, NATS_STATES, [[{}, states]]);
  const refusals: Numbers<Refusal> = { disconnected: 0, pending: 0 };
  labelled(registry, 'carillon_nats_refused_total', 'Messages not taken, by reason.', 'reason', refusals);
  const losses: Numbers<Loss> = { closed: 0, stale: 0, slowConsumer: 0, auth: 0 };
  labelled(registry, 'carillon_nats_losses_total', 'Connections lost, by reason.', 'reason', losses);
  const error = byCode(registry, 'carillon_nats_errors_total', 'What the server refused, by its code.');
  const flush = histogram(
    registry,
    'carillon_nats_flush_seconds',
    'Time in which what was published reached the server.',
    LATENCY_BUCKETS,
  );
  return {
    sent: (bytes) => {
      counts.messagesOut++;
      counts.bytesOut += bytes;
    },
    received: (bytes) => {
      counts.messagesIn++;
      counts.bytesIn += bytes;
    },
    refused: (reason) => void refusals[reason]++,
    connected: () => {
      counts.connects++;
      states.connections++;
    },
    lost: (reason) => {
      losses[reason]++;
      states.connections--;
    },
    connectFailed: () => void counts.connectFailures++,
    flushed: (seconds) => flush.observe(seconds),
    failed: error,
    ...watching(registry, NATS_GAUGES),
  };
}

const REDIS_COUNTERS = {
  connects: ['carillon_redis_connects_total', 'Connections made: at the start, and after each loss.'],
  losses: ['carillon_redis_losses_total', 'Connections lost.'],
  flushes: ['carillon_redis_flushes_total', 'Times that the server had forgotten what it was told.'],
} as const;
const REDIS_STATES = {
  connections: ['carillon_redis_connections', 'Connections to Redis that are up.'],
} as const;
const REDIS_GAUGES = {
  pendingWrites: ['carillon_redis_pending_writes', 'Writes that wait for the next pipeline.'],
  pendingBytes: ['carillon_redis_pending_bytes', 'Bytes of the writes that wait.'],
} as const;
export type RedisTelemetry = RedisMetrics & Watching<Readonly<Numbers<keyof typeof REDIS_GAUGES>>>;

export function redisMetrics(registry: Registry): RedisTelemetry {
  const counts = zeros(REDIS_COUNTERS);
  counters(registry, REDIS_COUNTERS, [[{}, counts]]);
  const states = zeros(REDIS_STATES);
  gauges(registry, REDIS_STATES, [[{}, states]]);
  const dropped: Numbers<Reason> = { disconnected: 0, full: 0, late: 0 };
  labelled(registry, 'carillon_redis_dropped_writes_total', 'Writes given up, by reason.', 'reason', dropped);
  const unknown: Numbers<Reason> = { disconnected: 0, full: 0, late: 0 };
  labelled(
    registry,
    'carillon_redis_unknown_reads_total',
    'Reads without answer, by reason.',
    'reason',
    unknown,
  );
  const error = byCode(
    registry,
    'carillon_redis_errors_total',
    'Commands answered with an error, by its code.',
  );
  const commands = histogram(
    registry,
    'carillon_redis_batch_commands',
    'Commands per pipeline.',
    COMMANDS_BUCKETS,
  );
  const latency = histogram(
    registry,
    'carillon_redis_batch_seconds',
    'Time from a pipeline to its answers.',
    LATENCY_BUCKETS,
  );
  return {
    batch: (commandCount, seconds) => {
      commands.observe(commandCount);
      latency.observe(seconds);
    },
    dropped: (reason) => void dropped[reason]++,
    unknown: (reason) => void unknown[reason]++,
    connected: () => {
      counts.connects++;
      states.connections++;
    },
    lost: () => {
      counts.losses++;
      states.connections--;
    },
    flushed: () => void counts.flushes++,
    failed: error,
    ...watching(registry, REDIS_GAUGES),
  };
}

/** The gauges are registered when there is something to read them from. */
function watching<K extends string>(registry: Registry, table: Names<K>): Watching<Readonly<Numbers<K>>> {
  const watched: Readonly<Numbers<K>>[] = [];
  return {
    watch(source) {
      if (watched.push(source) === 1) sumGauges(registry, table, watched);
    },
  };
}
