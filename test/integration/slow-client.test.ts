import assert from 'node:assert/strict';
import test from 'node:test';
import { WebSocket } from 'ws';
import { type Client, connect, type WebSocketClass } from '../../src/client/node.ts';
import { freePort, scratchDir, ServerProcess, sleep, until } from '../support/server-process.ts';

const MESSAGES = 10_000;
/** Kept for the slow one, a round's messages would be over 10 MB. */
const BODY_CHARS = 1_000;
/** So few at once that the others need not fall behind themselves. */
const UNACKED_MAX = 60;
const READERS = 12;
const ROUNDS = 4;
const GROWTH_BYTES_MAX = 5 * 1024 * 1024;
/** Of the server's work in its cheapest rounds, and of the time in the best pair of neighbouring rounds. */
const SLOWER_MAX = 1.1;
const WAIT_MS_MAX = 30_000;

/** A client class whose sockets can be told to stop reading. */
function pausable(opened: WebSocket[]): WebSocketClass {
  return class extends WebSocket {
    constructor(url: string, protocols?: string | string[]) {
      super(url, protocols, { perMessageDeflate: false });
      opened.push(this);
    }
  } as unknown as WebSocketClass;
}

/** A group of one sender, readers that keep up, and one that can be stopped. */
class Group {
  readonly #clients: Client[] = [];
  readonly #received = new Map<string, number>();
  readonly #slowSockets: WebSocket[] = [];
  #sender: Client | undefined;
  #conv = '';
  #sent = 0;
  /** The last seq that the slow one has, without a gap. */
  #slowHas = 0;

  async open(url: string): Promise<void> {
    this.#sender = await this.#join(url, 'sender');
    const names = Array.from({ length: READERS }, (_, i) => `reader${i}`);
    this.#conv = await this.#sender.create('group', ['slow', ...names], 'busy');
    for (const name of names) {
      const client = await this.#join(url, name);
      this.#received.set(name, 0);
      const timeline = client.timeline(this.#conv, { after: 0, whenBehind: 'fetch', pageMax: 200 });
      timeline.on('append', (messages) => {
        this.#received.set(name, (this.#received.get(name) ?? 0) + messages.length);
      });
    }
    const slow = await this.#join(url, 'slow', pausable(this.#slowSockets));
    slow.timeline(this.#conv, { after: 0, whenBehind: 'fetch', pageMax: 200 }).on('append', (messages) => {
      for (const { seq } of messages) assert.equal(seq, ++this.#slowHas, 'each message once, in order');
    });
  }

  close(): void {
    for (const client of this.#clients) client.close();
  }

  setReading(reading: boolean): void {
    for (const socket of this.#slowSockets) {
      if (reading) socket.resume();
      else socket.pause();
    }
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

  async #join(url: string, user: string, webSocket?: WebSocketClass): Promise<Client> {
    const client = connect({ url, token: `dev:${user}`, device: 'd1', ...(webSocket && { webSocket }) });
    this.#clients.push(client);
    await client.ready();
    return client;
  }
}

test('a socket that stops reading costs the server little and the others nothing, and ends complete', async (t) => {
  const dir = scratchDir('slow');
  const env = { CARILLON_SENDS_PER_SECOND: '1000000', CARILLON_SEND_BURST: '1000000' };
  const server = await ServerProcess.start({ dataDir: dir.path, port: await freePort(), env });
  const group = new Group();
  t.after(async () => {
    group.close();
    await server.kill();
    dir.remove();
  });
  await group.open(server.url);
  await group.flood(); // warms up
  await group.complete();
  const [ratios, growths]: [number[], number[]] = [[], []];
  const cpu = { reading: Number.POSITIVE_INFINITY, stopped: Number.POSITIVE_INFINITY };
  const flood = async (kind: keyof typeof cpu): Promise<number> => {
    const before = server.cpuSeconds;
    const ms = await group.flood();
    cpu[kind] = Math.min(cpu[kind], server.cpuSeconds - before);
    return ms;
  };
  for (let round = 0; round < ROUNDS; round++) {
    const readingMs = await flood('reading');
    await group.complete();
    await sleep(300);
    const before = server.memoryBytes;
    group.setReading(false);
    ratios.push((await flood('stopped')) / readingMs);
    await sleep(300);
    growths.push(server.memoryBytes - before);
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
  assert.ok(work < SLOWER_MAX, `the server had ${work.toFixed(2)} times the work`);
  assert.ok(time < SLOWER_MAX, `the others took ${time.toFixed(2)} times as long`);
});
