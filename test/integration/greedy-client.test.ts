import test from 'node:test';
import { embedded } from '../scenarios/deployment.ts';
import { greedyClient } from '../scenarios/greedy-client.ts';
import { freePort, scratchDir } from '../support/server-process.ts';

test('10,000 sends at once on one connection: every id is answered once, refusals say when to retry', async (t) => {
  const dir = scratchDir('greedy');
  const deployment = await embedded({ dataDir: dir.path, port: await freePort() });
  t.after(async () => {
    await deployment.end();
    dir.remove();
  });
  await greedyClient(deployment);
});
