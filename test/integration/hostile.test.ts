import test from 'node:test';
import { embeddedFor } from '../scenarios/deployment.ts';
import { hostile } from '../scenarios/hostile.ts';

/** `npm run fuzz` asks for 200,000 and more. */
const FRAMES = Number(process.env['CARILLON_FUZZ_FRAMES'] ?? 20_000);
const SEED = Number(process.env['CARILLON_FUZZ_SEED'] ?? 1);

test('a live server answers each hostile frame as the protocol says, and lives', {
  timeout: 900_000,
}, async (t) => {
  const env = { CARILLON_SENDS_PER_SECOND: '1000000', CARILLON_SEND_BURST: '1000000' };
  const deployment = await embeddedFor(t, 'hostile', { env });
  await hostile(t, deployment, FRAMES, SEED);
});
