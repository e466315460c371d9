import assert from 'node:assert/strict';
import test from 'node:test';
import { Cell } from '../../../cluster/cell.ts';
import { Turns } from '../../../cluster/turns.ts';
import type { ConversationRequest } from '../../../src/core/requests.ts';
import { VirtualSystem } from '../../sim/virtual-system.ts';

/** Cells that only count: how many requests each took, and when. */
function rounds(gatherMsMax: number): {
  system: VirtualSystem;
  taken: string[];
  ask(conv: string, count?: number): void;
} {
  const system = new VirtualSystem();
  const cells = new Map<string, Cell>();
  const taken: string[] = [];
  const turns = new Turns(system, 100, gatherMsMax, (cell, withRequests) => {
    let count = 0;
    while (withRequests && cell.mailbox.take() !== undefined) count++;
    if (cell.mailbox.takeCompletion() !== undefined) taken.push(`${cell.conv} done @${system.monotonic()}`);
    if (count > 0) taken.push(`${cell.conv} ${count} @${system.monotonic()}`);
    return count;
  });
  return {
    system,
    taken,
    ask(conv, count = 1) {
      const cell = cells.get(conv) ?? new Cell(conv, 0, { appendedFor: () => {} });
      cells.set(conv, cell);
      if (count === 0) cell.mailbox.complete({ t: 'fetched', row: undefined } as never);
      for (let i = 0; i < count; i++) cell.mailbox.offer({ bytes: 1 } as ConversationRequest);
      turns.schedule(cell);
      for (let i = 0; i < count; i++) turns.arrived();
    },
  };
}

test('when little comes nothing waits', async () => {
  const { system, taken, ask } = rounds(3);
  for (const conv of ['a', 'b', 'a']) {
    ask(conv, 3);
    await system.settle();
  }
  assert.deepEqual(taken, ['a 3 @0', 'b 3 @0', 'a 3 @0']);
});

test('under load requests gather for the next round, longer the more there are, up to the bound; completions go at once', async () => {
  const { system, taken, ask } = rounds(3);
  ask('a', 30);
  await system.settle();
  ask('b', 1);
  ask('c', 0);
  await system.settle();
  ask('b', 28);
  await system.advance(2);
  ask('c', 5);
  await system.advance(2);
  await system.advance(1);
  assert.deepEqual(taken, ['a 30 @0', 'c done @0', 'b 29 @2', 'c 5 @4']);
});

test('a bound of 0 never waits', async () => {
  const { system, taken, ask } = rounds(0);
  ask('a', 500);
  await system.settle();
  ask('b', 1);
  await system.settle();
  assert.deepEqual(taken, ['a 500 @0', 'b 1 @0']);
});

test('a round as large as the last one waits no longer', async () => {
  const { system, taken, ask } = rounds(3);
  ask('a', 40);
  await system.settle();
  ask('b', 39);
  await system.advance(1);
  ask('c', 1);
  await system.settle();
  assert.deepEqual(taken, ['a 40 @0', 'b 39 @1', 'c 1 @1']);
});
