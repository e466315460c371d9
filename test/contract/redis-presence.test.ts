import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:net';
import { once } from 'node:events';
import test, { type TestContext } from 'node:test';
import { Redis } from 'ioredis';
import { RedisLink } from '../../src/adapters/redis/link.ts';
import type { RedisMetrics } from '../../src/adapters/redis/metrics.ts';
import type { RedisOptions } from '../../src/adapters/redis/options.ts';
import { RedisPresence } from '../../src/adapters/redis/presence.ts';
import { realSystem } from '../../src/adapters/system.ts';
import { lacking } from '../services/lacking.ts';
import { type Redis as RedisServer, startRedis } from '../services/redis.ts';
import { waitFor } from './bus.suite.ts';
import { silent } from './nats-bus.fixture.ts';
import { EXPIRY_MS, type PresenceUnderTest, presenceSuite, user } from './presence.suite.ts';

const given = process.env['CARILLON_TEST_REDIS'];
const needsServer = lacking('redis-server');
const system = realSystem();

class Tally {
  readonly counts = new Map<string, number>();
  commands = 0;
  readonly metrics: RedisMetrics = {
    batch: (commands, seconds) => {
      assert.ok(seconds >= 0 && seconds < 60);
      this.commands += commands;
      this.#add('batch');
    },
    dropped: (reason) => this.#add(`dropped ${reason}`),
    unknown: (reason) => this.#add(`unknown ${reason}`),
    connected: () => this.#add('connected'),
    lost: () => this.#add('lost'),
    flushed: () => this.#add('flushed'),
    failed: (code) => this.#add(`failed ${code}`),
  };

  get(what: string): number {
    return this.counts.get(what) ?? 0;
  }

  #add(what: string): void {
    this.counts.set(what, this.get(what) + 1);
  }
}

interface Client {
  readonly link: RedisLink;
  readonly tally: Tally;
  readonly presence: RedisPresence;
  settle(): Promise<void>;
}

function newClient(options: RedisOptions, expiryMs = EXPIRY_MS): Client {
  const tally = new Tally();
  const link = new RedisLink(options, system, silent, tally.metrics);
  return {
    link,
    tally,
    presence: new RedisPresence(link, system, { presenceMs: expiryMs }),
    async settle() {
      await waitFor('the writes', () => link.pendingWrites === 0);
      await link.read((pipeline) => pipeline.ping()); // behind all pipelines before
    },
  };
}

async function open(): Promise<PresenceUnderTest> {
  const server = given === undefined ? await startRedis() : undefined;
  const url = server?.url ?? (given as string);
  const prefix = `test:${randomUUID()}:`;
  // The suite is about what is answered; how soon is tested below.
  const { link, presence, settle } = newClient({ url, prefix, readMsMax: 10_000, batchMsMax: 10_000 });
  await waitFor('the connection', () => link.connected);
  return {
    presence,
    settle,
    pass: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
    flush: () => flushAll(url),
    async stop() {
      await server?.kill();
    },
    async start() {
      await server?.restart();
      await waitFor('the connection', () => link.connected);
    },
    async close() {
      await link.close();
      await server?.stop();
    },
  };
}

async function flushAll(url: string): Promise<void> {
  const redis = new Redis(url);
  await redis.flushall();
  redis.disconnect();
}

presenceSuite('redis presence', open, {
  skip: given === undefined && needsServer,
  mayStop: given === undefined,
});

const options = { skip: needsServer };

async function started(
  t: TestContext,
  more: Partial<RedisOptions> = {},
): Promise<Client & { server: RedisServer }> {
  const server = await startRedis();
  const client = newClient({ url: server.url, ...more });
  t.after(async () => {
    await client.link.close();
    await server.stop();
  });
  await waitFor('the connection', () => client.link.connected);
  return { ...client, server };
}

test('redis presence: a turn is one pipeline, and what waits behind it is one more', options, async (t) => {
  const { presence, tally, link, settle } = await started(t);
  await settle();
  const before = tally.get('batch');
  for (let i = 0; i < 300; i++) presence.online(user(), 'phone', 'edge-1');
  await new Promise((resolve) => setImmediate(resolve));
  for (let i = 0; i < 300; i++) presence.online(user(), 'phone', 'edge-1');
  await waitFor('the writes', () => link.pendingWrites === 0 && tally.get('batch') >= before + 2);
  assert.equal(tally.get('batch'), before + 2);
  assert.ok(tally.commands <= before + 4, `${tally.commands} commands for 600 users`);
});

test(
  'redis presence: a flush is counted, a loss and a return too, and nothing else happens',
  options,
  async (t) => {
    const { tally, server, presence } = await started(t);
    await waitFor('the first mark', () => tally.get('batch') >= 1);
    await flushAll(server.url);
    await waitFor('the flush', () => tally.get('flushed') === 1);
    await server.kill();
    await waitFor('the loss', () => tally.get('lost') === 1);
    presence.online(user(), 'phone', 'edge-1');
    assert.equal(tally.get('dropped disconnected'), 1);
    assert.equal(await presence.devices(user()), 'unknown');
    assert.equal(tally.get('unknown disconnected'), 1);
    await server.restart();
    await waitFor('the return', () => tally.get('connected') === 2);
    await waitFor('the emptiness', () => tally.get('flushed') === 2);
  },
);

test('redis presence: a server that hangs answers unknown in time, and is given up', options, async (t) => {
  const { tally, server, presence, link } = await started(t, {
    readMsMax: 100,
    batchMsMax: 2_500,
    writesMax: 500,
    readsMax: 50,
  });
  const lateBefore = tally.get('unknown late'); // on a busy machine, one of the link's own
  server.process.signal('SIGSTOP');
  const begin = performance.now();
  const reads = Array.from({ length: 200 }, () => presence.devices(user()));
  presence.online(user(), 'phone', 'edge-1');
  await new Promise((resolve) => setImmediate(resolve));
  for (let i = 0; i < 1_000; i++) presence.online(user(), 'phone', 'edge-1');
  assert.ok(link.pendingWrites <= 500);
  assert.equal(tally.get('unknown full'), 150);
  assert.ok(tally.get('dropped full') >= 500);
  assert.ok((await Promise.all(reads)).every((read) => read === 'unknown'));
  assert.ok(performance.now() - begin < 2_000, 'reads end by readMsMax, long before the batch is given up');
  const late = tally.get('unknown late') - lateBefore; // here too, one may be the link's own
  assert.ok(late === 50 || late === 51, `${late} late`);
  await waitFor('the loss', () => tally.get('lost') === 1);
  assert.equal(link.pendingWrites, 0);
  server.process.signal('SIGCONT');
  await waitFor('the return', () => link.connected);
  const ann = user();
  presence.online(ann, 'phone', 'edge-1');
  await waitFor('the write', () => link.pendingWrites === 0);
  assert.deepEqual(await presence.devices(ann), [{ device: 'phone', edge: 'edge-1' }]);
});

test(
  'redis presence: the bytes that wait are bounded; what is newer replaces the older',
  options,
  async (t) => {
    const { tally, presence, link, settle } = await started(t, { pendingBytesMax: 100_000 });
    await settle();
    for (let i = 0; i < 2_000; i++) presence.online(user(), 'phone', 'edge-1');
    assert.ok(link.pendingBytes > 90_000 && link.pendingBytes <= 100_000);
    assert.ok(tally.get('dropped full') >= 1_000);
    await settle();
    assert.equal(link.pendingBytes, 0);
    const before = tally.get('dropped full');
    const ann = user();
    for (let i = 1; i <= 5_000; i++) presence[i % 2 === 0 ? 'online' : 'offline'](ann, 'phone', 'edge-1');
    assert.equal(link.pendingWrites, 1);
    assert.equal(tally.get('dropped full'), before);
    await settle();
    assert.equal(link.pendingBytes, 0);
    assert.deepEqual(await presence.devices(ann), [{ device: 'phone', edge: 'edge-1' }]);
  },
);

test(
  'redis presence: what the server refuses is counted, and what is not ours is no harm',
  options,
  async (t) => {
    const { tally, presence, server, settle } = await started(t, { prefix: 'x:' });
    const redis = new Redis(server.url);
    const [ann, bob] = [user(), user()];
    await redis.set(`x:p:${ann}`, 'in the way');
    await redis.zadd(`x:p:${bob}`, Date.now() + 60_000, 'odd');
    redis.disconnect();
    presence.online(ann, 'phone', 'edge-1');
    await settle();
    assert.equal(tally.get('failed WRONGTYPE'), 2); // the set's two commands; a key may expire, whatever it is
    assert.equal(await presence.devices(ann), 'unknown');
    assert.deepEqual(await presence.devices(bob), []);
  },
);

test('redis presence: a server that is away is asked for four times a second, and not more', async (t) => {
  let attempts = 0;
  const refusing = createServer((socket) => {
    attempts++;
    socket.destroy();
  }).listen(0, '127.0.0.1');
  await once(refusing, 'listening');
  const { port } = refusing.address() as { port: number };
  const { link, tally, presence } = newClient({ url: `redis://127.0.0.1:${port}` });
  t.after(async () => {
    await link.close();
    refusing.close();
  });
  await new Promise((resolve) => setTimeout(resolve, 1_100));
  assert.ok(attempts >= 3 && attempts <= 6, `${attempts} attempts in 1.1 s`);
  assert.equal(link.connected, false);
  assert.equal(tally.get('connected'), 0);
  presence.online(user(), 'phone', 'edge-1');
  assert.equal(await presence.devices(user()), 'unknown');
});

test('redis presence: closing writes what waits, and takes nothing more', options, async (t) => {
  const server = await startRedis();
  t.after(() => server.stop());
  const { presence, link } = newClient({ url: server.url, prefix: 'c:' }, 60_000);
  await waitFor('the connection', () => link.connected);
  for (let i = 0; i < 1_200; i++) presence.online(user(), 'phone', 'edge-1');
  await link.close();
  presence.online(user(), 'phone', 'edge-1');
  const redis = new Redis(server.url);
  assert.equal((await redis.keys('c:p:*')).length, 1_200);
  redis.disconnect();
});

test('redis presence: a URL that cannot be right is refused', () => {
  assert.throws(() => new RedisLink({ url: 'localhost' }, system, silent), /redis:\/\/host:port/);
  assert.throws(() => new RedisLink({ url: 'http://host' }, system, silent), /redis:\/\/host:port/);
});
