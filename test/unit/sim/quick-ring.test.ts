import assert from 'node:assert/strict';
import test from 'node:test';
import { PARTITIONS, Ring } from '../../../cluster/ring.ts';
import { uuidV7 } from '../../../src/core/ids.ts';
import { quickenRings, slowRings } from '../../sim/quick-ring.ts';
import { VirtualSystem } from '../../sim/virtual-system.ts';

test('quick rings are the rings that hashring makes', () => {
  const system = new VirtualSystem(5);
  for (let count = 1; count <= 4; count++) {
    const nodes = Array.from({ length: count }, (_, i) => uuidV7(1_000 + i, system.random(10)));
    const convs = Array.from({ length: 500 }, () => uuidV7(1, system.random(10)));
    slowRings();
    const real = new Ring(nodes);
    quickenRings();
    const quick = new Ring(nodes);
    slowRings();
    assert.deepEqual(quick.shares, real.shares);
    assert.deepEqual(
      convs.map((conv) => quick.ownerOf(conv)),
      convs.map((conv) => real.ownerOf(conv)),
    );
    assert.equal(
      real.shares.reduce((a, b) => a + b, 0),
      PARTITIONS,
    );
  }
});
