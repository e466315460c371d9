import type { Client } from '../../../src/client/index.ts';
import { until } from '../../support/server-process.ts';
import { Meter } from '../faults-meter.ts';
import { isClean, type Verdict } from '../history.ts';
import { type Person, person } from '../../scenarios/people.ts';
import { judge, Load, openTalk, type Talk } from '../talks.ts';
import { watcher } from './crowd.ts';
import { Observers, Pauses } from './pauses.ts';
import type { Stage } from './scene.ts';
import type { Site } from './site.ts';
import { StoreClient } from './store-client.ts';

const AT_ONCE = 32;
const BODY_CHARS = 60;
const TELL_EVERY = 1_000;
const SETTLE_MS_MAX = 120_000;

/** Many direct conversations over few sockets, each with a message in it and both members online. */
export interface Population {
  readonly stage: Stage;
  readonly people: readonly Person[];
  readonly meter: Meter;
  /** A load over some of its conversations. */
  loadOver(talks: readonly Talk[], perSecond: number): Load;
  /** All is acked, read back and checked. */
  judge(loads: readonly Load[]): Promise<Omit<Verdict, 'examples'>>;
  close(): Promise<void>;
}

export async function populate(
  site: Site,
  conversations: number,
  find: (text: string) => void,
  progress: (line: string) => void,
): Promise<Population> {
  const store = await StoreClient.connect(site.services, site.stack.keyspace);
  const meter = new Meter(site.processes);
  const pauses = new Pauses();
  const observer = new Observers([meter, pauses]);
  const watch = watcher(meter, find);
  const urls = site.edges.map(({ process }) => process.url);
  const users = Math.ceil((1 + Math.sqrt(1 + 8 * conversations)) / 2);
  const people = Array.from({ length: users }, (_, i) =>
    person(urls, i, { user: `user${i}`, device: 'd1', watch }),
  );
  await Promise.all(people.map(({ client }) => client.ready()));
  for (const one of people) meter.watch(one);
  const pairs = pairsOf(people.map(({ client }) => client)).slice(0, conversations);
  const talks: Talk[] = [];
  const failed = (error: unknown): void => find(`a send failed for good: ${error}`);
  const loadOver = (over: readonly Talk[], perSecond: number): Load => {
    const shape = { window: 1, pauseMs: (2_000 * over.length) / perSecond, bodyChars: BODY_CHARS };
    return new Load(over, shape, failed, observer);
  };
  const first = loadOver(talks, 1);
  const work = async (): Promise<void> => {
    for (let pair = pairs.pop(); pair !== undefined; pair = pairs.pop()) {
      const talk = await openTalk(pair, observer);
      await first.send(talk, pair[0]);
      if (talks.push(talk) % TELL_EVERY === 0) progress(`${talks.length} conversations are active`);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  progress(`${talks.length} conversations over ${users} sockets`);
  return {
    stage: { site, store, talks, load: first, pauses, find, progress },
    people,
    meter,
    loadOver,
    async judge(loads) {
      for (const load of loads) load.stop();
      meter.rest();
      const allAcked = (): boolean => people.every(({ client }) => client.unacked === 0);
      await until('all sends acked', SETTLE_MS_MAX, allAcked).catch((error: unknown) => find(String(error)));
      progress('reading all back');
      const { examples, ...verdict } = await judge(talks);
      for (const example of examples) find(example);
      if (!isClean({ ...verdict, examples }) && examples.length === 0) find('the history is not clean');
      return verdict;
    },
    async close() {
      for (const { client } of people) client.close();
      meter.stop();
      await store.close();
    },
  };
}

/** Every two of them, such that any beginning of the list is spread over all. */
function pairsOf(clients: readonly Client[]): [Client, Client][] {
  const pairs: [Client, Client][] = [];
  const count = clients.length;
  for (let step = 1; step <= count / 2; step++) {
    for (let i = 0; i < count; i++) {
      if (step * 2 === count && i >= step) break;
      pairs.push([clients[i] as Client, clients[(i + step) % count] as Client]);
    }
  }
  return pairs;
}
