import assert from 'node:assert/strict';
import test from 'node:test';
import { newPeerMetrics } from '../../cluster/peer/peer-metrics.ts';
import { createMetrics, type Metrics } from '../../src/telemetry.ts';

/** name{labels} -> value, as a scrape shows them. */
async function scrape(metrics: Metrics): Promise<Map<string, number>> {
  const { text } = await metrics.scrape();
  const lines = text.split('\n').filter((line) => line.startsWith('carillon_'));
  return new Map(
    lines.map((line) => {
      const space = line.lastIndexOf(' ');
      return [line.slice(0, space), Number(line.slice(space + 1))];
    }),
  );
}

async function assertShown(metrics: Metrics, expected: Readonly<Record<string, number>>): Promise<void> {
  const shown = await scrape(metrics);
  for (const [name, value] of Object.entries(expected)) assert.equal(shown.get(name), value, name);
}

test('an embedded server shows no metric of a cluster', async () => {
  const names = [...(await scrape(createMetrics())).keys()];
  assert.ok(names.includes('carillon_connections'));
  const ofClusters = /scylla|nats|redis|peer|term_state|takeovers|step_downs|walk|barrier|projections/;
  assert.deepEqual(
    names.filter((name) => ofClusters.test(name)),
    [],
  );
});

test('what is asked for twice is registered once', async () => {
  const metrics = createMetrics();
  assert.equal(metrics.scylla(), metrics.scylla());
  assert.equal(metrics.nats(), metrics.nats());
  assert.equal(metrics.redis(), metrics.redis());
  assert.equal(metrics.cluster(), metrics.cluster());
  assert.equal((await scrape(metrics)).get('carillon_takeovers_total'), 0);
});

test('the store: latencies per statement, failures by kind, batch sizes, open requests', async () => {
  const metrics = createMetrics();
  const scylla = metrics.scylla();
  scylla.answered('appendRow', 0.003);
  scylla.answered('appendRow', 0.3);
  scylla.answered('heartbeat', 0.001);
  scylla.failed('appendRow', 2.5, 'clientTimeout');
  scylla.failed('appendRow', 0.1, 'clientTimeout');
  scylla.failed('heartbeat', 0, 'noHost');
  scylla.batch('appendRow', 3, 5_000);
  assert.equal((await scrape(metrics)).get('carillon_scylla_nodes_up'), undefined);
  const client = { open: 7, nodesUp: 3 };
  scylla.watch(client);
  client.open = 2;
  for (let i = 0; i < 2; i++) {
    await assertShown(metrics, {
      'carillon_scylla_answer_seconds_count{statement="appendRow"}': 2,
      'carillon_scylla_answer_seconds_bucket{le="0.005",statement="appendRow"}': 1,
      'carillon_scylla_answer_seconds_count{statement="heartbeat"}': 1,
      'carillon_scylla_failure_seconds_sum{statement="appendRow"}': 2.6,
      'carillon_scylla_failures_total{statement="appendRow",kind="clientTimeout"}': 2,
      'carillon_scylla_failures_total{statement="heartbeat",kind="noHost"}': 1,
      'carillon_scylla_batch_rows_sum{statement="appendRow"}': 3,
      'carillon_scylla_batch_bytes_bucket{le="4096",statement="appendRow"}': 0,
      'carillon_scylla_batch_bytes_bucket{le="8192",statement="appendRow"}': 1,
      carillon_scylla_open_requests: 2,
      carillon_scylla_nodes_up: 3,
    });
  }
});

test('the bus: what went and came, refusals and losses by reason, over all its connections', async () => {
  const metrics = createMetrics();
  const nats = metrics.nats();
  nats.connected();
  nats.connected();
  nats.lost('stale');
  nats.connectFailed();
  nats.sent(100);
  nats.sent(50);
  nats.received(10);
  nats.refused('pending');
  nats.refused('disconnected');
  nats.refused('disconnected');
  nats.flushed(0.004);
  nats.failed('PERMISSIONS_VIOLATION');
  nats.watch({ pendingBytes: 30 });
  nats.watch({ pendingBytes: 12 });
  for (let i = 0; i < 2; i++) {
    await assertShown(metrics, {
      carillon_nats_connections: 1,
      carillon_nats_connects_total: 2,
      carillon_nats_connect_failures_total: 1,
      'carillon_nats_losses_total{reason="stale"}': 1,
      'carillon_nats_losses_total{reason="closed"}': 0,
      carillon_nats_messages_out_total: 2,
      carillon_nats_bytes_out_total: 150,
      carillon_nats_messages_in_total: 1,
      carillon_nats_bytes_in_total: 10,
      'carillon_nats_refused_total{reason="disconnected"}': 2,
      'carillon_nats_refused_total{reason="pending"}': 1,
      'carillon_nats_flush_seconds_bucket{le="0.005"}': 1,
      'carillon_nats_errors_total{code="PERMISSIONS_VIOLATION"}': 1,
      carillon_nats_pending_bytes: 42,
    });
  }
});

test('Redis: pipelines, what was dropped and unknown by reason, losses and flushes', async () => {
  const metrics = createMetrics();
  const redis = metrics.redis();
  redis.connected();
  redis.lost();
  redis.connected();
  redis.batch(20, 0.0003);
  redis.dropped('full');
  redis.unknown('late');
  redis.unknown('late');
  redis.flushed();
  redis.failed('OOM');
  redis.watch({ pendingWrites: 4, pendingBytes: 900 });
  await assertShown(metrics, {
    carillon_redis_connections: 1,
    carillon_redis_connects_total: 2,
    carillon_redis_losses_total: 1,
    carillon_redis_batch_commands_sum: 20,
    'carillon_redis_batch_seconds_bucket{le="0.0002"}': 0,
    'carillon_redis_batch_seconds_bucket{le="0.0005"}': 1,
    'carillon_redis_dropped_writes_total{reason="full"}': 1,
    'carillon_redis_unknown_reads_total{reason="late"}': 2,
    carillon_redis_flushes_total: 1,
    'carillon_redis_errors_total{code="OOM"}': 1,
    carillon_redis_pending_writes: 4,
    carillon_redis_pending_bytes: 900,
  });
});

test("codes that servers choose are bounded: beyond 31 they count as 'other'", async () => {
  const metrics = createMetrics();
  const redis = metrics.redis();
  for (let i = 0; i < 100; i++) redis.failed(`E${i}`);
  redis.failed('E5');
  redis.failed('constructor');
  const shown = await scrape(metrics);
  const codes = [...shown.keys()].filter((name) => name.startsWith('carillon_redis_errors_total'));
  assert.equal(codes.length, 32);
  assert.equal(shown.get('carillon_redis_errors_total{code="E5"}'), 2);
  assert.equal(shown.get('carillon_redis_errors_total{code="other"}'), 70);
});

test('peers: every number of each side is shown, and a later object takes the place of the earlier', async () => {
  const metrics = createMetrics();
  const edge = newPeerMetrics();
  metrics.peers('edge', edge);
  const owner = newPeerMetrics();
  metrics.peers('owner', newPeerMetrics());
  metrics.peers('owner', owner);
  edge.counts.repaired = 3;
  owner.counts.repaired = 4;
  owner.gauges.onlineUsers = 5;
  for (let i = 0; i < 2; i++) {
    await assertShown(metrics, {
      'carillon_peer_repaired_total{side="edge"}': 3,
      'carillon_peer_repaired_total{side="owner"}': 4,
      'carillon_peer_online_users{side="edge"}': 0,
      'carillon_peer_online_users{side="owner"}': 5,
    });
  }
  // Each number of cluster/peer shows: set to a value of its own, it is found again.
  const numbers: Record<string, number>[] = [owner.counts, owner.gauges];
  const expected: number[] = [];
  for (const each of numbers)
    for (const key of Object.keys(each)) expected.push((each[key] = 1_000 + expected.length));
  const values = [...(await scrape(metrics))].filter(([name]) => name.includes('side="owner"'));
  assert.deepEqual(
    values.map(([, value]) => value).toSorted((a, b) => a - b),
    expected,
  );
});

test('a cluster node: its term, take-overs, barriers and what is pending', async () => {
  const metrics = createMetrics();
  const cluster = metrics.cluster();
  cluster.counts.takeovers += 2;
  cluster.counts.stepDowns++;
  cluster.gauges.projectionsPending = 9;
  cluster.barrierSeconds.observe(0.0015);
  metrics.beforeScrape(() => {
    cluster.gauges.termState = 1;
    cluster.gauges.dirtyWalkPending = 6;
  });
  await assertShown(metrics, {
    carillon_takeovers_total: 2,
    carillon_step_downs_total: 1,
    carillon_term_state: 1,
    carillon_dirty_walk_pending: 6,
    carillon_projections_pending: 9,
    'carillon_barrier_seconds_bucket{le="0.001"}': 0,
    'carillon_barrier_seconds_bucket{le="0.002"}': 1,
    carillon_barrier_seconds_count: 1,
  });
});
