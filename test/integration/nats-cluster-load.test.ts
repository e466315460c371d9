import test from 'node:test';
import { ClusterDeployment } from '../scenarios/deployment.ts';
import { hostile } from '../scenarios/hostile.ts';
import { slowClient } from '../scenarios/slow-client.ts';
import { lacking } from '../services/lacking.ts';

/** `CARILLON_FUZZ_FRAMES` asks for more. */
const FRAMES = Number(process.env['CARILLON_FUZZ_FRAMES'] ?? 10_000);
const SEED = Number(process.env['CARILLON_FUZZ_SEED'] ?? 2);

/** The store works beside the edges, more in one round than in another; what grows with what is missed is far more. */
const SLOWER_MAX = 1.35;

test('cluster: what edges bear', {
  skip: lacking('java', 'mvn', 'go', 'redis-server'),
  timeout: 900_000,
}, async (t) => {
  const deployment = await ClusterDeployment.start({
    env: { CARILLON_SENDS_PER_SECOND: '1000000', CARILLON_SEND_BURST: '1000000' },
  });
  t.after(() => deployment.end());
  await t.test('a socket that stops reading costs its edge little and the others nothing', (each) =>
    slowClient(each, deployment, SLOWER_MAX),
  );
  await t.test('both edges answer each hostile frame as the protocol says, and all live', (each) =>
    hostile(each, deployment, FRAMES, SEED),
  );
});
