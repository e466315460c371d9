import { asError } from '../../client/errors.ts';
import { type Flags, type FlagValues, noWords, readFlags, UsageError } from '../args.ts';
import { type Command, flagSection } from '../command.ts';
import { note, progress } from '../output.ts';
import { checkClusterStore, report, STORE_FLAGS } from './check-cluster.ts';

const OWN_FLAGS = {
  'data-dir': { type: 'string', value: 'DIR', help: 'the embedded store (CARILLON_DATA_DIR, else ./data)' },
  store: { type: 'string', value: 'lmdb|scylla', help: 'which kind of store (CARILLON_STORE, else lmdb)' },
  json: { type: 'boolean', help: 'one JSON object per damage, then one with the counts' },
} as const satisfies Flags;

const FLAGS: typeof OWN_FLAGS & Flags = { ...OWN_FLAGS, ...STORE_FLAGS };

export const check: Command = {
  name: 'check',
  usage: 'check [--data-dir DIR] | check --store scylla',
  summary: 'Walks a store and verifies its density, checksums and projections; exit code 1 on damage.',
  help: `\
No server may run on an embedded store: it is not checked then (exit code 2).

With --store scylla: the log of a cluster, conversation by conversation. Each seq from 1 on must have one committed
row, no message may be there twice, no table may be ahead of the log, and the ids that it says are indexed must be
found. Nodes may run, but should be at rest.

${flagSection(FLAGS)}`,
  async run(args) {
    const { flags, words } = readFlags(args, FLAGS);
    noWords(words);
    const json = flags.json === true;
    if (storeOf(flags) === 'scylla') return checkClusterStore(flags, json);
    return checkEmbedded(flags['data-dir'] ?? (process.env.CARILLON_DATA_DIR || './data'), json);
  },
};

function storeOf(flags: FlagValues<typeof FLAGS>): 'lmdb' | 'scylla' {
  const store = flags.store ?? (process.env.CARILLON_STORE || 'lmdb');
  if (store !== 'lmdb' && store !== 'scylla')
    throw new UsageError(`--store ${store}: must be lmdb or scylla`);
  const others = store === 'lmdb' ? Object.keys(STORE_FLAGS) : ['data-dir'];
  const stray = others.find((name) => flags[name] !== undefined);
  if (stray !== undefined) throw new UsageError(`--${stray} is not for --store ${store}`);
  return store;
}

async function checkEmbedded(dir: string, json: boolean): Promise<number> {
  const { checkStore } = await import('../../adapters/lmdb/check.ts');
  try {
    return await report(dir, await checkStore(dir, progress), json);
  } catch (error) {
    progress('');
    note(`carillon: ${asError(error).message}`);
    return 2; // not checked: a server holds it, or it is no store
  }
}
