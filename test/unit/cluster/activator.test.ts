import assert from 'node:assert/strict';
import test from 'node:test';
import { Activator, type ActivatorListener } from '../../../cluster/activator.ts';
import { Cell } from '../../../cluster/cell.ts';
import { MemoryStore } from '../../../src/adapters/memory/store.ts';
import { type Claim, StoreUnavailable } from '../../../src/core/ports.ts';
import { VirtualSystem } from '../../sim/virtual-system.ts';
import { CONV } from '../actors/requests.ts';
import { SILENT } from './host-rig.ts';

const AGAIN_MS_MAX = 2_000;
const OTHER = '0190a000-0000-7000-8000-0000000000ff';
const AWAY: Claim = { t: 'unavailable', retryAfterMs: 70, again: true };
const NOT_LIVE: Claim = { ...AWAY, again: false };

class Rig {
  readonly system = new VirtualSystem(1);
  readonly told: string[] = [];
  claims = 0;
  readonly #activator: Activator;

  /** `claim` says what the nth claim comes to; undefined: what the store says. */
  constructor(claim: (n: number) => Claim | Error | undefined) {
    const { system, told } = this;
    const store = new MemoryStore(system);
    const ownership = {
      confirmed: () => store.confirmed(),
      letGo: () => undefined,
      claim: async (id: string): Promise<Claim> => {
        const said = claim(++this.claims);
        if (said instanceof Error) throw said;
        return said ?? store.claim(id);
      },
    };
    const listener: ActivatorListener = {
      activated: ({ conv: id }) => told.push(`${id} activated`),
      notActivated: ({ conv: id }, retryAfterMs) => told.push(`${id} not activated, ${retryAfterMs}`),
      ownedElsewhere: ({ conv: id }, owner) => told.push(`${id} is ${owner}'s`),
    };
    const ports = { ownership, messages: store, projections: store };
    const options = { ports, system, logger: SILENT, cellsMax: 100, againMsMax: AGAIN_MS_MAX };
    this.#activator = new Activator(options, listener);
  }

  get pending(): number {
    return this.#activator.pending;
  }

  activate(id = CONV): void {
    this.#activator.activate(new Cell(id, 0, { appendedFor: () => undefined }));
  }
}

test('a conversation that the store fails is tried again, and what is asked of it waits', async () => {
  const rig = new Rig((n) => [AWAY, new StoreUnavailable('away')][n - 1]);
  rig.activate();
  await rig.system.advance(100);
  assert.deepEqual([rig.told, rig.claims, rig.pending], [[], 1, 1]);
  await rig.system.advance(1_000);
  assert.deepEqual([rig.told, rig.claims, rig.pending], [[`${CONV} activated`], 3, 0]);
});

test('what the store fails all the time is given up when its time is up, each counted from when it was asked for', async () => {
  const rig = new Rig(() => AWAY);
  rig.activate();
  await rig.system.advance(1_500);
  rig.activate(OTHER);
  await rig.system.advance(600);
  assert.deepEqual([rig.told, rig.pending], [[`${CONV} not activated, 70`], 1]);
  await rig.system.advance(1_500);
  assert.deepEqual([rig.told[1], rig.pending], [`${OTHER} not activated, 70`, 0]);
});

test('a node that may own nothing says so at once, as of what is broken', async () => {
  for (const said of [NOT_LIVE, new Error('broken')]) {
    const rig = new Rig(() => said);
    rig.activate();
    await rig.system.advance(0);
    assert.deepEqual([rig.told.length, rig.claims, rig.pending], [1, 1, 0]);
    assert.match(rig.told[0] ?? '', /not activated/);
  }
});
