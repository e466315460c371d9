import { randomFillSync } from 'node:crypto';
import type { System, Timer } from '../core/ports.ts';

/** The clocks, timers and randomness of the machine: the only place of the server that touches them. */
export function realSystem(): System {
  return {
    now: () => Date.now(),
    monotonic: () => performance.now(),
    soon: (task) => {
      setImmediate(task);
    },
    after(ms, task) {
      const timer = setTimeout(task, ms);
      return { cancel: () => clearTimeout(timer) } satisfies Timer;
    },
    every(ms, task) {
      const timer = setInterval(task, ms);
      return { cancel: () => clearInterval(timer) } satisfies Timer;
    },
    random: (count) => randomFillSync(new Uint8Array(count)),
  };
}
