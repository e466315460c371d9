import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { closeSync, ftruncateSync, openSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { open } from 'lmdb';
import { checkStore, type CheckReport } from '../../src/adapters/lmdb/check.ts';
import { StoreDamaged } from '../../src/adapters/lmdb/environment.ts';
import { openLmdbStore } from '../../src/adapters/lmdb/store.ts';
import { realSystem } from '../../src/adapters/system.ts';
import {
  append,
  batchOf,
  conversationRow,
  inboxRow,
  memberRow,
  projection,
  rowOf,
  silent,
} from '../contract/store-fixtures.ts';
import { startStoreProcess, temporaryDirectory } from './lmdb-process.ts';

const CREATED = new TextEncoder().encode('{"kind":"group","members":[["ann","owner"],["bob","member"]]}');
const MARK = 'find-this-text';

const check = (dir: string): Promise<CheckReport> => checkStore(dir, () => undefined);

/** A store with one small group, all its rows in the tables. */
async function smallStore(t: TestContext, head = 20): Promise<{ dir: string; conv: string }> {
  const dir = temporaryDirectory(t);
  const conv = randomUUID();
  const store = await openLmdbStore(dir, realSystem(), silent);
  const { fence } = store;
  const members = [memberRow('ann', { role: 'owner' }), memberRow('bob')];
  const created = rowOf({ conv, seq: 1, kind: 'sys.created', body: CREATED, m: 1 });
  const frames = [withN(created.env, 0)];
  await append(store.messages, {
    conv,
    fence,
    c: 0,
    rows: [{ ...created, env: frames[0] as Uint8Array }],
    establish: { conversation: conversationRow(conv, 1), members },
    dirtySlot: 0,
  });
  for (let c = 1; c < head; c++) {
    const batch = batchOf({ conv, fence, c, m: 1, body: new TextEncoder().encode(`${MARK} ${c + 1}`) });
    const rows = batch.rows.map((row) => ({ ...row, env: withN(row.env, c) }));
    assert.equal(await append(store.messages, { ...batch, rows }), 'committed');
  }
  const entry = {
    ...inboxRow('ann', conv, head),
    entry: { ...inboxRow('ann', conv, head).entry, n: head - 1 },
  };
  await store.projections.write([projection(conv, fence, { inbox: [entry] })]);
  await store.close();
  return { dir, conv };
}

/** The frame with another `n`: the fixtures take seq for it. */
function withN(env: Uint8Array, n: number): Uint8Array {
  const copy = Buffer.from(env);
  copy.writeBigUInt64BE(BigInt(n), 48);
  return copy;
}

/** Changes a table behind the store's back. */
async function tamper(dir: string, table: string, work: (table: Table) => void): Promise<void> {
  const root = open<Buffer, Buffer>({
    path: join(dir, 'store.mdb'),
    encoding: 'binary',
    keyEncoding: 'binary',
    maxDbs: 16,
  });
  const db = root.openDB<Buffer, Buffer>({ name: table, encoding: 'binary', keyEncoding: 'binary' });
  const rows = [...db.getRange({})].map(({ key, value }) => [Buffer.from(key), Buffer.from(value)] as const);
  root.transactionSync(() =>
    work({ rows, put: (k, v) => void db.put(k, v), remove: (k) => void db.remove(k) }),
  );
  await root.close();
}
interface Table {
  readonly rows: (readonly [Buffer, Buffer])[];
  put(key: Buffer, value: Buffer): void;
  remove(key: Buffer): void;
}

test('a sound store has no damage', async (t) => {
  const { dir } = await smallStore(t);
  assert.deepEqual(await check(dir), { conversations: 1, rows: 20, damages: [], damageCount: 0 });
});

test('flipped bits in the log are found by check, wherever they are', async (t) => {
  const { dir } = await smallStore(t);
  const path = join(dir, 'store.mdb');
  const bytes = readFileSync(path);
  for (let at = bytes.indexOf(`${MARK} 5`); at >= 0; at = bytes.indexOf(`${MARK} 5`, at + 1))
    bytes[at] = 0x21;
  writeFileSync(path, bytes);
  const { damages } = await check(dir);
  assert.match(damages[0]?.what ?? '', /does not match its checksum/);
});

test('a damaged tail stops the start with a clear word', async (t) => {
  const dir = temporaryDirectory(t);
  const writer = startStoreProcess(t, 'load', dir);
  await writer.first;
  await new Promise((resolve) => setTimeout(resolve, 300));
  await writer.kill();
  let end = 0;
  await tamper(dir, 'log', ({ rows, put }) => {
    const [key, value] = rows.at(-1) as readonly [Buffer, Buffer];
    end = Number(key.readBigUInt64BE());
    value[value.length - 1] = (value.at(-1) as number) ^ 0x10;
    put(key, value);
  });
  await assert.rejects(openLmdbStore(dir, realSystem(), silent), (error: Error) => {
    assert.ok(error instanceof StoreDamaged);
    assert.ok(error.message.includes(dir));
    assert.match(error.message, new RegExp(`chunk ${end} does not match its checksum`));
    return true;
  });
  assert.ok((await check(dir)).damageCount > 0);
});

test('a file that was cut short is told as damaged, and nothing crashes', async (t) => {
  const { dir } = await smallStore(t, 300);
  const path = join(dir, 'store.mdb');
  const { size } = statSync(path);
  for (const fraction of [0.9, 0.6, 0.3]) {
    const file = openSync(path, 'r+');
    ftruncateSync(file, Math.floor(size * fraction));
    closeSync(file);
    assert.ok((await check(dir)).damageCount > 0, `cut to ${fraction}`);
  }
  writeFileSync(path, new Uint8Array(10_000));
  await assert.rejects(openLmdbStore(dir, realSystem(), silent), StoreDamaged);
});

test('check finds what differs from the log', async (t) => {
  const cases: [string, string, (table: Table) => void, RegExp][] = [
    [
      'a missing chunk',
      'log',
      ({ rows, remove }) => remove(rows[3]?.[0] as Buffer),
      /chunks 4 to 4 of the log are missing/,
    ],
    [
      'a missing index row',
      'index',
      ({ rows, remove }) => remove(rows[0]?.[0] as Buffer),
      /missing in the index/,
    ],
    ['a missing head', 'heads', ({ rows, remove }) => remove(rows[0]?.[0] as Buffer), /missing in the index/],
    [
      'an index row of nothing',
      'index',
      ({ rows, put }) => put(later(rows[0]?.[0]), rows[0]?.[1] as Buffer),
      /no such batch/,
    ],
    ['a head beyond', 'heads', ({ rows, put }) => put(...firstChanged(rows, 7, 99)), /beyond the log/],
    [
      'a wrong place',
      'heads',
      ({ rows, put }) => put(...firstChanged(rows, 8 + 11, 1)),
      /the index has it in chunk 1/,
    ],
    [
      'a missing dedup row',
      'dedup',
      ({ rows, remove }) => remove(rows[0]?.[0] as Buffer),
      /missing among the dedup/,
    ],
    [
      'a wrong dedup row',
      'dedup',
      ({ rows, put }) => put(rows[0]?.[0] as Buffer, rows[1]?.[1] as Buffer),
      /says seq/,
    ],
    [
      'a missing member',
      'members',
      ({ rows, remove }) => remove(rows[1]?.[0] as Buffer),
      /bob has no member row/,
    ],
    [
      'a missing conversation',
      'conversations',
      ({ rows, remove }) => remove(rows[0]?.[0] as Buffer),
      /no row among/,
    ],
  ];
  for (const [name, table, work, what] of cases) {
    const { dir } = await smallStore(t);
    await tamper(dir, table, work);
    const { damages } = await check(dir);
    assert.ok(
      damages.some((damage) => what.test(damage.what)),
      `${name}: ${JSON.stringify(damages)}`,
    );
  }
});

function firstChanged(rows: Table['rows'], at: number, byte: number): [Buffer, Buffer] {
  const [key, value] = rows[0] as [Buffer, Buffer];
  const copy = Buffer.from(value);
  copy[at] = byte;
  return [key, copy];
}

function later(key: Buffer | undefined): Buffer {
  const copy = Buffer.from(key as Buffer);
  copy[copy.length - 1] = (copy.at(-1) as number) + 1;
  return copy;
}

test('check tells an inbox that is ahead of the log, or behind it after a proper end', async (t) => {
  for (const [head, what] of [
    [21, /shows it, and the log ends at 20/],
    [19, /ends here, the log at 20/],
  ] as const) {
    const { dir, conv } = await smallStore(t);
    const store = await openLmdbStore(dir, realSystem(), silent);
    const row = inboxRow('bob', conv, head);
    await store.projections.write([projection(conv, store.fence, { inbox: [row] })]);
    await store.close();
    const { damages } = await check(dir);
    assert.ok(
      damages.some((damage) => what.test(damage.what)),
      JSON.stringify(damages),
    );
  }
});

test('check refuses a directory without a store', async (t) => {
  await assert.rejects(check(temporaryDirectory(t)), /there is no store/);
});
