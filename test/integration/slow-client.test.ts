import test from 'node:test';
import { embeddedFor } from '../scenarios/deployment.ts';
import { slowClient } from '../scenarios/slow-client.ts';

test('a socket that stops reading costs the server little and the others nothing, and ends complete', async (t) => {
  const env = { CARILLON_SENDS_PER_SECOND: '1000000', CARILLON_SEND_BURST: '1000000' };
  const deployment = await embeddedFor(t, 'slow', { env });
  await slowClient(t, deployment);
});
