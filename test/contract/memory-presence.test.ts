import assert from 'node:assert/strict';
import test from 'node:test';
import { MemoryPresence, MemoryTailCache } from '../../src/adapters/memory/presence.ts';
import { VirtualSystem } from '../sim/virtual-system.ts';
import { EXPIRY_MS, events, type PresenceUnderTest, presenceSuite } from './presence.suite.ts';

async function open(): Promise<PresenceUnderTest> {
  const system = new VirtualSystem();
  const presence = new MemoryPresence(system, { presenceMs: EXPIRY_MS });
  const tails = new MemoryTailCache(system, { tailMs: EXPIRY_MS });
  const setAvailable = (available: boolean): void => {
    presence.available = available;
    tails.available = available;
  };
  const flush = async (): Promise<void> => {
    presence.flush();
    tails.flush();
  };
  return {
    presence,
    tails,
    settle: async () => {},
    pass: (ms) => system.advance(ms),
    flush,
    async stop() {
      setAvailable(false);
      await flush();
    },
    start: async () => setAvailable(true),
    close: async () => {},
  };
}

presenceSuite('memory presence', open);

test('memory presence: what expired goes, and beyond the bound newcomers are not taken', async () => {
  const system = new VirtualSystem();
  const presence = new MemoryPresence(system, { presenceMs: 1_000, usersMax: 10 });
  for (let i = 0; i < 20; i++) presence.online(`u${i}`, 'd', 'e');
  assert.deepEqual(await presence.devices('u9'), [{ device: 'd', edge: 'e' }]);
  assert.deepEqual(await presence.devices('u10'), []);
  await system.advance(1_000);
  for (let i = 20; i < 30; i++) presence.online(`u${i}`, 'd', 'e');
  assert.deepEqual(await presence.devices('u29'), [{ device: 'd', edge: 'e' }]);
});

test('memory tails: the conversation told of longest ago goes first', async () => {
  const tails = new MemoryTailCache(new VirtualSystem(), { conversationsMax: 2 });
  for (const conv of ['a', 'b', 'a', 'c']) tails.put(conv, events(1, 1));
  assert.equal((await tails.get('a')).length, 1);
  assert.equal((await tails.get('b')).length, 0);
  assert.equal((await tails.get('c')).length, 1);
});
