import assert from 'node:assert/strict';
import test from 'node:test';
import { Recalls } from '../../../cluster/recalls.ts';
import type { Recalled } from '../../../src/core/actor.ts';
import type { MessageStore } from '../../../src/core/ports.ts';
import type { StoredRow } from '../../../src/core/rows.ts';
import { VirtualSystem } from '../../sim/virtual-system.ts';

const READ_MS = 500;

/** Reads of half a second each, of rows that have nothing but their seq. */
class Rig {
  readonly system = new VirtualSystem(1);
  readonly recalled: Recalled[] = [];
  opening = 0;
  reading = 0;
  fails = false;
  isRush = false;
  readonly recalls: Recalls;

  constructor() {
    const messages: Pick<MessageStore, 'read'> = {
      read: async (_conv, from, to) => {
        this.reading++;
        await new Promise<void>((resolve) => void this.system.after(READ_MS, resolve));
        this.reading--;
        if (this.fails) throw new Error('away');
        return Array.from({ length: to - from + 1 }, (_, i) => ({ seq: from + i }) as StoredRow);
      },
    };
    const logger = { info: () => {}, warn: () => {}, error: () => {} };
    this.recalls = new Recalls({
      messages: messages as MessageStore,
      system: this.system,
      logger,
      opening: () => this.opening,
      isRush: () => this.isRush,
    });
  }

  recall(conv: string, from: number, to: number): void {
    void this.recalls.recall(conv, from, to).then((recalled) => this.recalled.push(recalled));
  }
}

test('rows are recalled one conversation at a time, all in the end, and again later', async () => {
  const rig = new Rig();
  for (const conv of ['a', 'b', 'c', 'd', 'e']) rig.recall(conv, 3, 5);
  await rig.system.advance(200);
  assert.equal(rig.reading, 1);
  await rig.system.advance(3_500);
  assert.deepEqual([rig.recalled.length, rig.reading], [5, 0]);
  assert.deepEqual(rig.recalled[4], {
    t: 'recalled',
    from: 3,
    to: 5,
    rows: [{ seq: 3 }, { seq: 4 }, { seq: 5 }],
  });
  rig.recall('f', 1, 1);
  await rig.system.advance(1_000);
  assert.equal(rig.recalled.length, 6);
});

test('while conversations are being opened, or in a rush, nothing is recalled; what cannot be read is said to be so', async () => {
  const rig = new Rig();
  rig.opening = 10;
  rig.fails = true;
  rig.recall('a', 1, 2);
  await rig.system.advance(5_000);
  assert.deepEqual([rig.reading, rig.recalled.length], [0, 0]);
  [rig.opening, rig.isRush] = [0, true];
  await rig.system.advance(3_000);
  assert.equal(rig.reading, 0);
  rig.isRush = false;
  await rig.system.advance(1_000);
  assert.deepEqual(rig.recalled, [{ t: 'recalled', from: 1, to: 2, rows: undefined }]);
});
