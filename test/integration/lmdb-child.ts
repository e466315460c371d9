/**
 * A process that holds a store, for the tests that kill one. `hold DIR`: opens it and says so. `load DIR`:
 * also writes to 50 conversations as fast as it can, and says of each batch that was committed: one line
 * "conv head" each.
 */
import { randomUUID } from 'node:crypto';
import { writeSync } from 'node:fs';
import { openLmdbStore } from '../../src/adapters/lmdb/store.ts';
import { realSystem } from '../../src/adapters/system.ts';
import type { AppendOutcome } from '../../src/core/actor.ts';
import type { AppendBatch } from '../../src/core/rows.ts';
import { batchOf, conversationRow, memberRow, silent } from '../contract/store-fixtures.ts';

const CONVERSATIONS = 50;
const [mode, dir] = process.argv.slice(2) as [string, string];

try {
  // Small bulks, so that a kill may come in the midst of one.
  const store = await openLmdbStore(dir, realSystem(), silent, { bulkRows: 1_000, sliceRows: 64 });
  say(`open ${process.pid}`);
  if (mode === 'load') {
    for (let i = 0; i < CONVERSATIONS; i++) write(randomUUID(), 0);
  } else {
    setInterval(() => undefined, 1_000);
  }

  function write(conv: string, c: number): void {
    const establish = { conversation: conversationRow(conv, 0), members: [memberRow('ann', { join: 0 })] };
    const count = 1 + Math.floor(Math.random() * 3);
    const batch = batchOf({ conv, fence: store.fence, c, count, ...(c === 0 ? { establish } : {}) });
    store.messages.append(batch, { appended });
  }

  function appended(batch: AppendBatch, outcome: AppendOutcome): void {
    if (outcome !== 'committed') return say(`failed ${outcome}`);
    const head = batch.c + batch.rows.length;
    say(`${batch.conv} ${head}`);
    write(batch.conv, head);
  }
} catch (error) {
  say(`${(error as Error).name}: ${(error as Error).message}`);
  process.exitCode = 3;
}

/** Past all buffers of this process: a kill loses nothing that was said. */
function say(line: string): void {
  writeSync(1, `${line}\n`);
}
