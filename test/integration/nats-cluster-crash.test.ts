import assert from 'node:assert/strict';
import test from 'node:test';
import { crashRounds } from '../chaos/crash.ts';
import { isClean } from '../chaos/history.ts';
import { ClusterDeployment } from '../scenarios/deployment.ts';
import { lacking } from '../services/lacking.ts';

const ROUNDS = 4;

test('cluster: kill -9 of the sequencer and of the edges in turn, under load: nothing acked is lost, doubled, reordered or missing', {
  skip: lacking('java', 'mvn', 'go', 'redis-server'),
}, async (t) => {
  const deployment = await ClusterDeployment.start({
    env: {
      CARILLON_LEASE_TIMEOUT_MS: '2000',
      CARILLON_SENDS_PER_SECOND: '100000',
      CARILLON_SEND_BURST: '100000',
    },
  });
  t.after(() => deployment.end());
  const verdict = await crashRounds({
    rounds: ROUNDS,
    conversations: 50,
    ackedPerRound: 2_000,
    deployment,
    progress: (line) => t.diagnostic(line),
  });
  t.diagnostic(JSON.stringify(verdict));
  assert.ok(isClean(verdict), verdict.examples.join('\n'));
  assert.ok(verdict.acked >= ROUNDS * 2_000);
});
