import assert from 'node:assert/strict';
import test from 'node:test';
import { convId, Rig } from './rig.ts';

const conv = convId(1);

test('drain: new requests are refused, those under way answered, then bye with a time to come back', async () => {
  const rig = new Rig();
  const [ann, bob] = [await rig.join('ann'), await rig.join('bob', 'd1', 'json')];
  const newcomer = rig.connect();
  const asked = ann.say(conv);
  let done = false;
  const draining = rig.edge.drain(5_000).then(() => {
    done = true;
  });
  const refused = bob.say(conv);
  newcomer.send({ t: 'hello', token: 'dev:cy', device: 'd1' });
  await rig.system.advance(1_000);
  assert.equal(done, false);
  assert.equal(ann.closeCode(), undefined);
  assert.equal(newcomer.closeCode(), 4000);
  assert.deepEqual(
    bob.answerTo(refused).map((frame) => frame.t === 'error' && [frame.code, frame.retryable]),
    [['unavailable', true]],
  );
  rig.ack(rig.owners.requests[0]!, 1);
  await rig.system.advance(100);
  await draining;
  assert.equal(ann.answerTo(asked)[0]?.t, 'ack');
  for (const client of [ann, bob]) {
    const bye = client.received.at(-1);
    assert.ok(bye?.t === 'bye' && bye.code === 4000 && bye.reconnect);
    assert.ok((bye.retryAfterMs ?? 0) >= 500 && (bye.retryAfterMs ?? 0) <= 5_000);
    assert.equal(client.closeCode(), 4000);
  }
  assert.equal(rig.metrics.gauges.connections, 0);
});

test('drain: what is unanswered at the deadline stays so; times to come back are spread', async () => {
  const rig = new Rig();
  const clients = [];
  for (let i = 0; i < 40; i++) clients.push(await rig.join(`u${i}`));
  clients[0]!.say(conv);
  const draining = rig.edge.drain(500);
  await rig.system.advance(600);
  await draining;
  const waits = clients.map((client) => client.all('bye')[0]?.retryAfterMs ?? 0);
  assert.equal(new Set(waits).size > 30, true);
  assert.ok(Math.max(...waits) - Math.min(...waits) > 2_000);
});

test('a ping is answered to the last', async () => {
  const rig = new Rig();
  const ann = await rig.join('ann');
  ann.say(conv);
  void rig.edge.drain(1_000);
  ann.send({ t: 'ping', id: 99 });
  await rig.settle();
  assert.equal(ann.answerTo(99)[0]?.t, 'pong');
});
