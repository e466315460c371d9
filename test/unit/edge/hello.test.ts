import assert from 'node:assert/strict';
import { Buffer } from 'node:buffer';
import test from 'node:test';
import { convId, Rig } from './rig.ts';

const conv = convId(1);

test('S1.3 hello comes first, once, and within 10 s', async (t) => {
  await t.test('another frame first', async () => {
    const rig = new Rig();
    const client = rig.connect();
    client.send({ t: 'ping', id: 1 });
    assert.deepEqual(client.received, [{ t: 'bye', code: 4103, reason: 'protocol', reconnect: false }]);
    assert.equal(client.closeCode(), 4103);
    assert.equal(rig.metrics.closes.protocol, 1);
  });
  await t.test('a second hello', async () => {
    const rig = new Rig();
    const client = await rig.join('ann');
    client.send({ t: 'hello', token: 'dev:ann', device: 'd1' });
    assert.equal(client.closeCode(), 4103);
  });
  await t.test('silence', async () => {
    const rig = new Rig();
    const client = rig.connect();
    await rig.system.advance(9_000);
    assert.equal(client.closeCode(), undefined);
    await rig.system.advance(2_000);
    assert.equal(client.closeCode(), 4103);
  });
  await t.test('a hello with a fault may be mended', async () => {
    const rig = new Rig();
    const client = rig.connect('json');
    client.raw(Buffer.from('{"t":"hello","token":"dev:ann"}'), false);
    client.send({ t: 'hello', token: 'dev:ann', device: 'd1' });
    await rig.settle();
    assert.deepEqual(
      client.received.map(({ t }) => t),
      ['error', 'welcome'],
    );
    const [error] = client.all('error');
    assert.equal(error?.re, 'hello');
    assert.match(error?.message ?? '', /device/);
  });
});

test('S1.5 S10.6 a token that does not pass: 4101; one that cannot be checked now: reconnect later', async () => {
  const rig = new Rig();
  const forged = rig.connect();
  forged.send({ t: 'hello', token: 'forged', device: 'd1' });
  assert.deepEqual(
    forged.received.map(({ t }) => t),
    ['error', 'bye'],
  );
  assert.equal(forged.closeCode(), 4101);
  const unlucky = rig.connect();
  unlucky.send({ t: 'hello', token: 'away:', device: 'd1' });
  assert.equal(unlucky.all('error')[0]?.code, 'unavailable');
  const [bye] = unlucky.all('bye');
  assert.equal(bye?.reconnect, true);
  assert.ok((bye?.retryAfterMs ?? 0) > 0);
});

test('S1.4 S1.10 welcome comes before everything else, and tells the limits in force', async () => {
  const rig = new Rig({ settings: { sendsPerSecond: 7, burst: 9 } });
  const client = rig.connect('json');
  client.send({ t: 'hello', token: 'slow:ann', device: 'd1' });
  client.send({ t: 'ping', id: 1 });
  client.say(conv);
  assert.equal(rig.owners.requests.length, 0);
  await rig.settle();
  assert.deepEqual(
    client.received.map(({ t }) => t),
    ['welcome', 'pong'],
  );
  const [welcome] = client.all('welcome');
  assert.equal(welcome?.user, 'ann');
  assert.deepEqual(welcome?.limits, {
    bodyBytesMax: 16_384,
    frameBytesMax: 131_072,
    sendsPerSecond: 7,
    burst: 9,
    heartbeatMs: 20_000,
  });
  assert.equal(rig.owners.sends.length, 1, 'what came before is handled after');
});

test('a client that pours frames in before its welcome is closed', async () => {
  const rig = new Rig({ bounds: { heldFramesMax: 3 } });
  const client = rig.connect();
  client.send({ t: 'hello', token: 'slow:ann', device: 'd1' });
  for (let id = 1; id <= 3; id++) client.send({ t: 'ping', id });
  assert.equal(client.closeCode(), undefined);
  client.send({ t: 'ping', id: 4 });
  assert.equal(client.closeCode(), 4103);
});

test('S1.6 S1.7 of two connections of a device the higher attempt stays, at a tie the later', async (t) => {
  const rig = new Rig();
  const greet = async (user: string, device: string, attempt?: number) => {
    const client = rig.connect();
    client.send({ t: 'hello', token: `dev:${user}`, device, ...(attempt !== undefined && { attempt }) });
    await rig.settle();
    return client;
  };
  await t.test('higher', async () => {
    const old = await greet('ann', 'd1', 5);
    const late = await greet('ann', 'd1', 4);
    assert.equal(late.closeCode(), 4102);
    assert.deepEqual(late.all('bye')[0], { t: 'bye', code: 4102, reason: 'replaced', reconnect: false });
    assert.equal(old.closeCode(), undefined);
    const newer = await greet('ann', 'd1', 6);
    assert.equal(old.closeCode(), 4102);
    assert.equal(newer.all('welcome').length, 1);
  });
  await t.test('tie, and none', async () => {
    const first = await greet('bob', 'd1');
    const second = await greet('bob', 'd1');
    assert.equal(first.closeCode(), 4102);
    const third = await greet('bob', 'd1', 0);
    assert.equal(second.closeCode(), 4102);
    assert.equal(third.closeCode(), undefined);
  });
  await t.test('other devices and users are others', async () => {
    const clients = [await greet('cy', 'd1'), await greet('cy', 'd2'), await greet('dee', 'd1')];
    for (const client of clients) assert.equal(client.closeCode(), undefined);
  });
  assert.equal(rig.metrics.gauges.sessions, 5);
});

test('S1.11 S1.12 a token expires unless auth renews it, for the same user alone', async () => {
  const rig = new Rig();
  const expiresAt = rig.system.now() + 60_000;
  const client = rig.connect();
  client.send({ t: 'hello', token: `dev:ann@${expiresAt}`, device: 'd1' });
  const lazy = rig.connect();
  lazy.send({ t: 'hello', token: `dev:bob@${expiresAt}`, device: 'd1' });
  await rig.settle();
  client.send({ t: 'auth', id: 1, token: 'dev:mallory' });
  client.send({ t: 'auth', id: 2, token: 'forged' });
  client.send({ t: 'auth', id: 3, token: `slow:ann@${expiresAt + 60_000}` });
  await rig.settle();
  assert.equal(client.all('error')[0]?.code, 'forbidden');
  assert.equal(client.all('error')[1]?.code, 'unauthenticated');
  assert.deepEqual(client.answerTo(3), [{ t: 'ok', id: 3 }]);
  for (let i = 0; i < 6; i++) {
    await rig.system.advance(9_700);
    rig.edge.handlers.alive(client.session);
    rig.edge.handlers.alive(lazy.session);
  }
  assert.equal(lazy.closeCode(), undefined);
  await rig.system.advance(3_000);
  assert.equal(lazy.closeCode(), 4101);
  assert.equal(client.closeCode(), undefined);
  rig.edge.handlers.alive(client.session);
  await rig.system.advance(30_000);
  rig.edge.handlers.alive(client.session);
  await rig.system.advance(30_000);
  assert.equal(client.closeCode(), 4101);
});

test('S1.8 the server pings every 20 s, and closes after 45 s of silence', async () => {
  const rig = new Rig();
  const silent = await rig.join('ann');
  const alive = await rig.join('bob');
  for (let second = 0; second < 44; second++) {
    await rig.system.advance(1_000);
    rig.edge.handlers.alive(alive.session);
    if (second === 39) assert.equal(silent.socket.pings, 2);
  }
  assert.equal(silent.closeCode(), undefined);
  await rig.system.advance(2_000);
  assert.equal(silent.closeCode(), 4001);
  assert.equal(alive.closeCode(), undefined);
  assert.equal(rig.metrics.gauges.sessions, 1);
});

test('S2.10 a malformed frame: bye and 4100, before hello and after', async () => {
  const rig = new Rig();
  const stranger = rig.connect('json');
  stranger.raw(Buffer.from('not json'), false);
  assert.equal(stranger.closeCode(), 4100);
  const client = await rig.join('ann');
  client.raw(Buffer.from('{}'), false);
  assert.deepEqual(client.received, [{ t: 'bye', code: 4100, reason: 'bad_frame', reconnect: false }]);
});

test('a hello while the store is away is told so, and may come back', async () => {
  const rig = new Rig();
  rig.store.available = false;
  const client = rig.connect();
  client.send({ t: 'hello', token: 'dev:ann', device: 'd1' });
  await rig.settle();
  assert.equal(client.all('error')[0]?.code, 'unavailable');
  assert.equal(client.all('bye')[0]?.reconnect, true);
  assert.equal(rig.metrics.gauges.sessions, 0);
  assert.equal(rig.metrics.gauges.connections, 0);
});
