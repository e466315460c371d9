/** What waits for the take-overs after a death, and what does not. */
import assert from 'node:assert/strict';
import test from 'node:test';
import type { AppendRow } from '../../../src/core/rows.ts';
import { DedupIndexer } from '../../../cluster/dedup-indexer.ts';
import { CommittedReader } from '../../../cluster/committed-reader.ts';
import { CONV, cmid, createDirect, prefs, send } from '../actors/requests.ts';
import { HostRig, SILENT } from './host-rig.ts';
import { Stage } from './takeover-rig.ts';

test('in a rush small rows wait, but for those that someone waits for', async () => {
  const rig = new HostRig();
  await rig.ask(createDirect(['ann', 'bob']), send('ann', cmid(1)));
  await rig.system.advance(2_000);
  rig.isRush = true;
  rig.store.writes.length = 0;
  await rig.ask(send('ann', cmid(2)));
  await rig.system.advance(3_000);
  assert.equal(rig.store.writes.length, 0);
  const change = prefs('bob', { pin: true });
  await rig.ask(change);
  await rig.system.advance(100);
  assert.deepEqual([rig.said(change), rig.store.writes.length], ['ok undefined', 1]);
  rig.isRush = false;
  await rig.system.advance(100);
  assert.equal((await rig.store.inboxRow('bob', CONV))?.entry.head, 2);
  assert.equal(rig.host.projector.pending, 0);
});

test('in a rush what must be written before a process leaves is written all the same', async () => {
  const rig = new HostRig();
  await rig.ask(createDirect(['ann', 'bob']), send('ann', cmid(1)));
  rig.isRush = true;
  const flushed = rig.host.projector.flush();
  await rig.system.advance(100);
  await flushed;
  assert.equal((await rig.store.inboxRow('bob', CONV))?.entry.head, 1);
});

test('in a rush ids are indexed later, but for those that an append or a hand-over waits for', async () => {
  const { system, log } = new Stage();
  let isRush = true;
  const reader = new CommittedReader(log);
  const indexer = new DedupIndexer(log, reader, system, SILENT, () => isRush);
  const row = (seq: number): AppendRow => ({
    seq,
    m: 0,
    env: new Uint8Array(),
    user: 'ann',
    device: 'd',
    cmid: cmid(seq),
    hash: 1,
  });
  indexer.resume(CONV, 0);
  indexer.add(CONV, [row(1)]);
  await system.advance(4_000);
  assert.equal(indexer.indexed(CONV), 0);
  indexer.hurry(CONV);
  await system.advance(50);
  assert.equal(indexer.indexed(CONV), 1);
  indexer.add(CONV, [row(2)]);
  const room = indexer.room(CONV, 2 + 1_024);
  assert.ok(room !== undefined);
  await system.advance(100);
  await room;
  assert.equal(indexer.indexed(CONV), 2, 'an append waits for it');
  indexer.add(CONV, [row(3)]);
  await system.advance(2_500);
  assert.equal(indexer.indexed(CONV), 2);
  isRush = false;
  await system.advance(100);
  assert.equal(indexer.indexed(CONV), 3);
  indexer.stop();
});
