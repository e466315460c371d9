/** The generator: a process of its own that carries out one plan for the bench, and then ends. */
import { carryOutPlan, tell, tellProgress } from '../channel.ts';
import type { FromGenerator, Plan } from '../plan.ts';
import { audit, fill, hold } from './jobs.ts';
import { Load } from './load.ts';
import { HubDrive } from './presence-hub.ts';
import { Reads } from './reads.ts';
import { Sync } from './sync.ts';
import { Visits } from './visits.ts';

/** Resolved by the bench's next `next`. */
let next: (() => void) | undefined;

async function run(plan: Plan): Promise<FromGenerator> {
  switch (plan.job) {
    case 'hold': {
      const step = (connections: number): Promise<void> =>
        new Promise((resolve) => {
          next = resolve;
          tell({ t: 'step', connections });
        });
      return { t: 'audit', result: await hold(plan, step, tellProgress) };
    }
    case 'fill':
      return { t: 'audit', result: await fill(plan, tellProgress) };
    case 'audit':
      return { t: 'audit', result: await audit(plan) };
    case 'reads':
      return { t: 'reads', result: await new Reads(plan, tellProgress).run() };
    case 'hub':
      return { t: 'hub', result: await new HubDrive(plan, tellProgress).run() };
    case 'visits':
      return { t: 'visits', result: await new Visits(plan, tellProgress).run() };
    case 'sync':
      return { t: 'sync', result: await new Sync(plan, tellProgress).run() };
    case 'append':
      throw new Error('append is the job of another program');
    default:
      return { t: 'load', result: await new Load(plan, tellProgress).run() };
  }
}

carryOutPlan(run, () => next?.());
