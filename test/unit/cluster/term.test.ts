import assert from 'node:assert/strict';
import test from 'node:test';
import { Term } from '../../../cluster/term.ts';
import { MemoryLeaseTable } from '../../../src/adapters/memory/cluster-tables.ts';
import { NO_BEAT } from '../../../src/core/cluster-ports.ts';
import { VirtualSystem } from '../../sim/virtual-system.ts';

const SILENT = { info: () => {}, warn: () => {}, error: () => {} };

test('a node that was without a bus serves again as soon as the bus is back', async () => {
  const system = new VirtualSystem(7);
  let isUp = true;
  const term = new Term(new MemoryLeaseTable(system), {
    node: 'a',
    addr: '',
    roles: 'sequencer',
    leaseTimeoutMs: 4_000,
    system,
    logger: SILENT,
    busUp: () => isUp,
    beat: () => ({ ...NO_BEAT, bus: isUp }),
  });
  const starting = term.start();
  await system.advance(50);
  await starting;
  for (const outageMs of [4_000, 4_250, 4_500, 4_750]) {
    isUp = false;
    await system.advance(outageMs);
    assert.equal(term.state, 'steppedDown', 'a bus that others have may be away from here alone');
    isUp = true;
    await system.advance(250); // a heartbeat of its own turn may be a second away
    assert.equal(term.state, 'live', `after ${outageMs} ms`);
  }
});
