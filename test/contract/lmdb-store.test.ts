import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openLmdbStore, type LmdbStoreOptions } from '../../src/adapters/lmdb/store.ts';
import { realSystem } from '../../src/adapters/system.ts';
import { dirtyStoreSuite } from './dirty-store.suite.ts';
import { embeddedLogSuite } from './embedded-log.suite.ts';
import { messageStoreSuite } from './message-store.suite.ts';
import { projectionStoreSuite } from './projection-store.suite.ts';
import { asProjections, silent, type StoreUnderTest } from './store-fixtures.ts';

function opener(options: LmdbStoreOptions): () => Promise<StoreUnderTest> {
  return async () => {
    const dir = mkdtempSync(join(tmpdir(), 'carillon-store-'));
    return openIn(dir, options);
  };
}

async function openIn(dir: string, options: LmdbStoreOptions): Promise<StoreUnderTest> {
  const store = await openLmdbStore(dir, realSystem(), silent, options);
  let open = true;
  let next: StoreUnderTest | undefined;
  return {
    messages: store.messages,
    projections: store.projections,
    dirty: store.dirty,
    ownership: store.ownership,
    async indexed() {}, // it is when it is committed
    async reopen() {
      open = false;
      await store.close();
      next = await openIn(dir, options);
      return next;
    },
    async close() {
      if (open) await store.close();
      await next?.close();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

// As it is by default, the overlays answer nearly all; with tiny bulks, the tables do, and tails are dropped.
const tiny = { bulkRows: 16, sliceRows: 5, sliceRowsMax: 9, chunkBytesMax: 700, tailsMax: 8 };
messageStoreSuite('lmdb', opener({}));
embeddedLogSuite('lmdb', opener({}));
projectionStoreSuite('lmdb', async () => asProjections(await opener({})()));
dirtyStoreSuite('lmdb', opener({}));
messageStoreSuite('lmdb with tiny bulks', opener(tiny));
embeddedLogSuite('lmdb with tiny bulks', opener(tiny));
projectionStoreSuite('lmdb with tiny bulks', async () => asProjections(await opener(tiny)()));
dirtyStoreSuite('lmdb with tiny bulks', opener(tiny));
