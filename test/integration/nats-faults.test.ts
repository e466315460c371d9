import assert from 'node:assert/strict';
import test from 'node:test';
import { runFaults } from '../chaos/faults.ts';
import { FAULTS } from '../chaos/faults-table.ts';
import { lacking } from '../services/lacking.ts';

/** Those that are quick, one of each kind; `npm run faults` has them all. */
const NAMES = [
  'nats-restart',
  'nats-last',
  'nats-last-events',
  'redis-restart',
  'edge-kill',
  'sequencer-kill',
];
const SECONDS = 2;

test('faults under load: nothing acked is lost, doubled, reordered or missing, and nothing is seen beyond what each may cause', {
  skip: lacking('java', 'mvn', 'go', 'redis-server'),
}, async (t) => {
  const faults = FAULTS.filter(({ name }) => NAMES.includes(name));
  assert.equal(faults.length, NAMES.length);
  const rows = await runFaults(faults, {
    seconds: SECONDS,
    program: 'sources',
    progress: (line) => t.diagnostic(line),
  });
  for (const { fault, acked, findings } of rows) {
    assert.deepEqual(findings, [], fault);
    assert.ok(acked > 0, `${fault}: a load that is none`);
  }
});
