import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'node:test';
import { RawClient } from '../support/raw-client.ts';
import { freePort, scratchDir, ServerProcess } from '../support/server-process.ts';

const DISK_BYTES = 24 * 1024 * 1024;

test('a full disk: sends get `unavailable`, reads go on, and it recovers when there is room', async (t) => {
  const dir = scratchDir('full');
  const disk = join(dir.path, 'disk');
  mkdirSync(disk);
  const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_BYTES}`, 'tmpfs', disk]);
  if (mounted.status !== 0) {
    dir.remove();
    assert.ok(process.env['CARILLON_REQUIRE_SERVICES'] !== '1', `no tmpfs: ${String(mounted.stderr)}`);
    t.skip('mounting a tmpfs needs root');
    return;
  }
  const server = await ServerProcess.start({ dataDir: join(disk, 'data'), port: await freePort() });
  t.after(async () => {
    await server.kill();
    spawnSync('umount', [disk]);
    dir.remove();
  });
  const client = await RawClient.hello(server.url, 'ann');
  const { conv } = await client.request({ t: 'create', id: 1, kind: 'direct', members: ['bob'] });
  let id = 1;
  const send = async (retry?: true): Promise<Readonly<Record<string, unknown>>> =>
    client.request({ t: 'send', id: ++id, conv, cmid: randomUUID(), body: 'x'.repeat(4_000), retry });
  const first = await send();
  assert.equal(first['t'], 'ack');

  const ballast = join(disk, 'ballast');
  const { bavail, bsize } = statfsSync(disk);
  writeFileSync(ballast, Buffer.alloc(Math.max(0, bavail * bsize - 256 * 1024)));
  let refused: Readonly<Record<string, unknown>> | undefined;
  let acked = 1;
  for (let i = 0; i < 2_000 && refused === undefined; i++) {
    const answer = await send();
    if (answer['t'] === 'ack') acked++;
    else refused = answer;
  }
  assert.deepEqual(
    [refused?.['t'], refused?.['code'], refused?.['retryable']],
    ['error', 'unavailable', true],
  );
  assert.ok(Number(refused?.['retryAfterMs']) > 0);
  const page = await client.request({ t: 'history', id: ++id, conv, limit: 1 });
  assert.deepEqual([page['t'], page['head']], ['page', acked], 'reads go on, and show what was acked');
  assert.equal(server.exited, false, 'the process lives');

  rmSync(ballast);
  const deadline = performance.now() + 10_000;
  let again = await send(true);
  while (again['t'] !== 'ack' && performance.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, 200));
    again = await send(true);
  }
  assert.deepEqual(
    [again['t'], again['seq']],
    ['ack', acked + 1],
    'it recovers, and no refused send took a seq',
  );
  client.close();
});
