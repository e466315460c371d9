import type { Client } from '../client/client.ts';
import { asError } from '../client/errors.ts';
import { connect } from '../client/node.ts';
import { isName, isUuid } from '../core/ids.ts';
import { type Flags, type FlagValues, UsageError } from './args.ts';

/** How a command reaches a server, and as whom. */
export const CONNECTION_FLAGS = {
  as: { type: 'string', value: 'USER', help: 'who you are, on a server with CARILLON_AUTH=dev' },
  token: { type: 'string', value: 'JWT', help: 'who you are, on a server with CARILLON_AUTH=jwt' },
  url: { type: 'string', value: 'URL', help: 'the server (http://127.0.0.1:8080, port from CARILLON_PORT)' },
  json: { type: 'boolean', help: 'one JSON object per line, for scripts' },
} as const satisfies Flags;

/** Which conversation a command is about. */
export const CONVERSATION_FLAGS = {
  to: { type: 'string', value: 'USER', help: 'the direct conversation with USER' },
  conv: { type: 'string', value: 'ID', help: 'the conversation of that id' },
} as const satisfies Flags;

type ConnectionFlags = FlagValues<typeof CONNECTION_FLAGS>;
type ConversationFlags = FlagValues<typeof CONVERSATION_FLAGS>;

/** Checks all of it before anything is opened. Throws a UsageError. */
export function checkConnection(flags: ConnectionFlags): { readonly url: string; readonly token: string } {
  if ((flags.as === undefined) === (flags.token === undefined)) {
    throw new UsageError('say who you are with one of --as USER (dev) and --token JWT');
  }
  if (flags.as !== undefined && !isName(flags.as)) {
    throw new UsageError(`--as ${flags.as}: must be 1–64 of A-Z a-z 0-9 . _ @ : -`);
  }
  const url = flags.url ?? `http://127.0.0.1:${process.env.CARILLON_PORT || '8080'}`;
  if (!URL.canParse(url) || !/^(https?|wss?):$/.test(new URL(url).protocol)) {
    throw new UsageError(`--url ${url}: must be like http://127.0.0.1:8080`);
  }
  return { url, token: flags.token ?? `dev:${flags.as}` };
}

export function checkConversation({ to, conv }: ConversationFlags): void {
  if ((to === undefined) === (conv === undefined)) {
    throw new UsageError('say which conversation with one of --to USER and --conv ID');
  }
  if (to !== undefined && !isName(to))
    throw new UsageError(`--to ${to}: must be 1–64 of A-Z a-z 0-9 . _ @ : -`);
  if (conv !== undefined && !isUuid(conv))
    throw new UsageError(`--conv ${conv}: must be a UUID in lower case`);
}

/** The conversation's id; a direct one is created if need be. */
export async function findConversation(client: Client, flags: ConversationFlags): Promise<string> {
  return flags.conv ?? client.create('direct', [flags.to as string]);
}

/** Runs `work` with a connected client, and hangs up after it. A first connection that fails is not retried. */
export async function withClient<T>(
  flags: ConnectionFlags,
  work: (client: Client) => Promise<T>,
): Promise<T> {
  const { url, token } = checkConnection(flags);
  const client = connect({ url, token });
  try {
    await firstConnection(client, url);
    return await work(client);
  } finally {
    client.close();
  }
}

function firstConnection(client: Client, url: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const off = client.on('state', (state) => {
      if (state.is === 'waiting') reject(new Error(`no server at ${url} (${state.reason})`));
      if (state.is !== 'connecting') off();
    });
    client.ready().then(resolve, (error: unknown) => reject(asError(error)));
  });
}
