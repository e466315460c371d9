/** A child's end of the channel to the bench: it carries out one plan, and ends. */
import type { FromGenerator, Plan, ToGenerator } from './plan.ts';

export function tell(message: FromGenerator): void {
  process.send?.(message);
}

export function tellProgress(text: string): void {
  tell({ t: 'progress', text });
}

/** `run` returns what to tell in the end; `next` is the bench's answer to a `step`. */
export function carryOutPlan(
  run: (plan: Plan) => Promise<FromGenerator>,
  next: () => void = () => undefined,
): void {
  const failed = (error: unknown): FromGenerator => ({
    t: 'failed',
    message: error instanceof Error ? (error.stack ?? error.message) : String(error),
  });
  process.on('message', (message: ToGenerator) => {
    if (message.t === 'next') next();
    else {
      void run(message.plan)
        .catch(failed)
        .then((result) => {
          tell(result);
          process.disconnect();
        });
    }
  });
  process.on('disconnect', () => process.exit());
}
