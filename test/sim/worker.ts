/** A process of `main.ts`: runs every `step`th seed from `from` to `to`, and tells of each. */
import { runSeed } from './run.ts';

const [from = 0, to = 0, step = 1] = process.argv.slice(2, 5).map(Number);
const profile = process.argv[5] === '' ? undefined : process.argv[5];

for (let seed = from; seed <= to && process.connected; seed += step)
  process.send?.(await runSeed(seed, false, profile));
process.disconnect?.();
