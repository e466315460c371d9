import assert from 'node:assert/strict';
import test from 'node:test';
import { AppendGather } from '../../../cluster/append-gather.ts';
import { Cell } from '../../../cluster/cell.ts';
import type { ConversationRequest } from '../../../src/core/requests.ts';
import { VirtualSystem } from '../../sim/virtual-system.ts';
import { cmid, createDirect, send } from '../actors/requests.ts';
import { HostRig } from './host-rig.ts';

function rig() {
  const system = new VirtualSystem();
  const released: string[] = [];
  const gather = new AppendGather(system, 100, (cell) => {
    released.push(`${cell.conv} @${system.monotonic()}`);
  });
  const cellOf = (conv: string): Cell => {
    const cell = new Cell(conv, 0, { appendedFor: () => {} });
    cell.mailbox.offer({ bytes: 1 } as ConversationRequest);
    return cell;
  };
  return { system, gather, released, cellOf };
}

test('a fast store is not waited for; a slow one is, an eighth of its time, and 20 ms at most', async () => {
  for (const [appendMs, waitMs] of [
    [7, 0],
    [41, 5],
    [2_000, 20],
  ] as const) {
    const { system, gather, released, cellOf } = rig();
    for (let i = 0; i < 200; i++) gather.appended(cellOf(`warm ${i}`), appendMs);
    await system.advance(100);
    released.length = 0;
    const cell = cellOf('a');
    gather.appended(cell, appendMs);
    assert.equal(cell.held, waitMs > 0);
    await system.advance(100);
    assert.equal(cell.held, false);
    assert.deepEqual(released, waitMs > 0 ? [`a @${100 + waitMs}`] : []);
  }
});

test('what has nothing to do is let go without a turn', async () => {
  const { system, gather, released, cellOf } = rig();
  const idle = cellOf('idle');
  idle.mailbox.take();
  gather.appended(idle, 5_000);
  await system.advance(100);
  assert.deepEqual([idle.held, released], [false, []]);
});

test('while the store is slow, those who were just answered share the next batch with those who waited', async () => {
  const host = new HostRig();
  await host.ask(createDirect(['ann', 'bob']));
  const rounds: number[] = [];
  let ids = 0;
  let last = host.submit(send('ann', cmid(++ids)));
  host.store.hold('append');
  let waiting = host.submit(send('bob', cmid(++ids)));
  for (let round = 0; round < 30; round++) {
    await host.system.advance(200);
    const before = host.metrics.counts.appendRows;
    host.store.release('append'); // after 200 ms
    host.store.hold('append');
    await host.system.settle();
    rounds.push(host.metrics.counts.appendRows - before);
    // Whoever was answered asks again 2 ms later.
    await host.system.advance(2);
    if (host.said(last).startsWith('ack')) last = host.submit(send('ann', cmid(++ids)));
    if (host.said(waiting).startsWith('ack')) waiting = host.submit(send('bob', cmid(++ids)));
  }
  assert.deepEqual(rounds.slice(-5), [2, 2, 2, 2, 2], rounds.join(' '));
});
