import assert from 'node:assert/strict';
import test from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { checkStore } from '../../src/adapters/lmdb/check.ts';
import { openLmdbStore } from '../../src/adapters/lmdb/store.ts';
import { realSystem } from '../../src/adapters/system.ts';
import { SEQ_AT, readU64 } from '../../src/protocol/message-frame.ts';
import { ALL, silent } from '../contract/store-fixtures.ts';
import { startStoreProcess, temporaryDirectory } from './lmdb-process.ts';

const ROUNDS = 3;
const BATCHES_MIN = 100;

test('after kill -9 under load all that was reported committed is there, and the store is sound', async (t) => {
  const dir = temporaryDirectory(t);
  const heads = new Map<string, number>();
  for (let round = 0; round < ROUNDS; round++) {
    const writer = startStoreProcess(t, 'load', dir);
    assert.match(await writer.first, /^open/);
    while (writer.lines.length <= BATCHES_MIN) await sleep(20); // whatever else the machine does
    await sleep(Math.random() * 400);
    await writer.kill();
    for (const line of writer.lines.slice(1)) {
      const [conv, head] = line.split(' ') as [string, string];
      assert.notEqual(conv, 'failed', line);
      heads.set(conv, Number(head));
    }
    assert.ok(writer.lines.length > BATCHES_MIN);
    assert.deepEqual((await checkStore(dir, () => undefined)).damages, []);

    const store = await openLmdbStore(dir, realSystem(), silent);
    for (const [conv, head] of heads) {
      assert.ok((await store.messages.head(conv)) >= head);
      const rows = await store.messages.read(conv, 1, head, false, ALL);
      assert.equal(rows.length, head);
      for (const [i, row] of rows.entries()) assert.equal(readU64(row.env, SEQ_AT), i + 1);
    }
    await store.close();
    assert.deepEqual((await checkStore(dir, () => undefined)).damages, []);
  }
});
