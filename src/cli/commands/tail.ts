import { once } from 'node:events';
import type { Client } from '../../client/client.ts';
import type { ConnectionState } from '../../client/link.ts';
import type { Message } from '../../protocol/frames.ts';
import { LIMITS } from '../../protocol/limits.ts';
import { type Flags, noWords, readFlags, readInteger, UsageError } from '../args.ts';
import { type Command, flagSection } from '../command.ts';
import {
  checkConnection,
  checkConversation,
  CONNECTION_FLAGS,
  CONVERSATION_FLAGS,
  findConversation,
  withClient,
} from '../connection.ts';
import { messageJson, messageText, note } from '../output.ts';

const FLAGS = {
  ...CONVERSATION_FLAGS,
  after: { type: 'string', value: 'SEQ', help: 'begin behind this seq; 0 for the beginning' },
  limit: { type: 'string', value: 'N', help: 'without --after: begin with the last N (10)' },
  ...CONNECTION_FLAGS,
} as const satisfies Flags;

const LAST = 10;
/** What the timeline keeps: a tail looks back at nothing. */
const MESSAGES_MAX = 16;

export const tail: Command = {
  name: 'tail',
  usage: 'tail (--to USER | --conv ID) (--as USER | --token JWT)',
  summary: 'Follows a conversation: prints each event once and in order, also over reconnects, until Ctrl-C.',
  help: flagSection(FLAGS),
  async run(args) {
    const { flags, words } = readFlags(args, FLAGS);
    noWords(words);
    checkConversation(flags);
    checkConnection(flags);
    const after = readInteger('after', flags.after, 0, Number.MAX_SAFE_INTEGER);
    const limit = readInteger('limit', flags.limit, 0, LIMITS.historyLimitMax);
    if (after !== undefined && limit !== undefined)
      throw new UsageError('--after and --limit exclude each other');
    return withClient(flags, async (client) => {
      const conv = await findConversation(client, flags);
      return follow(client, conv, after ?? (await startOf(client, conv, limit ?? LAST)), flags.json);
    });
  },
};

/** The seq behind which the last `count` events are. */
async function startOf(client: Client, conv: string, count: number): Promise<number> {
  const page = await client.history(conv, { limit: Math.max(1, count) });
  const first = count === 0 ? undefined : page.messages[0];
  return first === undefined ? page.head : first.seq - 1;
}

/** Prints until interrupted (0), or until the conversation or the connection is closed to us (1). */
async function follow(client: Client, conv: string, after: number, json: boolean): Promise<number> {
  const timeline = client.timeline(conv, { after, whenBehind: 'fetch', messagesMax: MESSAGES_MAX });
  const ended = new Promise<number>((resolve) => {
    timeline.on('append', (messages) => print(messages, json));
    timeline.on('failed', (error) => {
      note(`the conversation can't be read: ${error.message}`);
      resolve(1);
    });
    client.on('state', (state) => {
      noteState(state);
      if (state.is === 'closed') resolve(1);
    });
    for (const signal of ['SIGINT', 'SIGTERM'] as const) void once(process, signal).then(() => resolve(0));
  });
  return ended;
}

function print(messages: readonly Message[], json: boolean): void {
  const lines = messages.map((message) => `${json ? messageJson(message) : messageText(message)}\n`);
  process.stdout.write(lines.join(''));
}

function noteState(state: ConnectionState): void {
  if (state.is === 'waiting')
    note(`no connection (${state.reason}); trying again in ${(state.retryInMs / 1_000).toFixed(1)} s`);
  else if (state.is === 'online') note('connected again');
  else if (state.is === 'closed' && state.reason !== 'closed')
    note(`the server closed the connection: ${state.reason}`);
}
