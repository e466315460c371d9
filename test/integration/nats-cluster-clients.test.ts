import assert from 'node:assert/strict';
import test from 'node:test';
import { away } from '../scenarios/away.ts';
import { ClusterDeployment } from '../scenarios/deployment.ts';
import { greedyClient } from '../scenarios/greedy-client.ts';
import { chat, leave, readBack, stall } from '../scenarios/group-chat.ts';
import { reconnect } from '../scenarios/reconnect.ts';
import { prefs } from '../scenarios/prefs.ts';
import { presence, settings } from '../scenarios/users.ts';
import { receipts } from '../scenarios/receipts.ts';
import { retries } from '../scenarios/retries.ts';
import { syncs } from '../scenarios/syncs.ts';
import { lacking } from '../services/lacking.ts';

/** What holds of one embedded server, with a sequencer and two edges: users are spread over them. */
test('cluster: clients at two edges', {
  skip: lacking('java', 'mvn', 'go', 'redis-server'),
  timeout: 600_000,
}, async (t) => {
  const deployment = await ClusterDeployment.start({ env: { CARILLON_LEASE_TIMEOUT_MS: '2000' } });
  t.after(() => deployment.end());
  await t.test(
    'S5.1 S5.2 S5.3 S5.6 S5.7 retries through either edge, and after kills, get the original seq',
    () => retries(deployment),
  );
  await t.test(
    'S8.2 S8.3 S8.4 S8.5 S8.6 a device that comes back at the other edge learns all it missed',
    () => syncs(deployment),
  );
  await t.test('S14.7 what was told of cursors outlives each process', () => receipts(deployment));
  await t.test('S16.2 S16.3 what a user has set is on all devices, and outlives each process', () =>
    prefs(deployment),
  );
  await t.test('S17.1 S17.2 S17.3 S17.4 who is online is told over devices at both edges', () =>
    presence(deployment),
  );
  await t.test('S14.8 S17.8 S17.9 what a user hides, and mentions, outlive each process', () =>
    settings(deployment),
  );
  await t.test(
    'S8.2 S14.4 S16.3 a device that comes back late learns what was done elsewhere',
    async () => void (await away(deployment)),
  );
  for (const subprotocol of ['binary', 'json'] as const) {
    await t.test(`${subprotocol}: nothing is lost, doubled or reordered by a kill between`, (each) =>
      reconnect(each, deployment, subprotocol),
    );
  }
  await t.test('S9.3 10,000 sends at once on one connection: every id is answered once', () =>
    greedyClient(deployment),
  );
  const group = await chat(deployment);
  await t.test('S7.4 a socket that stops reading is turned to pull, and learns the head', () =>
    stall(deployment, group),
  );
  await t.test('S6.2 a member who comes later pages through it all', () => readBack(deployment, group));
  await t.test('S2.11 drain says bye to all', () => leave(deployment, group));
  assert.ok(group.clients.length > 0);
});
