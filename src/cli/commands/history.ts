import type { Client } from '../../client/client.ts';
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
import { messageJson, messageText, note, printLine } from '../output.ts';

const LIMIT_MAX = 100_000;

const FLAGS = {
  ...CONVERSATION_FLAGS,
  limit: { type: 'string', value: 'N', help: `how many (${LIMITS.historyLimitDefault})` },
  after: { type: 'string', value: 'SEQ', help: 'those behind this seq' },
  before: { type: 'string', value: 'SEQ', help: 'those before this seq' },
  all: { type: 'boolean', help: 'all there is, from the beginning' },
  ...CONNECTION_FLAGS,
} as const satisfies Flags;

export const history: Command = {
  name: 'history',
  usage: 'history (--to USER | --conv ID) (--as USER | --token JWT)',
  summary: 'Prints a part of a conversation, oldest first: the newest events, unless told otherwise.',
  help: flagSection(FLAGS),
  async run(args) {
    const { flags, words } = readFlags(args, FLAGS);
    noWords(words);
    checkConversation(flags);
    checkConnection(flags);
    const limit = readInteger('limit', flags.limit, 1, LIMIT_MAX);
    const after = readInteger('after', flags.after, 0, Number.MAX_SAFE_INTEGER);
    const before = readInteger('before', flags.before, 1, Number.MAX_SAFE_INTEGER);
    const given = [
      after !== undefined && '--after',
      before !== undefined && '--before',
      flags.all && '--all',
    ];
    const both = given.filter((name) => name !== false);
    if (both.length > 1) throw new UsageError(`${both.join(' and ')} exclude each other`);
    if (flags.all && limit !== undefined) throw new UsageError('--all and --limit exclude each other');
    const print = async (messages: readonly Message[]): Promise<void> => {
      for (const message of messages)
        await printLine(flags.json ? messageJson(message) : messageText(message));
    };
    return withClient(flags, async (client) => {
      const conv = await findConversation(client, flags);
      const wanted = flags.all ? Number.POSITIVE_INFINITY : (limit ?? LIMITS.historyLimitDefault);
      const shown =
        flags.all || after !== undefined
          ? await forwards(client, conv, after ?? 0, wanted, print)
          : await backwards(client, conv, before, wanted, print);
      if (shown === 0 && !flags.json) note('nothing there');
      return 0;
    });
  },
};

type Print = (messages: readonly Message[]) => Promise<void>;

/** Prints page by page. */
async function forwards(
  client: Client,
  conv: string,
  start: number,
  wanted: number,
  print: Print,
): Promise<number> {
  let after = start;
  let shown = 0;
  while (shown < wanted) {
    const page = await client.history(conv, {
      after,
      limit: Math.min(LIMITS.historyLimitMax, wanted - shown),
    });
    await print(page.messages);
    shown += page.messages.length;
    after = page.messages.at(-1)?.seq ?? after;
    if (!page.more || page.messages.length === 0) break;
  }
  return shown;
}

/** Pages come from the newest on, so they are gathered first. */
async function backwards(
  client: Client,
  conv: string,
  end: number | undefined,
  wanted: number,
  print: Print,
): Promise<number> {
  const pages: (readonly Message[])[] = [];
  let before = end;
  let shown = 0;
  while (shown < wanted) {
    const page = await client.history(conv, {
      before,
      limit: Math.min(LIMITS.historyLimitMax, wanted - shown),
    });
    pages.push(page.messages);
    shown += page.messages.length;
    before = page.messages[0]?.seq ?? before;
    if (!page.more || page.messages.length === 0) break;
  }
  for (const messages of pages.reverse()) await print(messages);
  return shown;
}
