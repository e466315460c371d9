import assert from 'node:assert/strict';
import { realSystem } from '../../src/adapters/system.ts';
import { SimStore } from '../sim/store/sim-store.ts';
import { calm } from '../sim/store/weather.ts';
import { Dice } from '../unit/peer/rough-bus.ts';
import type { TablesUnderTest } from './cluster-tables.fixtures.ts';
import { leaseTableSuite } from './lease-table.suite.ts';
import { logTableSuite } from './log-table.suite.ts';
import { projectionStoreSuite } from './projection-store.suite.ts';
import type { ProjectionsUnderTest } from './store-fixtures.ts';

/** The simulated store without faults, on the machine's own clock. */
function simulated(): SimStore {
  return new SimStore(realSystem(), new Dice(1), calm());
}

/** Ways of faults belong to another suite: what of the store fails is the weather's, and tested on its own. */
async function open(): Promise<TablesUnderTest> {
  const tables = simulated().client('node', realSystem());
  const none = (): never => assert.fail('the suites of plain tables ask for no faults');
  return { ...tables, faulty: none, skewed: none };
}

/** To open it again is to be another process. */
function projectionsOf(store: SimStore, name: string): ProjectionsUnderTest {
  const { log, projections } = store.client(name, realSystem());
  return {
    projections,
    async establish(establishment) {
      assert.equal(await log.establish(establishment), 'written');
    },
    reopen: async () => projectionsOf(store, `${name}, again`),
    close: async () => undefined,
  };
}

leaseTableSuite('sim', open);
logTableSuite('sim', open);
projectionStoreSuite('sim', async () => projectionsOf(simulated(), 'node'));
