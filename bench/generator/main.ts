/** The generator: a process of its own that carries out one plan for the bench, and then ends. */
import type { FromGenerator, Plan, ToGenerator } from '../plan.ts';
import { audit, fill, hold } from './jobs.ts';
import { Load } from './load.ts';

/** Resolved by the bench's next `next`. */
let next: (() => void) | undefined;

function tell(message: FromGenerator): void {
  process.send?.(message);
}

const progress = (text: string): void => tell({ t: 'progress', text });

async function run(plan: Plan): Promise<void> {
  switch (plan.job) {
    case 'hold': {
      const step = (connections: number): Promise<void> =>
        new Promise((resolve) => {
          next = resolve;
          tell({ t: 'step', connections });
        });
      tell({ t: 'audit', result: await hold(plan, step, progress) });
      break;
    }
    case 'fill':
      tell({ t: 'audit', result: await fill(plan, progress) });
      break;
    case 'audit':
      tell({ t: 'audit', result: await audit(plan) });
      break;
    default:
      tell({ t: 'load', result: await new Load(plan, progress).run() });
  }
  process.disconnect();
}

process.on('message', (message: ToGenerator) => {
  if (message.t === 'next') next?.();
  else
    run(message.plan).catch((error: unknown) => {
      tell({ t: 'failed', message: error instanceof Error ? (error.stack ?? error.message) : String(error) });
      process.disconnect();
    });
});
process.on('disconnect', () => process.exit());
