import assert from 'node:assert/strict';
import type { TestContext } from 'node:test';
import type { Client } from '../../src/client/index.ts';
import { sleep, until } from '../support/server-process.ts';
import type { Deployment } from './deployment.ts';
import { type Person, person } from './people.ts';

const MESSAGES = 10_000;
/** Kept for the slow one, a round's messages would be over 10 MB. */
const BODY_CHARS = 1_000;
/** So few at once that the others need not fall behind themselves. */
const UNACKED_MAX = 60;
const READERS = 12;
const ROUNDS = 4;
const ROUNDS_MAX = 8;
const GROWTH_BYTES_MAX = 5 * 1024 * 1024;
/** Of the server's work in its cheapest rounds, and of the time in the best pair of neighbouring rounds. */
const SLOWER_MAX = 1.1;
const WAIT_MS_MAX = 30_000;

/** A group of one sender, readers that keep up, and one that can be stopped. */
class Group {
  readonly #clients: Client[] = [];
  readonly #received = new Map<string, number>();
  readonly #urls: readonly string[];
  #slow: Person | undefined;
  #sender: Client | undefined;
  #conv = '';
  #sent = 0;
  /** The last seq that the slow one has, without a gap. */
  #slowHas = 0;

  constructor(urls: readonly string[]) {
    this.#urls = urls;
  }

  /** The slow one is at the last server, the sender at the first, the readers everywhere. */
  async open(): Promise<void> {
    this.#sender = (await this.#join('sender', 0)).client;
    const names = Array.from({ length: READERS }, (_, i) => `reader${i}`);
    this.#conv = await this.#sender.create('group', ['slow', ...names], 'busy');
    for (const [i, name] of names.entries()) {
      const { client } = await this.#join(name, i);
      this.#received.set(name, 0);
      const timeline = client.timeline(this.#conv, { after: 0, whenBehind: 'fetch', pageMax: 200 });
      timeline.on('append', (messages) => {
        this.#received.set(name, (this.#received.get(name) ?? 0) + messages.length);
      });
    }
    this.#slow = await this.#join('slow', this.#urls.length - 1);
    const timeline = this.#slow.client.timeline(this.#conv, { after: 0, whenBehind: 'fetch', pageMax: 200 });
    timeline.on('append', (messages) => {
      for (const { seq } of messages) assert.equal(seq, ++this.#slowHas, 'each message once, in order');
    });
  }

  close(): void {
    for (const client of this.#clients) client.close();
  }

  setReading(reading: boolean): void {
    const socket = this.#slow?.route.socket;
    if (reading) socket?.resume();
    else socket?.pause();
  }

  /** Sends many messages; resolves with the ms until all readers but the slow one have them. */
  async flood(): Promise<number> {
    const start = performance.now();
    const goals = new Map([...this.#received].map(([name, count]) => [name, count + MESSAGES]));
    let acks: Promise<unknown>[] = [];
    for (let i = 0; i < MESSAGES; i++) {
      acks.push(
        (this.#sender as Client).send(this.#conv, `message ${++this.#sent} ${'x'.repeat(BODY_CHARS)}`),
      );
      if (acks.length < UNACKED_MAX) continue;
      await Promise.all(acks);
      acks = [];
    }
    const done = (): boolean => [...goals].every(([name, goal]) => (this.#received.get(name) ?? 0) >= goal);
    await until('the others have all', WAIT_MS_MAX, done);
    return performance.now() - start;
  }

  /** Waits until the slow one has everything too. */
  async complete(): Promise<void> {
    await until('the slow one is complete', WAIT_MS_MAX, () => this.#slowHas === this.#sent + 1); // and sys.created
  }

  async #join(user: string, home: number): Promise<Person> {
    const joined = person(this.#urls, home, { user, device: 'd1' });
    this.#clients.push(joined.client);
    await joined.client.ready();
    return joined;
  }
}

/**
 * A socket that stops reading costs its server little and the others nothing, and ends complete. `slowerMax`: how many
 * times the work and the time may be, on a machine that others use too.
 */
export async function slowClient(
  t: TestContext,
  deployment: Deployment,
  slowerMax = SLOWER_MAX,
): Promise<void> {
  const group = new Group(deployment.urls);
  t.after(() => group.close());
  /** The server that the slow socket is at. */
  const server = deployment.urls.at(-1) as string;
  await group.open();
  await group.flood(); // warms up
  await group.complete();
  const [ratios, growths]: [number[], number[]] = [[], []];
  const cpu = { reading: Number.POSITIVE_INFINITY, stopped: Number.POSITIVE_INFINITY };
  const flood = async (kind: keyof typeof cpu): Promise<number> => {
    const before = deployment.cpuSeconds(server);
    const ms = await group.flood();
    cpu[kind] = Math.min(cpu[kind], deployment.cpuSeconds(server) - before);
    return ms;
  };
  // On a busy machine some more rounds are needed until both sides had a quiet one.
  const isDone = (rounds: number): boolean =>
    rounds >= ROUNDS && (rounds >= ROUNDS_MAX || cpu.stopped / cpu.reading < slowerMax);
  for (let round = 0; !isDone(round); round++) {
    const readingMs = await flood('reading');
    await group.complete();
    await sleep(300);
    const before = deployment.memoryBytes(server);
    group.setReading(false);
    ratios.push((await flood('stopped')) / readingMs);
    await sleep(300);
    growths.push(deployment.memoryBytes(server) - before);
    group.setReading(true);
    await group.complete();
  }
  const work = cpu.stopped / cpu.reading;
  const time = Math.min(...ratios);
  const megabytes = growths.map((bytes) => (bytes / 1e6).toFixed(1)).join(', ');
  t.diagnostic(
    `with it stopped / reading: the server's work ${work.toFixed(3)}, the others' time ${ratios.map((ratio) => ratio.toFixed(2)).join(', ')}; memory grew by ${megabytes} MB`,
  );
  // What the heap does meanwhile comes and goes; what was kept for the slow one would be there in every round.
  assert.ok(Math.min(...growths) < GROWTH_BYTES_MAX, `memory grew by ${megabytes} MB`);
  assert.ok(work < slowerMax, `the server had ${work.toFixed(2)} times the work`);
  assert.ok(time < slowerMax, `the others took ${time.toFixed(2)} times as long`);
}
