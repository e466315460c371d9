import type { Client, Message } from '../../src/client/index.ts';
import type { Person } from '../scenarios/people.ts';
import { until } from '../support/server-process.ts';
import {
  checkHistory,
  type ConversationHistory,
  newVerdict,
  type SentRecord,
  type Verdict,
} from './history.ts';

/** A conversation in which every member sends, and keeps what comes. */
export interface Talk extends ConversationHistory {
  readonly senders: readonly Client[];
  /** The highest seq acked so far. */
  acked: number;
}

export interface LoadShape {
  /** Unacked messages that a sender keeps in a conversation. */
  readonly window: number;
  /** Messages that take one place of the window together, sent in one turn (1). */
  readonly burst?: number;
  /** From an ack to the next send, on average. */
  readonly pauseMs: number;
  readonly bodyChars: number;
}

/** Told, as they happen, of acks and of what others receive. */
export interface Observer {
  acked(talk: Talk, seq: number, sentAt: number): void;
  received(talk: Talk, seq: number): void;
}

const READS_AT_ONCE = 4;
const COMPLETE_MS_MAX = 15_000;
/** Fills a message up to its length. */
const FILLER = ' .';

/** Directs, and every fifth a group of four, over all the people. */
export async function openTalks(
  people: readonly Person[],
  count: number,
  observer?: Observer,
): Promise<Talk[]> {
  const clients = people.map(({ client }) => client);
  const talks: Talk[] = [];
  for (let i = 0; i < count; i++) {
    const size = i % 5 === 4 ? 4 : 2;
    const round = Math.floor(i / clients.length) + 1;
    const senders = Array.from(
      { length: size },
      (_, k) => clients[(i + k * round) % clients.length] as Client,
    );
    talks.push(await openTalk(senders, observer));
  }
  return talks;
}

/** Devices, each of which sends and keeps what comes; those of two users talk directly, those of more as a group. */
export async function openTalk(senders: readonly Client[], observer: Observer | undefined): Promise<Talk> {
  const [first] = senders as [Client];
  const others = new Set(senders.map((client) => client.user));
  others.delete(first.user);
  const conv = await first.create(others.size === 1 ? 'direct' : 'group', [...others]);
  const talk: Talk = { conv, senders, sent: new Map(), received: new Map(), log: [], acked: 0 };
  for (const client of senders) {
    const got: { seq: number; cmid: string | undefined }[] = [];
    talk.received.set(deviceOf(client), got);
    talk.sent.set(deviceOf(client), []);
    const timeline = client.timeline(conv, {
      after: 0,
      whenBehind: 'fetch',
      messagesMax: 2_000,
      pageMax: 200,
    });
    timeline.on('append', (messages) => {
      for (const { seq, cmid } of messages) {
        got.push({ seq, cmid });
        observer?.received(talk, seq);
      }
    });
  }
  return talk;
}

function deviceOf({ user, device }: Client): string {
  return `${user}/${device}`;
}

/** Whether every receiver has all up to `seq`. */
export function hasAll(talk: Talk, seq: number): boolean {
  return [...talk.received.values()].every((got) => got.length >= seq);
}

/** Over all loads: no two messages have the same body. */
let messages = 0;

/** Keeps a window of messages of every sender of every conversation on their way. */
export class Load {
  acked = 0;
  #running = false;
  readonly #talks: readonly Talk[];
  readonly #shape: LoadShape;
  readonly #failed: (error: unknown) => void;
  readonly #observer: Observer | undefined;

  /** `failed` is told of sends that fail for good: none may. */
  constructor(
    talks: readonly Talk[],
    shape: LoadShape,
    failed: (error: unknown) => void,
    observer?: Observer,
  ) {
    this.#talks = talks;
    this.#shape = shape;
    this.#failed = failed;
    this.#observer = observer;
  }

  start(): void {
    this.#running = true;
    for (const talk of this.#talks) {
      for (const client of talk.senders)
        for (let i = 0; i < this.#shape.window; i++) this.#next(talk, client);
    }
  }

  stop(): void {
    this.#running = false;
  }

  /** One message more; resolves with its seq once it is acked, and with undefined if it never will be. */
  async send(talk: Talk, client: Client): Promise<number | undefined> {
    const body = `message ${messages++} of ${client.user}`.padEnd(this.#shape.bodyChars, FILLER);
    const record: SentRecord = { body, seq: undefined };
    talk.sent.get(deviceOf(client))?.push(record);
    const sentAt = performance.now();
    try {
      record.seq = (await client.send(talk.conv, body)).seq;
    } catch (error) {
      this.#failed(error);
      return undefined;
    }
    this.acked++;
    talk.acked = Math.max(talk.acked, record.seq);
    this.#observer?.acked(talk, record.seq, sentAt);
    return record.seq;
  }

  #next(talk: Talk, client: Client): void {
    const { pauseMs } = this.#shape;
    // A pause alone keeps no process up: it may be long over when it ends.
    if (pauseMs > 0) setTimeout(() => this.#go(talk, client), 2 * pauseMs * Math.random()).unref();
    else this.#go(talk, client);
  }

  #go(talk: Talk, client: Client): void {
    if (!this.#running) return;
    const burst = Array.from({ length: this.#shape.burst ?? 1 }, () => this.send(talk, client));
    void Promise.all(burst).then((seqs) => {
      if (!seqs.includes(undefined) && this.#running) this.#next(talk, client);
    });
  }
}

/** Reads all back and holds it against what was seen. */
export async function judge(talks: readonly Talk[]): Promise<Verdict> {
  const verdict = newVerdict();
  const left = [...talks];
  const read = async (): Promise<void> => {
    for (let talk = left.pop(); talk !== undefined; talk = left.pop())
      talk.log = await readLog(talk.senders[0] as Client, talk.conv);
  };
  await Promise.all(Array.from({ length: READS_AT_ONCE }, read));
  const complete = (): boolean => talks.every((talk) => hasAll(talk, talk.log.length));
  await until('receivers complete', COMPLETE_MS_MAX, complete).catch(() => undefined); // the check tells who is not
  for (const talk of talks) checkHistory(talk, verdict);
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
