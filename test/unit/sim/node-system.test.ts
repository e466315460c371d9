import assert from 'node:assert/strict';
import test from 'node:test';
import { NodeSystem } from '../../sim/node-system.ts';
import { VirtualSystem } from '../../sim/virtual-system.ts';

test('a paused process runs late, in order, all that came due; it can tell by its clock', async () => {
  const shared = new VirtualSystem();
  const system = new NodeSystem(shared);
  const ran: string[] = [];
  system.after(10, () => ran.push(`a ${system.monotonic()}`));
  system.after(20, () => ran.push(`b ${system.monotonic()}`));
  system.pause();
  await shared.advance(100);
  assert.deepEqual(ran, []);
  system.wake();
  await shared.settle();
  assert.deepEqual(ran, ['a 100', 'b 100']);
});

test('a frozen process cannot tell: its timers and its clock stood still', async () => {
  const shared = new VirtualSystem();
  const system = new NodeSystem(shared);
  const ran: string[] = [];
  system.after(10, () => ran.push(`a ${system.monotonic()} ${shared.monotonic()}`));
  system.after(300, () => ran.push(`b ${system.monotonic()} ${shared.monotonic()}`));
  await shared.advance(5);
  system.freeze();
  await shared.advance(100);
  assert.deepEqual([ran, system.monotonic()], [[], 5]);
  system.wake();
  await shared.advance(1_000);
  assert.deepEqual(ran, ['a 10 110', 'b 300 400']);
});

test('a jump moves the wall clock alone', () => {
  const shared = new VirtualSystem();
  const system = new NodeSystem(shared);
  const [wall, monotonic] = [system.now(), system.monotonic()];
  system.jump(-5_000);
  assert.deepEqual([system.now(), system.monotonic()], [wall - 5_000, monotonic]);
});
