import assert from 'node:assert/strict';
import { once } from 'node:events';
import { rmSync, writeFileSync } from 'node:fs';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { Worker } from 'node:worker_threads';
import { NatsBus } from '../../src/adapters/nats/bus.ts';
import { realSystem } from '../../src/adapters/system.ts';
import { lacking } from '../services/lacking.ts';
import { type NatsNode, startNats } from '../services/nats.ts';
import { NatsProxy } from '../services/nats-proxy.ts';
import {
  type BusUnderTest,
  busSuite,
  Inbox,
  numbered,
  numberOf,
  PENDING_BYTES_MAX,
  waitFor,
} from './bus.suite.ts';
import { connectedClient, newClient, silent } from './nats-bus.fixture.ts';

const given = process.env['CARILLON_TEST_NATS'];
const needsServer = lacking('go');

async function open(): Promise<BusUnderTest> {
  const cluster = given === undefined ? await startNats() : undefined;
  const servers = cluster?.urls ?? [given as string];
  const node = cluster?.nodes[0];
  return {
    client: async () => (await connectedClient({ servers, pendingBytesMax: PENDING_BYTES_MAX })).bus,
    settle: async (bus) => assert.equal(await (bus as NatsBus).flush(), true),
    stop: async () => node?.kill(),
    start: async () => node?.restart(),
    close: async () => cluster?.stop(),
  };
}

busSuite('nats bus', open, { skip: given === undefined && needsServer, mayStop: given === undefined });

const options = { skip: needsServer };

async function node(t: TestContext, more: readonly string[] = []): Promise<NatsNode> {
  const cluster = await startNats(1, more);
  t.after(() => cluster.stop());
  return cluster.nodes[0] as NatsNode;
}

test('nats bus: the publishes of a turn leave in one socket write', options, async (t) => {
  const { url, port } = await node(t);
  const [{ bus: from }, { bus: to }] = [
    await connectedClient({ servers: [url] }),
    await connectedClient({ servers: [url] }),
  ];
  t.after(() => Promise.all([from.close(), to.close()]));
  const inbox = new Inbox(to, 's');
  await to.flush();
  await from.flush();
  const write = t.mock.method(Socket.prototype, 'write');
  for (let i = 0; i < 100; i++) from.publish('s', new Uint8Array(140));
  await Promise.resolve();
  const writes = write.mock.calls.filter((call) => (call.this as Socket).remotePort === port);
  write.mock.restore();
  assert.equal(writes.length, 1);
  await inbox.count(100);
});

test('nats bus: what nats.js would keep for a reconnect is never handed to it', options, async (t) => {
  const server = await node(t);
  const { bus, tally } = await connectedClient({ servers: [server.url] });
  const { bus: to } = await connectedClient({ servers: [server.url] });
  t.after(() => Promise.all([bus.close(), to.close()]));
  const inbox = new Inbox(to, 's');
  await to.flush();
  await server.kill();
  // From the last moment in which it counts as connected, each turn publishes: all of it is lost or refused.
  let n = 0;
  const publisher = setInterval(() => bus.publish('s', numbered(n++)), 1);
  await waitFor('the disconnect', () => !bus.connected && n > 200);
  const refused = tally.get('refused disconnected');
  assert.ok(refused > 100, `${refused} of ${n} refused`);
  clearInterval(publisher);
  await server.restart();
  await waitFor('the reconnect', () => bus.connected && to.connected);
  bus.publish('s', numbered(99_999));
  await inbox.count(1);
  assert.deepEqual(inbox.messages.map(numberOf), [99_999]);
  assert.equal(tally.get('connected'), 2);
  assert.equal(tally.get('lost closed'), 1);
});

test(
  'nats bus: a client may be there before its server, and asks for it four times a second',
  options,
  async (t) => {
    const server = await node(t);
    await server.kill();
    const { bus, tally } = newClient({ servers: [server.url] });
    t.after(() => bus.close());
    assert.equal(bus.connected, false);
    assert.equal(bus.publish('s', numbered(1)), false);
    await new Promise((resolve) => setTimeout(resolve, 1_100));
    const attempts = tally.get('connectFailed');
    assert.ok(attempts >= 3 && attempts <= 5, `${attempts} attempts in 1.1 s`);
    await server.restart();
    await waitFor('the connection', () => bus.connected);
  },
);

test(
  'nats bus: servers that others tell of are ignored, and a change of server is a disconnect',
  options,
  async (t) => {
    const cluster = await startNats(3);
    t.after(() => cluster.stop());
    const [first, second] = cluster.nodes as [NatsNode, NatsNode, NatsNode];
    const { bus: alone } = await connectedClient({ servers: [first.url] });
    const { bus: both, tally } = await connectedClient({ servers: [first.url, second.url] });
    t.after(() => Promise.all([alone.close(), both.close()]));
    const changes: boolean[] = [];
    both.onChange((connected) => changes.push(connected));
    await first.kill();
    await waitFor('the change of server', () => changes.length === 2);
    assert.deepEqual(changes, [false, true]);
    assert.equal(tally.get('lost closed'), 1);
    await new Promise((resolve) => setTimeout(resolve, 600));
    assert.equal(alone.connected, false);
    await first.restart();
    await waitFor('the reconnect', () => alone.connected);
    assert.deepEqual(changes, [false, true]);
  },
);

test(
  'nats bus: a link that is dead without a word is found in 2 s, its pending bytes bounded',
  options,
  async (t) => {
    const server = await node(t);
    const proxy = await NatsProxy.start({ host: '127.0.0.1', port: server.port });
    t.after(() => proxy.stop());
    const { bus, tally } = await connectedClient({
      servers: [proxy.url],
      pendingBytesMax: PENDING_BYTES_MAX,
    });
    const { bus: other } = await connectedClient({ servers: [server.url] });
    t.after(() => Promise.all([bus.close(), other.close()]));
    const inbox = new Inbox(bus, 's');
    await bus.flush();
    proxy.stall(true);
    const start = performance.now();
    while (bus.publish('t', new Uint8Array(64 * 1024)));
    assert.equal(tally.get('refused pending'), 1);
    assert.ok(bus.pendingBytes <= PENDING_BYTES_MAX);
    await waitFor('the loss', () => !bus.connected);
    assert.ok(performance.now() - start < 2_500);
    assert.equal(tally.get('lost stale'), 1);
    assert.equal(bus.pendingBytes, 0);
    await waitFor('the new link', () => bus.connected);
    other.publish('s', numbered(1));
    await inbox.count(1);
  },
);

test('nats bus: what the proxy loses on the way to one client is lost to it alone', options, async (t) => {
  const server = await node(t);
  const proxy = await NatsProxy.start({ host: '127.0.0.1', port: server.port });
  t.after(() => proxy.stop());
  const [{ bus: from }, { bus: lossy, tally }, { bus: whole }] = [
    await connectedClient({ servers: [server.url] }),
    await connectedClient({ servers: [proxy.url] }),
    await connectedClient({ servers: [server.url] }),
  ];
  t.after(() => Promise.all([from.close(), lossy.close(), whole.close()]));
  const [atLossy, atWhole] = [new Inbox(lossy, 'e.1'), new Inbox(whole, 'e.1')];
  await Promise.all([lossy.flush(), whole.flush()]);
  const first = proxy.dropNext(2, /^e\./);
  for (let i = 0; i < 10; i++) from.publish('e.1', numbered(i));
  await atWhole.count(10);
  await atLossy.count(8);
  assert.equal(first.dropped, 2);
  first.stop();
  const last = proxy.dropLast(/^e\.1$/, 100);
  for (let i = 10; i < 500; i++) from.publish('e.1', numbered(i));
  await waitFor('the loss', () => last.dropped === 1);
  await atWhole.count(500);
  assert.deepEqual(
    atLossy.messages.map(numberOf),
    Array.from({ length: 497 }, (_, i) => i + 2),
  );
  assert.equal(tally.get('connected'), 1);
});

test('nats bus: a server that is stopped and goes on is left and found again', options, async (t) => {
  const server = await node(t);
  const { bus, tally } = await connectedClient({ servers: [server.url], connectMsMax: 500 });
  const { bus: to } = await connectedClient({ servers: [server.url], connectMsMax: 500 });
  t.after(() => Promise.all([bus.close(), to.close()]));
  const inbox = new Inbox(to, 's');
  server.process.signal('SIGSTOP');
  await waitFor('the loss', () => !bus.connected && !to.connected);
  await waitFor('attempts', () => tally.get('connectFailed') >= 2);
  server.process.signal('SIGCONT');
  await waitFor('the reconnect', () => bus.connected && to.connected);
  bus.publish('s', numbered(1));
  await inbox.count(1);
  assert.equal(tally.get('lost stale'), 1);
});

test('nats bus: a consumer too slow for the server is cut off by it, and comes back', options, async (t) => {
  const config = join(tmpdir(), `carillon-nats-${process.pid}.conf`);
  writeFileSync(config, 'max_pending: 4MB\nwrite_deadline: "500ms"\n');
  t.after(() => rmSync(config));
  const server = await node(t, ['-c', config]);
  const { bus: slow, tally } = await connectedClient({ servers: [server.url] });
  const { bus: from } = await connectedClient({ servers: [server.url] });
  t.after(() => Promise.all([slow.close(), from.close()]));
  const inbox = new Inbox(slow, 's');
  await slow.flush();
  // Another thread publishes 32 MB, while this one reads nothing.
  const worker = new Worker(FLOOD, { eval: true, workerData: server.port });
  await once(worker, 'message');
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 1_500);
  await waitFor('the loss and the return', () => tally.get('connected') === 2);
  await worker.terminate();
  assert.equal(tally.get('lost closed') + tally.get('lost slowConsumer'), 1);
  assert.ok(inbox.messages.length < 32, `${inbox.messages.length} of 32 arrived`);
  await waitFor('the publisher', () => from.connected);
  from.publish('s', numbered(1));
  await waitFor('the next', () => inbox.messages.at(-1)?.length === 4);
});

const FLOOD = `
  const { workerData: port, parentPort } = require('node:worker_threads');
  const socket = require('node:net').connect(port, '127.0.0.1', () => {
    parentPort.postMessage('ready');
    socket.write('CONNECT {"verbose":false}\\r\\n');
    const payload = 'x'.repeat(1024 * 1024);
    for (let i = 0; i < 32; i++) socket.write('PUB s ' + payload.length + '\\r\\n' + payload + '\\r\\n');
  });`;

test(
  'nats bus: a receiver that throws is not swallowed, and what follows is still heard',
  options,
  async (t) => {
    const { url } = await node(t);
    const thrown: unknown[] = [];
    const system = realSystem();
    const { bus } = await connectedClient(
      { servers: [url] },
      {
        ...system,
        soon: (task) =>
          system.soon(() => {
            try {
              task();
            } catch (error) {
              thrown.push(error);
            }
          }),
      },
    );
    const { bus: from } = await connectedClient({ servers: [url] });
    t.after(() => Promise.all([bus.close(), from.close()]));
    bus.subscribe('s', (bytes) => {
      if (numberOf(bytes) === 1) throw new Error('broken');
    });
    const inbox = new Inbox(bus, 's');
    await bus.flush();
    from.publish('s', numbered(1));
    from.publish('s', numbered(2));
    await inbox.count(2);
    await waitFor('the throw', () => thrown.length === 1);
    assert.match(String(thrown[0]), /broken/);
  },
);

test('nats bus: options and subjects that cannot be right are refused by name', () => {
  const make = (servers: string[]): NatsBus => new NatsBus({ servers }, realSystem(), silent);
  assert.throws(() => make([]), /servers must name/);
  assert.throws(() => make(['localhost:4222']), /nats:\/\/host:port/);
  assert.throws(() => make(['nats://me:secret@host:4222']), /user and password apart/);
  const both = { servers: ['nats://a'], user: 'u', credentials: 'c' };
  assert.throws(() => new NatsBus(both, realSystem(), silent), /exclude each other/);
});
