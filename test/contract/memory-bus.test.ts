import assert from 'node:assert/strict';
import test from 'node:test';
import { MemoryBusHub } from '../../src/adapters/memory/bus.ts';
import { realSystem } from '../../src/adapters/system.ts';
import { VirtualSystem } from '../sim/virtual-system.ts';
import { type BusUnderTest, busSuite, Inbox, numbered, numberOf, PENDING_BYTES_MAX } from './bus.suite.ts';

async function open(): Promise<BusUnderTest> {
  const hub = new MemoryBusHub(realSystem(), { pendingBytesMax: PENDING_BYTES_MAX });
  return {
    client: async () => hub.client(),
    settle: () => new Promise((resolve) => setImmediate(resolve)),
    stop: async () => hub.stop(),
    start: async () => hub.start(),
    close: async () => {},
  };
}

busSuite('memory bus', open);

test('memory bus: nothing happens but by the system, and one client alone can be cut', async () => {
  const system = new VirtualSystem();
  const hub = new MemoryBusHub(system);
  const [from, one, other] = [hub.client(), hub.client(), hub.client()];
  const [atOne, atOther] = [new Inbox(one, 's'), new Inbox(other, 's')];
  from.publish('s', numbered(1));
  assert.equal(atOne.messages.length, 0);
  await system.settle();
  assert.equal(atOne.messages.length, 1);
  from.publish('s', numbered(2));
  one.disconnect();
  await system.settle();
  from.publish('s', numbered(3));
  from.disconnect();
  from.reconnect();
  from.publish('s', numbered(4));
  one.reconnect();
  await system.settle();
  assert.deepEqual(atOne.messages.map(numberOf), [1, 4]);
  assert.deepEqual(atOther.messages.map(numberOf), [1, 2, 4]);
  hub.stop();
  one.reconnect();
  assert.equal(one.connected, false);
});

test('memory bus: a fault plan loses single messages for single clients', async () => {
  const system = new VirtualSystem();
  const lost = new Set([2, 3]);
  const hub = new MemoryBusHub(system, { drop: (_, bytes, to) => to === one && lost.has(numberOf(bytes)) });
  const [from, one, other] = [hub.client(), hub.client(), hub.client()];
  const inboxes = [new Inbox(one, 's'), new Inbox(one, 's'), new Inbox(other, 's')];
  for (let i = 0; i < 5; i++) from.publish('s', numbered(i));
  await system.settle();
  assert.deepEqual(
    inboxes.map((inbox) => inbox.messages.map(numberOf)),
    [
      [0, 1, 4],
      [0, 1, 4],
      [0, 1, 2, 3, 4],
    ],
  );
});
