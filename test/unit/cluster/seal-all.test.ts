import assert from 'node:assert/strict';
import test from 'node:test';
import { cmid, createGroup, history, send } from '../actors/requests.ts';
import { HostRig } from './host-rig.ts';

test('a node that steps down answers all that waits, once, and serves again when it may', async () => {
  const rig = new HostRig();
  await rig.ask(createGroup(['ann', 'bob']), send('ann', cmid(1)));
  rig.store.hold('append');
  const inFlight = rig.submit(send('ann', cmid(2)));
  await rig.system.settle();
  const behind = rig.submit(history('bob'));
  rig.store.available = false;
  rig.host.sealAll();
  assert.equal(rig.said(inFlight), 'timed_out_unknown');
  await rig.system.settle();
  assert.equal(rig.said(behind), 'unavailable');
  rig.store.release('append'); // its outcome comes to a term that is over
  await rig.system.settle();
  assert.equal(rig.host.dirtyWalk.size, 1);
  assert.equal(rig.host.oldestDirtySlot, undefined, 'what it may have committed untold stays marked');
  rig.store.available = true;
  const from = rig.deliveries.length;
  rig.host.dirtyWalk.again();
  await rig.system.settle();
  assert.equal(rig.host.dirtyWalk.size, 0);
  assert.ok(rig.toldTo('bob', from).includes('head 2'), 'all are told where it stands');
  const again = await rig.ask(send('ann', cmid(3)));
  assert.match(again[0] as string, /^ack \d$/);
});
