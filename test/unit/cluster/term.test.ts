import assert from 'node:assert/strict';
import test from 'node:test';
import { Term } from '../../../cluster/term.ts';
import { MemoryLeaseTable } from '../../../src/adapters/memory/cluster-tables.ts';
import { type LeaseTable, NO_BEAT } from '../../../src/core/cluster-ports.ts';
import { StoreUnavailable } from '../../../src/core/ports.ts';
import { VirtualSystem } from '../../sim/virtual-system.ts';

const SILENT = { info: () => {}, warn: () => {}, error: () => {} };

function termOn(table: LeaseTable, system: VirtualSystem, busUp: () => boolean): Term {
  return new Term(table, {
    node: 'a',
    addr: '',
    roles: 'sequencer',
    leaseTimeoutMs: 4_000,
    system,
    logger: SILENT,
    busUp,
    beat: () => ({ ...NO_BEAT, bus: busUp() }),
  });
}

for (const outcome of ['unknown', 'applied late'] as const)
  test(`a node whose row was marked dead before it knew of it does not begin, nor ask for ever: ${outcome}`, async () => {
    const system = new VirtualSystem(7);
    const table = new MemoryLeaseTable(system);
    let asked = 0;
    const insert = table.insertNode.bind(table);
    table.insertNode = async (row) => {
      asked++;
      const inserted = await insert(row);
      if (asked > 1) return inserted;
      await table.markDead(row.node, 0); // others saw a silence of its row
      if (outcome === 'unknown') return { t: 'unknown' };
      throw new StoreUnavailable('no answer in time');
    };
    const term = termOn(table, system, () => true);
    const failed = assert.rejects(term.start(), /taken for dead before it knew/);
    await system.advance(1_000);
    await failed;
    assert.ok(asked <= 2, `${asked} times`);
    assert.equal(term.state, 'starting');
  });

test('a node that was without a bus serves again as soon as the bus is back', async () => {
  const system = new VirtualSystem(7);
  let isUp = true;
  const term = termOn(new MemoryLeaseTable(system), system, () => isUp);
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
