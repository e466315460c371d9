import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { checkStore } from '../../src/adapters/lmdb/check.ts';
import { openLmdbStore } from '../../src/adapters/lmdb/store.ts';
import { realSystem } from '../../src/adapters/system.ts';
import { StoreUnavailable } from '../../src/core/ports.ts';
import {
  ALL,
  append,
  batchOf,
  conversationRow,
  inboxRow,
  memberRow,
  projection,
  silent,
} from '../contract/store-fixtures.ts';
import { missing } from './lmdb-process.ts';

const DISK_BYTES = 24 * 1024 * 1024;
const CONVERSATIONS = 200;
const BODY = new Uint8Array(2_000).fill(0x61);

test('a full disk: appends are unavailable, reads go on, and with room it goes on by itself', async (t) => {
  const dir = smallDisk(t);
  if (dir === undefined) return;
  const options = { bulkRows: 2_000, fullRetryMs: 50 };
  let store = await openLmdbStore(dir, realSystem(), silent, options);
  t.after(() => store.close());
  const heads = new Map(Array.from({ length: CONVERSATIONS }, () => [randomUUID(), 0]));

  /** Appends to all conversations at once until some fail; how many came out in each way. */
  const writeAll = async (): Promise<Map<string, number>> => {
    const outcomes = new Map<string, number>();
    await Promise.all(
      [...heads].map(async ([conv, c]) => {
        const establish = { conversation: conversationRow(conv, 0), members: [memberRow('ann')] };
        const batch = batchOf({ conv, fence: store.fence, c, body: BODY, ...(c === 0 ? { establish } : {}) });
        const outcome = await append(store.messages, batch);
        outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + 1);
        if (outcome === 'committed') heads.set(conv, c + 1);
      }),
    );
    return outcomes;
  };
  const verify = async (): Promise<void> => {
    for (const [conv, head] of heads) {
      assert.equal(await store.messages.head(conv), head);
      if (head > 0) assert.equal((await store.messages.read(conv, 1, head, false, ALL)).length, head);
    }
  };

  await t.test('it fills, over and over, with rest in between', async () => {
    let refusals = 0;
    for (let i = 0; i < 400 && refusals < 5; i++) {
      const outcomes = await writeAll();
      assert.deepEqual(
        [...outcomes.keys()].filter((key) => key !== 'committed' && key !== 'unavailable'),
        [],
      );
      if (!outcomes.has('unavailable')) continue;
      refusals++;
      await sleep(60);
    }
    assert.equal(refusals, 5, 'the disk did not fill');
    assert.ok(store.stats().inService);
    await verify();
    const [conv, head] = [...heads][0] as [string, number];
    const write = projection(conv, store.fence, { inbox: [inboxRow('ann', conv, head)] });
    writeFileSync(join(dir, 'rest'), new Uint8Array(Math.max(0, freeBytes(dir) - 4_096)));
    for (let i = 0; i < 20; i++) if ((await writeAll()).get('unavailable') === CONVERSATIONS) break;
    await assert.rejects(store.projections.write([write]), StoreUnavailable);
  });

  await t.test('with room it goes on', async () => {
    rmSync(join(dir, 'ballast'));
    rmSync(join(dir, 'rest'));
    await sleep(120);
    assert.deepEqual([...(await writeAll())], [['committed', CONVERSATIONS]]);
    assert.equal(store.stats().full, false);
    await verify();
  });

  await t.test('what is on disk is sound, and it starts again', async () => {
    await store.close();
    assert.deepEqual((await checkStore(dir, () => undefined)).damages, []);
    store = await openLmdbStore(dir, realSystem(), silent, options);
    await verify();
    await store.close();
  });
});

/** A small tmpfs, a third of which is ballast to be thrown off; undefined if the machine lets us mount none. */
function smallDisk(t: TestContext): string | undefined {
  const dir = mkdtempSync(join(tmpdir(), 'carillon-full-'));
  let mounted = false;
  t.after(() => {
    if (mounted) execFileSync('umount', ['--lazy', dir]);
    rmSync(dir, { recursive: true, force: true });
  });
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_BYTES}`, 'tmpfs', dir], { stdio: 'ignore' });
    mounted = true;
  } catch {
    missing(t, 'this machine does not let a test mount a tmpfs');
    return undefined;
  }
  writeFileSync(join(dir, 'ballast'), new Uint8Array(DISK_BYTES / 3));
  return dir;
}

function freeBytes(dir: string): number {
  const { bavail, bsize } = statfsSync(dir);
  return bavail * bsize;
}
