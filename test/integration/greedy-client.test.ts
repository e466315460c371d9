import test from 'node:test';
import { embeddedFor } from '../scenarios/deployment.ts';
import { greedyClient } from '../scenarios/greedy-client.ts';

test('10,000 sends at once on one connection: every id is answered once, refusals say when to retry', async (t) => {
  const deployment = await embeddedFor(t, 'greedy');
  await greedyClient(deployment);
});
