import type { Deployment } from '../scenarios/deployment.ts';
import { type Person, person } from '../scenarios/people.ts';
import { sleep, until } from '../support/server-process.ts';
import type { Verdict } from './history.ts';
import { judge, Load, openTalks } from './talks.ts';

export interface CrashPlan {
  readonly rounds: number;
  readonly conversations: number;
  /** Acked messages per round, at least. */
  readonly ackedPerRound: number;
  /** Stopped at the end. */
  readonly deployment: Deployment;
  readonly progress: (line: string) => void;
}

const USERS = 20;
const LOAD = { window: 8, pauseMs: 0, bodyChars: 0 };
const DRAIN_MS_MAX = 60_000;

/**
 * Load on many conversations while processes of the server are killed (-9) at random moments and started again:
 * clients keep sending under the same ids, receivers repair. Ends with everything read back and checked.
 */
export async function crashRounds(plan: CrashPlan): Promise<Verdict> {
  const { deployment, rounds, ackedPerRound, progress } = plan;
  const people = await connectAll(deployment.urls);
  const talks = await openTalks(people, plan.conversations);
  const load = new Load(talks, LOAD, (error) => {
    throw error; // no send may fail for good: the process ends, and the run with it
  });
  load.start();
  for (let round = 1; round <= rounds; round++) {
    const target = load.acked + ackedPerRound;
    await until(`round ${round}: ${ackedPerRound} acks`, DRAIN_MS_MAX, () => load.acked >= target);
    await sleep(Math.random() * 300);
    const what = await deployment.crash();
    for (const { client, route } of people) {
      route.goHome();
      client.connect(); // no need to sit the backoff out
    }
    progress(`round ${round}/${rounds}: ${what} killed and restarted, ${load.acked} acked so far`);
  }
  load.stop();
  const allAcked = (): boolean => people.every(({ client }) => client.unacked === 0);
  await until('all sends acked', DRAIN_MS_MAX, allAcked);
  const verdict = await judge(talks);
  for (const { client } of people) client.close();
  await deployment.stop();
  return verdict;
}

async function connectAll(urls: readonly string[]): Promise<Person[]> {
  const people = Array.from({ length: USERS }, (_, i) => {
    const subprotocol = i % 4 === 0 ? 'json' : 'binary';
    return person(urls, i, { user: `user${i}`, device: 'd1', subprotocol });
  });
  await Promise.all(people.map(({ client }) => client.ready()));
  return people;
}
