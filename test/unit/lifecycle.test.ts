import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import test from 'node:test';
import { realSystem } from '../../src/adapters/system.ts';
import type { Logger } from '../../src/core/ports.ts';
import { type Component, Lifecycle } from '../../src/lifecycle.ts';
import { createLogger, createMetrics } from '../../src/telemetry.ts';

function recorder(): {
  log: string[];
  logger: Logger;
  part(name: string, overrides?: Partial<Component>): Component;
} {
  const log: string[] = [];
  const note = (fields: object, message: string): void =>
    void log.push(`log: ${message} ${(fields as { component?: string }).component ?? ''}`.trim());
  return {
    log,
    logger: { info: note, warn: note, error: note },
    part: (name, overrides = {}) => ({
      name,
      start: () => void log.push(`start ${name}`),
      drain: () => void log.push(`drain ${name}`),
      stop: () => void log.push(`stop ${name}`),
      ...overrides,
    }),
  };
}

function lifecycle(logger: Logger, components: Component[], drainMsMax = 500): Lifecycle {
  return new Lifecycle(realSystem(), logger, components, { drainMsMax, exit: () => undefined });
}

test('starts in order, drains and stops in reverse, ready only in between', async () => {
  const { log, logger, part } = recorder();
  let full: string | undefined = undefined;
  const life = lifecycle(logger, [part('store', { unready: () => full }), part('edge')]);
  assert.deepEqual(life.readiness(), { ready: false, reasons: ['the server is new'] });
  await life.start();
  assert.deepEqual(life.readiness(), { ready: true, reasons: [] });
  full = 'the disk is full';
  assert.deepEqual(life.readiness(), { ready: false, reasons: ['store: the disk is full'] });
  const down = life.shutDown();
  assert.equal(life.readiness().reasons[0], 'the server is draining');
  assert.equal(await down, 0);
  assert.equal(await life.shutDown(), 0, 'once is enough');
  assert.deepEqual(log, [
    'start store',
    'start edge',
    'drain edge',
    'drain store',
    'stop edge',
    'stop store',
  ]);
});

test('a start that fails stops what runs and tells the error', async () => {
  const { log, logger, part } = recorder();
  const broken = part('edge', { start: () => Promise.reject(new Error('the port is in use')) });
  await assert.rejects(
    lifecycle(logger, [part('store'), broken, part('late')]).start(),
    /the port is in use/,
  );
  assert.deepEqual(log, ['start store', 'stop store']);
});

test('a drain that hangs costs its share of the time, not the exit', async () => {
  const { log, logger, part } = recorder();
  const stuck = part('edge', { drain: () => new Promise(() => undefined) });
  const life = lifecycle(logger, [part('store'), stuck], 200);
  await life.start();
  const begun = performance.now();
  assert.equal(await life.shutDown(), 0);
  const took = performance.now() - begun;
  assert.ok(took >= 150 && took < 400, `${took} ms`);
  assert.ok(log.includes('log: not drained in time: going on edge'));
  assert.deepEqual(log.slice(-2), ['stop edge', 'stop store']);
});

test('what fails or hangs on the way down makes the code 1', async () => {
  for (const overrides of [
    { drain: () => Promise.reject(new Error('no')) },
    { stop: () => Promise.reject(new Error('no')) },
    { stop: () => new Promise<void>(() => undefined) },
  ]) {
    const { log, logger, part } = recorder();
    const life = lifecycle(logger, [part('store'), part('edge', overrides)], 100);
    await life.start();
    assert.equal(await life.shutDown(), 1);
    assert.ok(log.some((line) => line.startsWith('log: ')));
  }
});

test('a shutdown during the start lets the present start finish, and stops it', async () => {
  const { log, logger, part } = recorder();
  const slow = part('store', { start: () => new Promise((resolve) => setTimeout(resolve, 20)) });
  const life = lifecycle(logger, [slow, part('edge')]);
  const starting = life.start();
  assert.equal(await life.shutDown(), 0);
  await starting;
  assert.deepEqual(log, ['stop store']);
  assert.equal(life.readiness().ready, false);
});

const PROGRAM = `
  import { Lifecycle } from './src/lifecycle.ts';
  import { realSystem } from './src/adapters/system.ts';
  import { createLogger } from './src/telemetry.ts';
  const hang = process.argv[1] === 'hang';
  const life = new Lifecycle(realSystem(), createLogger({ level: 'info', format: 'text' }), [
    { name: 'part', start() { setInterval(() => {}, 1000); }, drain: () => hang ? new Promise(() => {}) : undefined },
  ]);
  life.exitOnSignals();
  await life.start();
  console.log('up');
`;

async function signalled(mode: string, ...signals: NodeJS.Signals[]): Promise<number | null> {
  const child = spawn(process.execPath, ['--import', 'tsx', '--input-type=module', '-e', PROGRAM, mode]);
  let output = '';
  child.stdout.on('data', (chunk) => {
    output += String(chunk);
  });
  child.stderr.on('data', (chunk) => {
    output += String(chunk);
  });
  const exited = once(child, 'exit');
  while (!output.includes('up')) {
    assert.equal(child.exitCode, null, output);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  for (const signal of signals) {
    child.kill(signal);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const [code] = (await exited) as [number | null];
  return code;
}

test('SIGTERM and SIGINT end a real process with 0, a second signal at once', async () => {
  const codes = await Promise.all([
    signalled('calm', 'SIGTERM'),
    signalled('calm', 'SIGINT'),
    signalled('hang', 'SIGTERM', 'SIGINT'),
  ]);
  assert.deepEqual(codes, [0, 0, 130]);
});

test('metrics: plain numbers show in the Prometheus text', async () => {
  const metrics = createMetrics();
  metrics.counts.framesIn += 3;
  metrics.gauges.connections = 2;
  metrics.errors.overloaded++;
  metrics.closes.slow_consumer += 2;
  metrics.appendBatchRows.observe(5);
  metrics.appendSeconds.observe(0.003);
  metrics.beforeScrape(() => {
    metrics.gauges.actors = 7;
  });
  for (let scrape = 0; scrape < 2; scrape++) {
    const { type, text } = await metrics.scrape();
    assert.match(type, /^text\/plain/);
    for (const line of [
      'carillon_frames_in_total 3',
      'carillon_connections 2',
      'carillon_actors_active 7',
      'carillon_errors_total{code="overloaded"} 1',
      'carillon_errors_total{code="invalid"} 0',
      'carillon_closes_total{reason="slow_consumer"} 2',
      'carillon_append_batch_rows_bucket{le="4"} 0',
      'carillon_append_batch_rows_bucket{le="8"} 1',
      'carillon_append_seconds_count 1',
    ]) {
      assert.ok(text.includes(`${line}\n`), line);
    }
    assert.match(text, /nodejs_eventloop_lag_seconds|process_cpu_user_seconds_total/);
  }
});

test('logs: json as pino writes it, text for people, nothing below the level', () => {
  const lines: string[] = [];
  const destination = { write: (line: string) => void lines.push(line) };
  createLogger({ level: 'warn', format: 'json' }, destination).info({}, 'unheard');
  createLogger({ level: 'info', format: 'json' }, destination).warn({ port: 1 }, 'heard');
  createLogger({ level: 'info', format: 'text' }, destination).error(
    { err: new Error('broken'), handler: 'open', at: { x: 1 } },
    'it failed',
  );
  assert.equal(lines.length, 2);
  const json = JSON.parse(lines[0] ?? '') as Record<string, unknown>;
  assert.deepEqual([json.level, json.msg, json.port], [40, 'heard', 1]);
  assert.match(
    lines[1] ?? '',
    /^\d\d:\d\d:\d\d\.\d{3} ERROR it failed handler=open at=\{"x":1\}\n {2}Error: broken\n {6}at /,
  );
});
