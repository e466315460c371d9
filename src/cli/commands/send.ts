import { createInterface } from 'node:readline';
import type { Client } from '../../client/client.ts';
import { asError } from '../../client/errors.ts';
import { realSystem } from '../../client/system.ts';
import { type Flags, readFlags, UsageError } from '../args.ts';
import { type Command, flagSection } from '../command.ts';
import {
  checkConnection,
  checkConversation,
  CONNECTION_FLAGS,
  CONVERSATION_FLAGS,
  findConversation,
  withClient,
} from '../connection.ts';
import { note, printLine, progress } from '../output.ts';

const FLAGS = {
  ...CONVERSATION_FLAGS,
  kind: { type: 'string', value: 'KIND', help: 'the messages’ kind (text)' },
  ...CONNECTION_FLAGS,
} as const satisfies Flags;

/** Lines on their way at one time; below the client's own bound. */
const UNACKED_MAX = 500;
const PROGRESS_EVERY_MS = 100;

export const send: Command = {
  name: 'send',
  usage: 'send (--to USER | --conv ID) (--as USER | --token JWT) [TEXT]',
  summary:
    'Sends a message, or without TEXT every line of the standard input, and waits until all are acked.',
  help: flagSection(FLAGS),
  async run(args) {
    const { flags, words } = readFlags(args, FLAGS);
    checkConversation(flags);
    checkConnection(flags);
    if (words.length === 0 && process.stdin.isTTY) note('Each line is a message; end with Ctrl-D.');
    if (words.length > 0 && words.join(' ').trim() === '') throw new UsageError('TEXT is blank');
    return withClient(flags, async (client) => {
      const conv = await findConversation(client, flags);
      const job = new SendJob(client, conv, flags.kind ?? 'text', flags.json);
      if (words.length > 0) await job.add(words.join(' '));
      else
        for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity }))
          await job.add(line);
      return job.finish(words.length === 0);
    });
  },
};

/** Sends one after the other without waiting for each ack, up to a bound. */
class SendJob {
  readonly #client: Client;
  readonly #conv: string;
  readonly #kind: string;
  readonly #json: boolean;
  readonly #startedAt = realSystem.monotonic();
  readonly #open = new Set<Promise<void>>();
  #sent = 0;
  #acked = 0;
  #failed = 0;
  #lastSeq = 0;
  #shownAt = 0;

  constructor(client: Client, conv: string, kind: string, json: boolean) {
    this.#client = client;
    this.#conv = conv;
    this.#kind = kind;
    this.#json = json;
  }

  async add(text: string): Promise<void> {
    const number = ++this.#sent;
    const outcome = this.#client.send(this.#conv, text, { kind: this.#kind }).then(
      ({ seq, ts }) => {
        this.#acked++;
        this.#lastSeq = seq;
        if (this.#json) return printLine(JSON.stringify({ conv: this.#conv, line: number, seq, ts }));
      },
      (error: unknown) => {
        this.#failed++;
        note(`line ${number} was not sent: ${asError(error).message}`);
      },
    );
    const tracked: Promise<void> = outcome.then(() => {
      this.#open.delete(tracked);
      this.#show();
    });
    this.#open.add(tracked);
    if (this.#open.size >= UNACKED_MAX) await Promise.race(this.#open);
  }

  async finish(isStream: boolean): Promise<number> {
    await Promise.all(this.#open);
    progress('');
    if (!this.#json && this.#acked > 0) await printLine(this.#summary(isStream));
    return this.#failed === 0 ? 0 : 1;
  }

  #summary(isStream: boolean): string {
    if (!isStream) return `acked: seq ${this.#lastSeq} of ${this.#conv}`;
    const seconds = (realSystem.monotonic() - this.#startedAt) / 1_000;
    const failures = this.#failed > 0 ? `, ${this.#failed} failed` : '';
    return `${this.#acked} of ${this.#sent} lines acked${failures}, the last is seq ${this.#lastSeq} of ${this.#conv}, in ${seconds.toFixed(1)} s`;
  }

  #show(): void {
    const now = realSystem.monotonic();
    if (now - this.#shownAt < PROGRESS_EVERY_MS) return;
    this.#shownAt = now;
    progress(`${this.#sent} sent, ${this.#acked} acked`);
  }
}
