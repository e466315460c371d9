import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import test from 'node:test';
import { addSamples, ClusterMeter, Rise, type Samples } from '../../../bench/scrape.ts';
import { createMetrics, type Metrics } from '../../../src/telemetry.ts';

async function samplesOf(metrics: Metrics): Promise<Samples> {
  const samples = new Map<string, number>();
  addSamples(samples, (await metrics.scrape()).text);
  return samples;
}

test('what a store was asked per row is the rise between two scrapes of our own metrics', async () => {
  const metrics = createMetrics();
  const scylla = metrics.scylla();
  for (let i = 0; i < 5; i++) scylla.answered('append', 1);
  scylla.answered('nodes', 0.5);
  const before = await samplesOf(metrics);
  for (let i = 0; i < 10; i++) scylla.answered('append', 0.004);
  scylla.answered('writeDedup', 0.02);
  scylla.failed('append', 2, 'clientTimeout');
  const use = new Rise(before, await samplesOf(metrics)).storeUse(20);
  assert.deepEqual(Object.keys(use.statements).sort(), ['append', 'writeDedup']);
  assert.equal(use.statements['append']?.requestsPerRow, 0.5);
  assert.ok(Math.abs((use.statements['append']?.meanMs ?? 0) - 4) < 0.001);
  assert.equal(use.statements['writeDedup']?.requestsPerRow, 0.05);
  assert.equal(use.failures, 1);
});

test('samples of several nodes add up, comments are passed over', () => {
  const samples = new Map<string, number>();
  addSamples(samples, '# HELP a_total of "a"\n# TYPE a_total counter\na_total 3\nb_total{k="x y"} 1.5\n');
  addSamples(samples, 'a_total 4\nb_total{k="z"} 2\n');
  assert.deepEqual(
    [...samples],
    [
      ['a_total', 7],
      ['b_total{k="x y"}', 1.5],
      ['b_total{k="z"}', 2],
    ],
  );
  const rise = new Rise(new Map([['a_total', 2]]), samples);
  assert.deepEqual([rise.of('a_total'), rise.total('b_total'), rise.of('c_total')], [5, 3.5, 0]);
});

test('a cluster is metered over the admin ports of its nodes', async () => {
  const [sequencer, edge] = [createMetrics(), createMetrics()];
  const urls: string[] = [];
  const servers = [sequencer, edge].map((metrics) =>
    createServer((request, response) => {
      assert.equal(request.url, '/metrics');
      void metrics.scrape().then(({ text }) => response.end(text));
    }).listen(0, '127.0.0.1'),
  );
  for (const server of servers) {
    if (!server.listening) await new Promise((resolve) => server.once('listening', resolve));
    urls.push(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  }
  const meter = await ClusterMeter.start({ sequencers: [urls[0] as string], edges: [urls[1] as string] });
  for (const rows of [2, 6]) {
    sequencer.appendBatchRows.observe(rows);
    sequencer.appendSeconds.observe(0.01);
    sequencer.counts.appendRows += rows;
    sequencer.scylla().answered('append', 0.003);
  }
  sequencer.nats().sent(100);
  edge.nats().sent(100);
  edge.nats().sent(100);
  const use = await meter.use();
  for (const server of servers) server.close();
  assert.deepEqual([use.rowsPerBatch, Math.round(use.appendMs)], [4, 10]);
  assert.equal(use.sequencers.statements['append']?.requestsPerRow, 0.25);
  assert.deepEqual(use.edges.statements, {});
  assert.deepEqual([use.sequencerBusMessagesPerRow, use.edgeBusMessagesPerRow], [0.125, 0.25]);
});
