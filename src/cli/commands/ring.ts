import { isUuid } from '../../core/ids.ts';
import type { RingNode } from '../../core/ring-control.ts';
import { nearest } from '../../setting.ts';
import { type Flags, type FlagValues, noWords, readFlags, readInteger, UsageError } from '../args.ts';
import { type Command, flagSection } from '../command.ts';
import { note, printLine } from '../output.ts';
import { ADMIN_FLAGS, RingAdmin } from './ring-admin.ts';
import { checkNodeName, findNode } from './ring-node.ts';
import { age, count, ownerText, shares, sharesText, statusText } from './ring-tables.ts';
import { type Ending, fulfil, type Waited } from './ring-wait.ts';

const TIMEOUT_SECONDS_DEFAULT = 600;
const TIMEOUT_SECONDS_MAX = 7 * 24 * 60 * 60;

const FLAGS = {
  timeout: {
    type: 'string',
    value: 'SECONDS',
    help: `of drain and undrain: how long to wait (${TIMEOUT_SECONDS_DEFAULT})`,
  },
  'dry-run': { type: 'boolean', help: 'of rebalance, which does nothing without it' },
  ...ADMIN_FLAGS,
} as const satisfies Flags;

interface Given {
  readonly admin: RingAdmin;
  /** The words behind the action. */
  readonly words: readonly string[];
  readonly flags: FlagValues<typeof FLAGS>;
}

const ACTIONS: Readonly<Record<string, (given: Given) => Promise<number>>> = {
  status,
  drain: (given) => change(given, 'drain'),
  undrain: (given) => change(given, 'undrain'),
  forget,
  owner,
  rebalance,
};

export const ring: Command = {
  name: 'ring',
  usage: 'ring status | drain NODE | undrain NODE | forget NODE | owner CONVERSATION | rebalance --dry-run',
  summary: 'Shows the sequencers of a cluster and what they own, and has them drained or forgotten.',
  help: `\
  status     Each node: its state, the age of its heartbeat, where its admin port answers, its partitions of the
             ring, its conversations in memory, those on their way to others, and those whose inboxes lag.
  drain      Has NODE hand over all that it owns, and waits until it has. It stays so until it ends, or:
  undrain    takes it into the ring again.
  forget     Marks a silent NODE as dead now, or a dead one as looked after.
  owner      Who owns a conversation, and who should.
  rebalance  With --dry-run: what each node owns, and will own once all moves are done.

NODE is its id, or 4 or more characters of its beginning or its end that no other node has.
Exit code: 0 if done; 1 if refused, not done in time, or there is no such conversation; 2 on a wrong command line.

${flagSection(FLAGS)}`,
  async run(args) {
    const { flags, words } = readFlags(args, FLAGS);
    const [name, ...rest] = words;
    if (name === undefined) throw new UsageError(`say what to do: carillon ${ring.usage}`);
    const action = Object.hasOwn(ACTIONS, name) ? ACTIONS[name] : undefined;
    if (action === undefined)
      throw new UsageError(`ring ${name} is none; did you mean ring ${nearest(name, Object.keys(ACTIONS))}?`);
    if (flags.timeout !== undefined && name !== 'drain' && name !== 'undrain')
      throw new UsageError('--timeout is for carillon ring drain and undrain');
    if (flags['dry-run'] && name !== 'rebalance')
      throw new UsageError('--dry-run is for carillon ring rebalance');
    return action({ admin: new RingAdmin(flags), words: rest, flags });
  },
};

async function status({ admin, words, flags }: Given): Promise<number> {
  noWords(words);
  const seen = await admin.status();
  await printLine(flags.json ? JSON.stringify(seen) : statusText(seen));
  return 0;
}

async function owner({ admin, words, flags }: Given): Promise<number> {
  const conv = oneWord(words, 'CONVERSATION').toLowerCase();
  if (!isUuid(conv)) throw new UsageError(`${conv}: must be a conversation's id, a UUID`);
  const found = await admin.owner(conv);
  if (flags.json) await printLine(JSON.stringify(found));
  else if (found.owner === null) note(`carillon: there is no conversation ${conv}`);
  else await printLine(ownerText(found));
  return found.owner === null ? 1 : 0;
}

async function rebalance({ admin, words, flags }: Given): Promise<number> {
  noWords(words);
  if (!flags['dry-run'])
    throw new UsageError(
      'conversations move by themselves when the ring changes (a node comes, drains or dies): there is nothing ' +
        'to start; carillon ring rebalance --dry-run shows what is moving',
    );
  const seen = await admin.status();
  await printLine(
    flags.json ? JSON.stringify({ partitions: seen.partitions, nodes: shares(seen) }) : sharesText(seen),
  );
  return 0;
}

async function forget({ admin, words, flags }: Given): Promise<number> {
  const name = checkNodeName(oneWord(words, 'NODE'));
  const { node, state } = findNode(await admin.status(), name);
  await admin.change('forget', node);
  const said =
    state === 'dead'
      ? `${node} counts as looked after.`
      : `${node} is marked as dead: the others take over what it owned.`;
  await printLine(flags.json ? JSON.stringify({ node, done: true }) : said);
  return 0;
}

async function change({ admin, words, flags }: Given, action: 'drain' | 'undrain'): Promise<number> {
  const name = checkNodeName(oneWord(words, 'NODE'));
  const seconds = readInteger('timeout', flags.timeout, 1, TIMEOUT_SECONDS_MAX) ?? TIMEOUT_SECONDS_DEFAULT;
  const found = findNode(await admin.status(), name);
  const { node, state } = found;
  if (state === 'dead') throw new Error(`${node} is dead: it owns nothing any more, and cannot ${action}`);
  const waited = await fulfil(admin, { action, node: found, timeoutMs: seconds * 1000 });
  const { ending, elapsedMs, last } = waited;
  const said = `${node} ${SAID[action][ending](waited)}`;
  if (flags.json) {
    const { owned, moving } = last;
    await printLine(JSON.stringify({ node, done: ending === 'done', ending, elapsedMs, owned, moving }));
  } else if (ending === 'done') await printLine(said);
  if (ending !== 'done') note(`carillon: ${said}`);
  return ending === 'done' ? 0 : 1;
}

type Sayings = Readonly<Record<Ending, (waited: Waited) => string>>;

/** What comes behind the node's id. */
const SAID: Readonly<Record<'drain' | 'undrain', Sayings>> = {
  drain: {
    done: ({ elapsedMs }) => `is drained (${age(elapsedMs)}): it owns nothing, and can be stopped.`,
    timedOut: ({ elapsedMs, last }) =>
      `is not drained after ${age(elapsedMs)}: ${left(last)}. ${goesOn(last)}`,
    interrupted: ({ last }) => `is not waited for any more: ${left(last)}. ${goesOn(last)}`,
    ended: ({ last }) => `ended before it was drained: ${left(last)}. The others take over what it owned.`,
    undone: ({ last }) => `was taken into the ring again by someone else: ${left(last)}.`,
  },
  undrain: {
    done: ({ elapsedMs }) => `is live (${age(elapsedMs)}): conversations come to it again.`,
    timedOut: ({ elapsedMs, last }) => `is not live after ${age(elapsedMs)}: ${left(last)}.`,
    interrupted: ({ last }) => `is not waited for any more: ${left(last)}. It may still come back.`,
    ended: () => 'ended: it cannot come back under this id.',
    undone: () => 'is draining.', // of drains alone
  },
};

function left({ state, owned, moving }: RingNode): string {
  return `it is ${state}, ${count(owned)} conversations owned, ${count(moving)} of them moving`;
}

function goesOn({ state }: RingNode): string {
  return state === 'draining'
    ? 'The drain goes on; carillon ring undrain ends it.'
    : 'It was not seen to begin, but still may; carillon ring status shows it.';
}

function oneWord(words: readonly string[], what: 'NODE' | 'CONVERSATION'): string {
  const [word, ...more] = words;
  if (word === undefined) throw new UsageError(`${what} is missing`);
  if (more.length > 0) throw new UsageError(`${more[0]}: one ${what} at a time`);
  return word;
}
