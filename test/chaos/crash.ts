import { connect } from '../../src/client/node.ts';
import type { Client, Message } from '../../src/client/index.ts';
import { ServerProcess, type ServerSettings, sleep, until } from '../support/server-process.ts';
import {
  checkHistory,
  type ConversationHistory,
  newVerdict,
  type SentRecord,
  type Verdict,
} from './history.ts';

export interface CrashPlan {
  readonly rounds: number;
  readonly conversations: number;
  /** Acked messages per round, at least. */
  readonly ackedPerRound: number;
  readonly server: ServerSettings;
  readonly progress: (line: string) => void;
}

const USERS = 20;
/** Unacked messages that a sender keeps in a conversation. */
const WINDOW = 8;
const DRAIN_MS_MAX = 60_000;

interface Talk extends ConversationHistory {
  readonly senders: readonly Client[];
}

/**
 * Load on many conversations while the server is killed (-9) at random moments and started again: clients keep
 * sending under the same ids, receivers repair. Ends with everything read back and checked.
 */
export async function crashRounds(plan: CrashPlan): Promise<Verdict> {
  let server = await ServerProcess.start(plan.server);
  const clients = await connectAll(server.url);
  const talks = await openTalks(clients, plan.conversations);
  const load = new Load(talks);
  load.start();
  for (let round = 1; round <= plan.rounds; round++) {
    const target = load.acked + plan.ackedPerRound;
    await until(`round ${round}: ${plan.ackedPerRound} acks`, DRAIN_MS_MAX, () => load.acked >= target);
    await sleep(Math.random() * 300);
    await server.kill();
    server = await ServerProcess.start(plan.server);
    for (const client of clients) client.connect(); // no need to sit the backoff out
    plan.progress(`round ${round}/${plan.rounds}: killed and restarted, ${load.acked} acked so far`);
  }
  load.stop();
  await until('all sends acked', DRAIN_MS_MAX, () => clients.every((client) => client.unacked === 0));
  const verdict = await judge(talks);
  for (const client of clients) client.close();
  const code = await server.stop();
  if (code !== 0) throw new Error(`the server ended with ${code}:\n${server.output}`);
  return verdict;
}

async function connectAll(url: string): Promise<Client[]> {
  const clients = Array.from({ length: USERS }, (_, i) => {
    const user = `user${i}`;
    return connect({ url, token: `dev:${user}`, device: 'd1', subprotocol: i % 4 === 0 ? 'json' : 'binary' });
  });
  await Promise.all(clients.map((client) => client.ready()));
  return clients;
}

/** Directs, and every fifth a group of four. */
async function openTalks(clients: readonly Client[], count: number): Promise<Talk[]> {
  const talks: Talk[] = [];
  for (let i = 0; i < count; i++) {
    const size = i % 5 === 4 ? 4 : 2;
    const round = Math.floor(i / USERS) + 1;
    const senders = Array.from({ length: size }, (_, k) => clients[(i + k * round) % USERS] as Client);
    const [first, ...others] = senders as [Client, ...Client[]];
    const conv = await first.create(
      size === 2 ? 'direct' : 'group',
      others.map((client) => client.user),
    );
    const talk: Talk = { conv, senders, sent: new Map(), received: new Map(), log: [] };
    for (const client of senders) {
      const got: { seq: number; cmid: string | undefined }[] = [];
      talk.received.set(client.user, got);
      const timeline = client.timeline(conv, {
        after: 0,
        whenBehind: 'fetch',
        messagesMax: 2_000,
        pageMax: 200,
      });
      timeline.on('append', (messages) => {
        for (const { seq, cmid } of messages) got.push({ seq, cmid });
      });
      talk.sent.set(client.user, []);
    }
    talks.push(talk);
  }
  return talks;
}

/** Keeps `WINDOW` messages of every sender of every conversation on their way. */
class Load {
  acked = 0;
  #running = false;
  #count = 0;
  readonly #talks: readonly Talk[];

  constructor(talks: readonly Talk[]) {
    this.#talks = talks;
  }

  start(): void {
    this.#running = true;
    for (const talk of this.#talks) {
      for (const client of talk.senders) for (let i = 0; i < WINDOW; i++) this.#send(talk, client);
    }
  }

  stop(): void {
    this.#running = false;
  }

  #send(talk: Talk, client: Client): void {
    const body = `message ${this.#count++} of ${client.user}`;
    const record: SentRecord = { body, seq: undefined };
    talk.sent.get(client.user)?.push(record);
    client.send(talk.conv, body).then(
      (placed) => {
        record.seq = placed.seq;
        this.acked++;
        if (this.#running) this.#send(talk, client);
      },
      (error: unknown) => {
        throw error; // no send may fail for good: the process ends, and the run with it
      },
    );
  }
}

async function judge(talks: readonly Talk[]): Promise<Verdict> {
  const verdict = newVerdict();
  for (const talk of talks) {
    talk.log = await readLog(talk.senders[0] as Client, talk.conv);
    const complete = (): boolean => [...talk.received.values()].every((got) => got.length >= talk.log.length);
    await until('receivers complete', 5_000, complete).catch(() => undefined); // the check tells who is not
    checkHistory(talk, verdict);
  }
  return verdict;
}

async function readLog(client: Client, conv: string): Promise<Message[]> {
  const log: Message[] = [];
  for (let more = true; more; ) {
    const page = await client.history(conv, { after: log.at(-1)?.seq ?? 0, limit: 200 });
    log.push(...page.messages);
    more = page.more;
  }
  return log;
}
