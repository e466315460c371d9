import assert from 'node:assert/strict';
import test from 'node:test';
import { DATA, readHeader } from '../../../cluster/peer/packet.ts';
import { VirtualSystem } from '../../sim/virtual-system.ts';
import { End, processId } from './link-rig.ts';
import { Dice, FAIR, RoughNet } from './rough-bus.ts';

function world(seed = 1, bounds = {}): { system: VirtualSystem; net: RoughNet; a: End; b: End } {
  const system = new VirtualSystem(seed);
  const net = new RoughNet(system, seed);
  return { system, net, a: new End(1, system, net, bounds), b: new End(2, system, net, bounds) };
}

const upTo = (n: number): number[] => Array.from({ length: n }, (_, i) => i + 1);
const isData = (bytes: Uint8Array): boolean => bytes[1] === DATA;

test('frames of one turn travel in one packet, split at its bound', async () => {
  const { system, a, b } = world();
  for (const i of upTo(1_000)) a.send(b, i);
  await system.settle();
  assert.deepEqual(b.from(a), upTo(1_000));
  assert.equal(a.metrics.counts.packetsOut, 2, 'a beacon at the opening, and the packet');
  for (const i of upTo(10)) a.send(b, 1_000 + i, 100_000);
  await system.settle();
  assert.deepEqual(b.from(a), upTo(1_010));
  assert.equal(a.metrics.counts.packetsOut, 2 + 5, 'two of these fit into 256 KiB');
  a.send(b, 2_000, 700_000);
  await system.settle();
  assert.equal(b.from(a).at(-1), 2_000, 'a frame alone may be larger');
  assert.throws(() => a.send(b, 1, 1024 * 1024), RangeError);
});

test('a gap is asked for at once, and what follows it waits', async () => {
  const { system, net, a, b } = world();
  a.send(b, 1);
  await system.settle();
  net.cut = (_, bytes) => isData(bytes);
  a.send(b, 2);
  await system.settle();
  net.cut = () => false;
  a.send(b, 3);
  await system.settle();
  assert.deepEqual(b.from(a), upTo(3), 'without any time passing');
  const { gapsSeen, repaired, lost } = b.metrics.counts;
  assert.deepEqual([gapsSeen, repaired, lost], [1, 1, 0]);
});

test('a lost last packet is repaired by the next beacon', async () => {
  const { system, net, a, b } = world();
  a.send(b, 1);
  await system.advance(3_500);
  net.cut = (_, bytes) => isData(bytes);
  a.send(b, 2);
  await system.settle();
  net.cut = () => false;
  await system.advance(1_000);
  assert.deepEqual(b.from(a), [1, 2]);
});

test('what cannot be repaired is given up after 200 ms, and both ends are told', async () => {
  const { system, net, a, b } = world(1, { ringPacketsMax: 1 });
  a.send(b, 1);
  await system.settle();
  net.cut = (_, bytes) => isData(bytes);
  a.send(b, 2);
  await system.settle();
  a.told.length = b.told.length = 0;
  let open = true;
  net.cut = (subject) => open && subject === `p.${a.id}`; // what b asks is not heard
  a.send(b, 3);
  await system.settle();
  assert.deepEqual(b.from(a), [1]);
  await system.advance(150);
  assert.deepEqual(b.from(a), [1]);
  await system.advance(51);
  assert.deepEqual(b.from(a), [1, 3]);
  assert.deepEqual(b.told, ['incomingLost']);
  assert.equal(b.metrics.counts.lost, 1);
  open = false;
  await system.advance(1_000);
  assert.deepEqual(a.told, ['outgoingLost']);
});

test('a sender that has it no more says so, and nothing waits', async () => {
  const { system, net, a, b } = world(1, { ringPacketsMax: 1 });
  a.send(b, 1);
  await system.settle();
  net.cut = (_, bytes) => isData(bytes);
  a.send(b, 2);
  await system.settle();
  net.cut = () => false;
  a.send(b, 3);
  await system.settle();
  assert.deepEqual(b.from(a), [1, 3]);
  assert.ok(a.told.includes('outgoingLost'));
});

test('acknowledged packets leave the ring; unacknowledged ones after 30 s or beyond the bound', async () => {
  const { system, net, a, b } = world(1, { ringBytesMax: 10_000 });
  a.send(b, 1, 5_000);
  await system.advance(1_000);
  assert.equal(a.links.get(b.id)?.ringBytes, 0);
  net.hub.stop();
  for (const i of upTo(20)) {
    a.send(b, 1 + i, 1_000);
    await system.settle();
  }
  const held = a.links.get(b.id)?.ringBytes ?? 0;
  assert.ok(held > 8_000 && held <= 10_000, `${held} bytes`);
  assert.ok(a.metrics.counts.refused >= 20);
  await system.advance(32_000);
  assert.equal(a.links.get(b.id)?.ringBytes, 0);
  net.hub.start();
  await system.advance(1_000);
  a.send(b, 100);
  await system.settle();
  assert.deepEqual(b.from(a), [1, 100]);
  assert.ok(b.told.includes('incomingLost') && a.told.includes('outgoingLost'));
});

test('what was written while the bus was down goes out when it is back', async () => {
  const { system, net, a, b } = world();
  a.send(b, 1);
  await system.advance(1_500);
  net.hub.stop();
  for (const i of upTo(500)) {
    a.send(b, 1 + i, 20_000); // 10 MB
    await system.settle();
  }
  await system.advance(12_000);
  net.hub.start();
  await system.advance(1_000);
  assert.deepEqual(b.from(a), upTo(501));
  assert.equal(b.metrics.counts.lost, 0);
  assert.ok(!a.told.includes('closed') && !b.told.includes('closed'), 'an outage ends no link');
});

test('a gap that the bus leaves behind is not given up before the sender is back too', async () => {
  const { system, net, a, b } = world();
  a.send(b, 1);
  await system.advance(1_500);
  net.cut = (_, bytes) => isData(bytes) && readHeader(bytes)?.seq === 2; // the packet, and its repairs
  a.send(b, 2);
  await system.settle();
  a.send(b, 3);
  await system.settle();
  assert.deepEqual(b.from(a), [1]);
  net.hub.stop();
  net.cut = () => false;
  await system.advance(1_000);
  a.bus.isHeld = true;
  net.hub.start();
  await system.advance(1_000);
  a.bus.isHeld = false;
  await system.advance(1_100);
  assert.deepEqual(b.from(a), [1, 2, 3]);
  assert.equal(b.metrics.counts.lost, 0);
});

test('links that are forgotten begin anew, and nothing of an earlier flow gets into a later one', async () => {
  for (let seed = 1; seed <= 40; seed++) {
    const { system, net, a, b } = world(seed);
    const dice = new Dice(seed * 104_729);
    net.weather = {
      loss: dice.roll() * 0.2,
      twice: dice.roll() * 0.3,
      late: 0.2 + dice.roll() * 0.4,
      lateMsMax: 400,
    };
    let sent = 0;
    for (let turn = 0; turn < 60; turn++) {
      for (const [from, to] of [
        [a, b],
        [b, a],
      ] as const) {
        if (dice.happens(0.06)) from.links.close(to.id);
        for (let i = dice.below(3); i > 0; i--) from.sendInFlow(to, ++sent);
      }
      await system.advance(dice.below(150));
    }
    net.weather = FAIR;
    await system.advance(1_500);
    const from = sent;
    for (let i = 0; i < 5; i++) {
      a.sendInFlow(b, ++sent);
      b.sendInFlow(a, sent);
      await system.settle();
    }
    for (const [to, by] of [
      [b, a],
      [a, b],
    ] as const) {
      assert.deepEqual(to.mixed, [], `seed ${seed}`);
      assert.deepEqual(
        to.from(by).slice(-5),
        upTo(5).map((i) => from + i),
        `seed ${seed}: they go on`,
      );
    }
  }
});

test('a new life of the peer begins both flows anew', async () => {
  const { system, net, a, b } = world();
  a.send(b, 1);
  b.send(a, 1);
  await system.advance(1_500);
  b.links.stop();
  a.send(b, 2); // to nobody
  await system.settle();
  const again = new End(2, system, net);
  again.send(a, 7);
  await system.advance(1_500);
  assert.deepEqual(a.from(again), [7]);
  assert.deepEqual(a.told.slice(-2), ['incomingReset', 'outgoingReset']);
  a.send(again, 3);
  await system.advance(1_000);
  assert.deepEqual(again.from(a), [3], 'what the old life was owed is void');
  assert.equal(a.metrics.counts.resets, 1);
});

test('a silent peer is gone; when it speaks again both sides begin anew', async () => {
  const system = new VirtualSystem(1);
  const net = new RoughNet(system, 1);
  const [owner, edge] = [new End(1, system, net, {}, false), new End(2, system, net)];
  edge.send(owner, 1);
  await system.advance(2_000);
  edge.bus.inner.disconnect();
  await system.advance(9_000);
  assert.equal(owner.links.get(edge.id), undefined);
  assert.ok(owner.told.includes('closed'));
  edge.bus.inner.reconnect();
  edge.send(owner, 2);
  await system.advance(2_000);
  assert.deepEqual(edge.told.slice(-2), ['incomingReset', 'outgoingReset']);
  edge.send(owner, 3);
  await system.settle();
  assert.equal(owner.from(edge).at(-1), 3);
});

test('bytes that are no packet are counted and dropped', async () => {
  const { system, net, a, b } = world();
  a.send(b, 1);
  await system.settle();
  const dice = new Dice(5);
  const packets: Uint8Array[] = [];
  const tap = net.client();
  tap.subscribe(`p.${b.id}`, (bytes) => packets.push(bytes.slice()));
  for (const i of upTo(20)) {
    a.send(b, 1 + i, 20);
    await system.settle();
  }
  const hostile = net.client();
  for (let i = 0; i < 2_000; i++) {
    const bytes = (packets[dice.below(packets.length)] as Uint8Array).slice(0, 1 + dice.below(120));
    for (let flips = dice.below(4); flips >= 0; flips--) bytes[dice.below(bytes.length)] = dice.below(256);
    hostile.publish(`p.${b.id}`, bytes);
    await system.settle();
  }
  assert.ok(b.metrics.counts.malformed > 100);
  const fresh = new End(3, system, net);
  fresh.send(b, 9);
  await system.advance(2_000);
  assert.deepEqual(b.from(fresh), [9]);
});

test('over any weather frames come once and in order, and all of them unless both ends are told', async () => {
  for (let seed = 1; seed <= 40; seed++) {
    const { system, net, a, b } = world(seed);
    const dice = new Dice(seed * 7919);
    net.weather = {
      loss: dice.roll() * 0.3,
      twice: dice.roll() * 0.2,
      late: dice.roll() * 0.3,
      lateMsMax: 80,
    };
    let sent = 0;
    for (let turn = 0; turn < 60; turn++) {
      for (let i = dice.below(4); i > 0; i--) {
        a.send(b, ++sent);
        b.send(a, sent);
      }
      if (dice.happens(0.03)) a.bus.inner.disconnect();
      if (dice.happens(0.03)) net.hub.stop();
      await system.advance(dice.below(120));
      if (dice.happens(0.3)) net.hub.start();
      if (dice.happens(0.3)) a.bus.inner.reconnect();
    }
    net.weather = FAIR;
    net.hub.start();
    a.bus.inner.reconnect();
    await system.advance(1_500);
    for (const [to, from] of [
      [b, a],
      [a, b],
    ] as const) {
      const got = to.from(from);
      assert.deepEqual(
        got,
        [...new Set(got)].sort((x, y) => x - y),
        `seed ${seed}: in order, none twice`,
      );
      if (to.metrics.counts.lost === 0) assert.deepEqual(got, upTo(sent), `seed ${seed}: all`);
      else {
        assert.ok(to.told.includes('incomingLost'), `seed ${seed}`);
        assert.ok(from.told.includes('outgoingLost'), `seed ${seed}`);
      }
      assert.equal(to.links.get(from.id)?.heldBytes, 0, `seed ${seed}: nothing waits`);
    }
    assert.ok(!a.told.includes('incomingReset'), `seed ${seed}`);
  }
});

test('many peers are refused beyond the bound of links', async () => {
  const system = new VirtualSystem(1);
  const net = new RoughNet(system, 1);
  const b = new End(9, system, net, { linksMax: 3 });
  const ends = upTo(5).map((i) => new End(i, system, net));
  for (const end of ends) end.send(b, 1);
  await system.settle();
  assert.equal(b.links.size, 3);
  assert.ok(b.metrics.counts.malformed >= 2);
  assert.equal(b.links.get(processId(4)), undefined);
});
