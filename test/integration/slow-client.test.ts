import test from 'node:test';
import { embedded } from '../scenarios/deployment.ts';
import { slowClient } from '../scenarios/slow-client.ts';
import { freePort, scratchDir } from '../support/server-process.ts';

test('a socket that stops reading costs the server little and the others nothing, and ends complete', async (t) => {
  const dir = scratchDir('slow');
  const env = { CARILLON_SENDS_PER_SECOND: '1000000', CARILLON_SEND_BURST: '1000000' };
  const deployment = await embedded({ dataDir: dir.path, port: await freePort(), env });
  t.after(async () => {
    await deployment.end();
    dir.remove();
  });
  await slowClient(t, deployment);
});
