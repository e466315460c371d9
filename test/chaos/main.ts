/**
 * `npm run chaos`: breaks things under load and checks what clients saw. The cluster's (`--minutes`), its drain
 * (`--drain`) and its take-over (`--kill`) alone, or crashes of the embedded server (`--rounds`).
 */
import { asError } from '../../src/client/errors.ts';
import {
  type Flags,
  flagsHelp,
  type FlagValues,
  noWords,
  readFlags,
  readInteger,
  UsageError,
} from '../../src/cli/args.ts';
import { CLUSTER_FAULTS } from './cluster/faults.ts';
import { chaos, drain, kill } from './cluster/main.ts';
import { embeddedCrashes } from './embedded.ts';

const MINUTES_DEFAULT = 10;
const MINUTES_MAX = 24 * 60;
const SEED_MAX = 2 ** 32 - 1;
const RATE_DEFAULT = 400;
const RATE_MAX = 10_000;
const ROUNDS_MAX = 1_000;
const DRAIN_CONVERSATIONS = 10_000;
const KILL_CONVERSATIONS = 3_000;
const CONVERSATIONS_MAX = 100_000;

const FLAGS = {
  minutes: { type: 'string', value: 'N', help: `of the cluster's plan (${MINUTES_DEFAULT})` },
  seed: {
    type: 'string',
    value: 'N',
    help: 'the same faults in the same order as in the run that printed it',
  },
  only: {
    type: 'string',
    value: 'NAME,…',
    help: `these faults alone: ${CLUSTER_FAULTS.map(({ name }) => name).join(', ')}`,
  },
  rate: { type: 'string', value: 'N', help: `messages per second, about (${RATE_DEFAULT})` },
  small: { type: 'boolean', help: 'one store node and one NATS server, for trying out' },
  write: { type: 'boolean', help: 'keeps the table in docs/faults.md' },
  drain: { type: 'boolean', help: 'instead: a sequencer of three drained, and added again' },
  kill: { type: 'boolean', help: 'instead: a sequencer of three killed (-9)' },
  conversations: {
    type: 'string',
    value: 'N',
    help: `of --drain (${DRAIN_CONVERSATIONS}) and --kill (${KILL_CONVERSATIONS}, of which one in three is the node's)`,
  },
  rounds: { type: 'string', value: 'N', help: 'instead: the embedded server killed (-9) so often' },
  json: { type: 'boolean', help: 'one line of JSON on standard output' },
  help: { type: 'boolean', short: 'h', help: 'this' },
} as const satisfies Flags;

const HELP = `npm run chaos -- [--minutes N | --drain | --kill | --rounds N] [FLAGS]

Exit code: 0 if all promises held, 1 on any finding, 2 on a wrong command line.

Flags:
${flagsHelp(FLAGS)}`;

async function run(flags: FlagValues<typeof FLAGS>): Promise<number> {
  const { json, small, write } = flags;
  const modes = (['minutes', 'drain', 'kill', 'rounds'] as const).filter(
    (name) => flags[name] !== undefined && flags[name] !== false,
  );
  if (modes.length > 1) throw new UsageError(`--${modes.join(' and --')}: one at a time`);
  const rounds = readInteger('rounds', flags.rounds, 1, ROUNDS_MAX);
  if (rounds !== undefined) return embeddedCrashes(rounds, json);
  const only = flags.only?.split(',') ?? [];
  for (const name of only)
    if (!CLUSTER_FAULTS.some((fault) => fault.name === name))
      throw new UsageError(`--only ${name}: no such fault`);
  const conversations = readInteger('conversations', flags.conversations, 3, CONVERSATIONS_MAX);
  if (flags.drain) return drain({ conversations: conversations ?? DRAIN_CONVERSATIONS, small, json });
  if (flags.kill) return kill({ conversations: conversations ?? KILL_CONVERSATIONS, small, json });
  const rate = readInteger('rate', flags.rate, 1, RATE_MAX);
  const minutes = readInteger('minutes', flags.minutes, 1, MINUTES_MAX) ?? MINUTES_DEFAULT;
  const seed = readInteger('seed', flags.seed, 0, SEED_MAX) ?? Math.floor(Math.random() * SEED_MAX);
  return chaos({ minutes, seed, only, rate: rate ?? RATE_DEFAULT, small, json, write });
}

try {
  const { flags, words } = readFlags(process.argv.slice(2), FLAGS);
  noWords(words);
  if (flags.help) process.stdout.write(`${HELP}\n`);
  else process.exitCode = await run(flags);
} catch (error) {
  const usage = error instanceof UsageError;
  process.stderr.write(`chaos: ${usage ? error.message : (asError(error).stack ?? '')}\n`);
  process.exitCode = usage ? 2 : 1;
}
