import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import { fuzzServer } from '../fuzz/live.ts';
import { RawClient } from '../support/raw-client.ts';
import type { Deployment } from './deployment.ts';

const GROWTH_BYTES_MAX = 96 * 1024 * 1024;

/** Each hostile frame is answered as the protocol says, by every server, and all of the deployment lives. */
export async function hostile(
  t: TestContext,
  deployment: Deployment,
  frames: number,
  seed: number,
): Promise<void> {
  const { urls } = deployment;
  for (const url of urls) await fuzzServer(url, Math.ceil(2_000 / urls.length), seed + 1); // warms up
  for (const [i, url] of urls.entries()) {
    const share = Math.ceil(frames / urls.length);
    const before = deployment.memoryBytes(url);
    const report = await fuzzServer(url, share, seed + i * 1_000);
    const growth = deployment.memoryBytes(url) - before;
    t.diagnostic(JSON.stringify({ ...report, growthMb: Math.round(growth / 1e6) }));
    assert.deepEqual(report.findings, []);
    assert.equal(report.frames, share);
    assert.ok(report.errors > 0 && report.byes > 0 && report.valid > 0, 'mutants of every fate');
    assert.ok(growth < GROWTH_BYTES_MAX, `memory grew by ${growth} bytes`);
  }
  deployment.assertAlive();
  for (const url of urls) {
    const client = await RawClient.hello(url, 'survivor');
    assert.equal((await client.request({ t: 'ping', id: 1 })).t, 'pong', 'it serves others still');
    client.close();
  }
}
