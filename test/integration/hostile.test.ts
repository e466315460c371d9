import assert from 'node:assert/strict';
import test from 'node:test';
import { fuzzServer } from '../fuzz/live.ts';
import { RawClient } from '../support/raw-client.ts';
import { freePort, scratchDir, ServerProcess } from '../support/server-process.ts';

/** `npm run fuzz` asks for 200,000 and more. */
const FRAMES = Number(process.env['CARILLON_FUZZ_FRAMES'] ?? 20_000);
const SEED = Number(process.env['CARILLON_FUZZ_SEED'] ?? 1);
const GROWTH_BYTES_MAX = 96 * 1024 * 1024;

test('a live server answers each hostile frame as the protocol says, and lives', {
  timeout: 900_000,
}, async (t) => {
  const dir = scratchDir('hostile');
  const env = { CARILLON_SENDS_PER_SECOND: '1000000', CARILLON_SEND_BURST: '1000000' };
  const server = await ServerProcess.start({ dataDir: dir.path, port: await freePort(), env });
  t.after(async () => {
    await server.kill();
    dir.remove();
  });
  await fuzzServer(server.url, 2_000, SEED + 1); // warms up
  const before = server.memoryBytes;
  const report = await fuzzServer(server.url, FRAMES, SEED);
  const growth = server.memoryBytes - before;
  t.diagnostic(JSON.stringify({ ...report, growthMb: Math.round(growth / 1e6) }));
  assert.deepEqual(report.findings, []);
  assert.equal(report.frames, FRAMES);
  assert.ok(report.errors > 0 && report.byes > 0 && report.valid > 0, 'mutants of every fate');
  assert.ok(growth < GROWTH_BYTES_MAX, `memory grew by ${growth} bytes`);
  assert.equal(server.exited, false);
  const client = await RawClient.hello(server.url, 'survivor');
  assert.equal((await client.request({ t: 'ping', id: 1 })).t, 'pong', 'it serves others still');
  client.close();
});
