import assert from 'node:assert/strict';
import test from 'node:test';
import { MemoryPresence } from '../../src/adapters/memory/presence.ts';
import { VirtualSystem } from '../sim/virtual-system.ts';
import { EXPIRY_MS, type PresenceUnderTest, presenceSuite } from './presence.suite.ts';

async function open(): Promise<PresenceUnderTest> {
  const system = new VirtualSystem();
  const presence = new MemoryPresence(system, { presenceMs: EXPIRY_MS });
  return {
    presence,
    settle: async () => {},
    pass: (ms) => system.advance(ms),
    flush: async () => presence.flush(),
    async stop() {
      presence.available = false;
      presence.flush();
    },
    async start() {
      presence.available = true;
    },
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
