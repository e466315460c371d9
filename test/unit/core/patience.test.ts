import assert from 'node:assert/strict';
import test from 'node:test';
import { askPatiently } from '../../../src/core/patience.ts';
import { StoreUnavailable } from '../../../src/core/ports.ts';
import { VirtualSystem } from '../../sim/virtual-system.ts';

/** Asks a store that is away until `backMs`, and says how that went after `forMs`. */
async function asked(
  backMs: number,
  forMs: number,
): Promise<{ tries: number; said: unknown; warnings: number }> {
  const system = new VirtualSystem(1);
  const result = { tries: 0, said: undefined as unknown, warnings: 0 };
  const logger = { info: () => {}, warn: () => void result.warnings++, error: () => {} };
  const ask = async (): Promise<string> => {
    result.tries++;
    if (system.monotonic() < backMs) throw new StoreUnavailable('a timeout');
    return 'current';
  };
  void askPatiently(ask, system, logger).then(
    (answer) => (result.said = answer),
    (error: unknown) => (result.said = error),
  );
  await system.advance(forMs);
  return result;
}

test('one who starts asks an absent store again, for 20 s', async () => {
  assert.deepEqual(await asked(0, 10), { tries: 1, said: 'current', warnings: 0 });
  const late = await asked(10_000, 11_000);
  assert.equal(late.said, 'current');
  assert.ok(late.tries > 20, `${late.tries} tries`);
  assert.equal(late.warnings, late.tries - 1);
  const never = await asked(60_000, 21_000);
  assert.ok(never.said instanceof StoreUnavailable);
});

test('what is no absence ends a start at once', async () => {
  const logger = { info: () => {}, warn: () => {}, error: () => {} };
  const wrong = new Error('another schema');
  await assert.rejects(
    askPatiently(() => Promise.reject(wrong), new VirtualSystem(1), logger),
    wrong,
  );
});
