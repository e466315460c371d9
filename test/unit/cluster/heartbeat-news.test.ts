import assert from 'node:assert/strict';
import test from 'node:test';
import { Packr } from 'msgpackr';
import { hearHeartbeats, tellHeartbeats } from '../../../cluster/heartbeat-news.ts';
import { HEARTBEATS_SUBJECT } from '../../../cluster/peer/subjects.ts';
import { MemoryBusHub } from '../../../src/adapters/memory/bus.ts';
import { Stage } from './takeover-rig.ts';

const ONE = '00000001-0000-7000-8000-000000000000';

test('each heartbeat that was applied is told, and none that was not; what cannot be read is left out', async () => {
  const stage = new Stage();
  const hub = new MemoryBusHub(stage.system);
  const a = await stage.node(ONE);
  const heard: [string, number][] = [];
  const { watcher } = a;
  watcher.heard = (node, hb) => void heard.push([node, hb]);
  const subscription = hearHeartbeats(watcher, hub.client());
  const bus = hub.client();
  tellHeartbeats(a.term, bus);
  await stage.system.advance(2_100);
  assert.deepEqual(heard, [
    [ONE, 1],
    [ONE, 2],
  ]);
  stage.away = true;
  await stage.system.advance(1_000);
  assert.equal(heard.length, 2);
  stage.away = false;
  await stage.system.advance(1_000);
  assert.deepEqual(heard.slice(2), [[ONE, 4]]);
  const packr = new Packr({ useRecords: false });
  for (const strange of [[ONE], ['x', 5], [ONE, 'x'], [ONE, 1.5], { node: ONE }, 7])
    bus.publish(HEARTBEATS_SUBJECT, packr.pack(strange));
  bus.publish(HEARTBEATS_SUBJECT, new Uint8Array([0xc1, 0, 0]));
  bus.publish(HEARTBEATS_SUBJECT, packr.pack([ONE, 99]));
  await stage.system.settle();
  subscription.stop();
  bus.publish(HEARTBEATS_SUBJECT, packr.pack([ONE, 100]));
  await stage.system.settle();
  assert.deepEqual(heard.slice(3), [[ONE, 99]]);
});
