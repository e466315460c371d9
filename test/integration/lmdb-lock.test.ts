import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type TestContext } from 'node:test';
import { checkStore } from '../../src/adapters/lmdb/check.ts';
import { StoreLocked } from '../../src/adapters/lmdb/lock.ts';
import { openLmdbStore } from '../../src/adapters/lmdb/store.ts';
import { realSystem } from '../../src/adapters/system.ts';
import { silent } from '../contract/store-fixtures.ts';
import { missing, startStoreProcess, temporaryDirectory } from './lmdb-process.ts';

const open = (dir: string) => openLmdbStore(dir, realSystem(), silent);

test('a second process is told directory and holder, and the store is not touched', async (t) => {
  const dir = temporaryDirectory(t);
  const holder = startStoreProcess(t, 'hold', dir);
  assert.equal(await holder.first, `open ${holder.child.pid}`);
  const before = contents(dir);
  for (const attempt of [open(dir), checkStore(dir, () => undefined)]) {
    await assert.rejects(attempt, (error: Error) => {
      assert.ok(error instanceof StoreLocked);
      assert.ok(error.message.includes(dir));
      assert.match(error.message, new RegExp(`process ${holder.child.pid}\\b`));
      return true;
    });
  }
  const second = startStoreProcess(t, 'hold', dir);
  assert.match(await second.first, /^StoreLocked: .*in use/);
  assert.equal(await second.ended, 3);
  assert.deepEqual(contents(dir), before);
});

test('one process can not open a store twice, and can once it has closed it', async (t) => {
  const dir = temporaryDirectory(t);
  const store = await open(dir);
  await assert.rejects(open(dir), StoreLocked);
  await store.close();
  const again = await open(dir);
  assert.equal(again.fence, store.fence + 1);
  await again.close();
});

test('the next start succeeds at once after kill -9 of the holder', async (t) => {
  const dir = temporaryDirectory(t);
  const holder = startStoreProcess(t, 'hold', dir);
  await holder.first;
  await holder.kill();
  const startedAt = performance.now();
  const store = await open(dir);
  assert.ok(performance.now() - startedAt < 1_000);
  assert.equal(store.fence, 2);
  await store.close();
});

test('of many that start at once on one directory at most one gets it', async (t) => {
  const dir = temporaryDirectory(t);
  const processes = Array.from({ length: 4 }, () => startStoreProcess(t, 'hold', dir));
  const said = await Promise.all(processes.map(({ first }) => first));
  assert.ok(said.filter((line) => line.startsWith('open')).length <= 1, said.join('; '));
  assert.ok(
    said.every((line) => /^(open|StoreLocked)/.test(line)),
    said.join('; '),
  );
});

test('another process with the pid of a holder that was killed is no holder', async (t) => {
  const dir = temporaryDirectory(t);
  const holder = startStoreProcess(t, 'hold', dir);
  await holder.first;
  const { pid } = holder.child as { pid: number };
  await holder.kill();
  if (!(await startWithPid(t, pid))) return missing(t, 'this machine does not let a test choose a pid');
  const store = await open(dir);
  await store.close();
});

test('a holder of the same pid in another pid namespace is a holder', async (t) => {
  const wrapper = ['unshare', '--pid', '--fork', '--kill-child'];
  if (!(await runs([...wrapper, 'true'])))
    return missing(t, 'this machine does not let a test make a pid namespace');
  const dir = temporaryDirectory(t);
  const holder = startStoreProcess(t, 'hold', dir, wrapper);
  assert.equal(await holder.first, 'open 1');
  const second = startStoreProcess(t, 'hold', dir, wrapper);
  assert.match(await second.first, /^StoreLocked: /);
  await holder.kill();
  const third = startStoreProcess(t, 'hold', dir, wrapper);
  assert.equal(await third.first, 'open 1');
});

/** The data, and the names of all files. */
function contents(dir: string): [string[], Buffer] {
  return [readdirSync(dir).sort(), readFileSync(join(dir, 'store.mdb'))];
}

/** Starts some process under the pid; false where the kernel does not let us. */
async function startWithPid(t: TestContext, pid: number): Promise<boolean> {
  for (let attempt = 0; attempt < 20; attempt++) {
    try {
      writeFileSync('/proc/sys/kernel/ns_last_pid', String(pid - 1));
    } catch {
      return false; // not permitted, or no such file
    }
    const child = spawn('sleep', ['30'], { stdio: 'ignore' });
    t.after(() => child.kill('SIGKILL'));
    await once(child, 'spawn');
    if (child.pid === pid) return true;
  }
  return false;
}

async function runs(command: readonly string[]): Promise<boolean> {
  const child = spawn(command[0] as string, command.slice(1), { stdio: 'ignore' });
  const code = await Promise.race([
    once(child, 'exit').then(([code]) => code as number),
    once(child, 'error').then(() => 1),
  ]);
  return code === 0;
}
