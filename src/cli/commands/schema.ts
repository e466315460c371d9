import type { ScyllaClient } from '../../adapters/scylla/client.ts';
import type { SchemaState, SchemaStatus } from '../../adapters/scylla/migrate.ts';
import type { ScyllaOptions } from '../../adapters/scylla/options.ts';
import { loadScylla, scyllaFlags } from '../../config.ts';
import { type Logger, StoreUnavailable } from '../../core/ports.ts';
import { type Flags, type FlagValues, readFlags, readInteger, UsageError } from '../args.ts';
import { type Command, flagSection } from '../command.ts';
import { note, printLine, progress, table } from '../output.ts';

const REPLICATION_FACTOR_DEFAULT = 3;
const REPLICATION_FACTOR_MAX = 99;

const OWN_FLAGS = {
  'replication-factor': {
    type: 'string',
    value: 'N',
    help: `copies of all data in the data centre, if the keyspace is yet to be created (${REPLICATION_FACTOR_DEFAULT})`,
  },
  json: { type: 'boolean', help: 'as {"keyspace","state","version","latest","pending"}, for scripts' },
} as const satisfies Flags;

const STORE_FLAGS: Flags = Object.fromEntries(
  scyllaFlags().map(({ name, value, help }) => [name, { type: 'string', value, help }]),
);

const FLAGS: typeof OWN_FLAGS & Flags = { ...OWN_FLAGS, ...STORE_FLAGS };

/** What the state means to whoever asked. */
const MEANINGS: Readonly<Record<SchemaState, string>> = {
  missing: 'there is none; carillon schema apply makes it',
  behind: 'carillon schema apply brings it up to this version of Carillon',
  current: 'nothing is to be done',
  ahead: 'a newer version of Carillon was here',
  different:
    'it was made by other migrations than those of this version of Carillon; nothing is applied to it',
};

export const schema: Command = {
  name: 'schema',
  usage: 'schema apply|status',
  summary: 'Creates or upgrades the tables of a cluster, or tells how they stand.',
  help: `Exit code of status: 0 if the schema is current, else 1.\n\n${flagSection(FLAGS)}`,
  async run(args) {
    const { flags, words } = readFlags(args, FLAGS);
    const [action, ...more] = words;
    if ((action !== 'apply' && action !== 'status') || more.length > 0)
      throw new UsageError('say what to do: carillon schema apply, or carillon schema status');
    const given = flags['replication-factor'];
    if (action === 'status' && given !== undefined)
      throw new UsageError('--replication-factor is for carillon schema apply');
    const replicationFactor =
      readInteger('replication-factor', given, 1, REPLICATION_FACTOR_MAX) ?? REPLICATION_FACTOR_DEFAULT;
    const loaded = loadScylla(settingArgs(flags), process.env);
    for (const warning of loaded.warnings) note(`carillon: ${warning}`);
    if (!loaded.ok) {
      for (const problem of loaded.problems) note(`carillon: ${problem}`);
      return 2;
    }
    return withStore(loaded.config, (client) =>
      action === 'apply' ? apply(client, replicationFactor, flags.json) : status(client, flags.json),
    );
  },
};

function settingArgs(flags: FlagValues<typeof STORE_FLAGS>): string[] {
  return scyllaFlags().flatMap(({ name }) => (flags[name] === undefined ? [] : [`--${name}=${flags[name]}`]));
}

async function withStore(
  options: ScyllaOptions,
  work: (client: ScyllaClient) => Promise<number>,
): Promise<number> {
  const { ScyllaClient } = await import('../../adapters/scylla/client.ts');
  const { realSystem } = await import('../../adapters/system.ts');
  progress(`connecting to ${options.contactPoints.join(', ')}`);
  try {
    const client = await ScyllaClient.connect(options, { system: realSystem(), logger: silent });
    try {
      return await work(client);
    } finally {
      await client.close();
    }
  } catch (error) {
    progress('');
    if (!(error instanceof StoreUnavailable)) throw error;
    throw new Error(error.message.split('\n', 1)[0], { cause: error }); // the driver's has a stack in it
  }
}

/** What fails is thrown too. */
const silent: Logger = { info: () => undefined, warn: () => undefined, error: () => undefined };

async function status(client: ScyllaClient, json: boolean): Promise<number> {
  const { schemaStatus } = await import('../../adapters/scylla/migrate.ts');
  const now = await schemaStatus(client);
  await report(client.keyspace, now, json);
  return now.state === 'current' ? 0 : 1;
}

async function apply(client: ScyllaClient, replicationFactor: number, json: boolean): Promise<number> {
  const { applySchema, schemaStatus } = await import('../../adapters/scylla/migrate.ts');
  const { MIGRATIONS } = await import('../../adapters/scylla/schema.ts');
  const { realSystem } = await import('../../adapters/system.ts');
  const before = await schemaStatus(client);
  if (before.state === 'missing') checkReplication(client, replicationFactor);
  let now = before;
  // One at a time, so as to say which is under way.
  while (now.state === 'missing' || now.state === 'behind') {
    const next = now.version + 1;
    progress(`migration ${next} of ${now.latest}: ${MIGRATIONS[now.version]?.title ?? ''}`);
    const migrations = MIGRATIONS.slice(0, next);
    await applySchema(client, { replicationFactor, system: realSystem(), migrations });
    now = await schemaStatus(client);
  }
  await report(client.keyspace, now, json, before.pending.slice(0, now.version - before.version));
  return now.state === 'different' ? 1 : 0;
}

/** With more copies than nodes a quorum may never come together, not even for the second table. */
function checkReplication({ driver, localDc }: ScyllaClient, replicationFactor: number): void {
  const nodes = [...driver.hosts.values()].filter((host) => host.datacenter === localDc).length;
  if (replicationFactor <= nodes) return;
  throw new UsageError(
    `the data centre ${localDc} has ${nodes} ${nodes === 1 ? 'node' : 'nodes'}, too few for ${replicationFactor} copies: ` +
      `add nodes first, or give --replication-factor ${nodes}`,
  );
}

async function report(
  keyspace: string,
  { state, version, latest, pending }: SchemaStatus,
  json: boolean,
  applied?: readonly string[],
): Promise<void> {
  progress('');
  if (json) {
    await printLine(JSON.stringify({ keyspace, state, version, latest, pending, applied }));
    return;
  }
  const { MIGRATIONS } = await import('../../adapters/scylla/schema.ts');
  const rows = MIGRATIONS.map((migration) => {
    const isNew = applied?.includes(migration.title) === true;
    const how = migration.version > version ? 'pending' : isNew ? 'applied now' : 'applied';
    return [String(migration.version), how, migration.title];
  });
  await printLine(`${table([['version', 'state', 'migration'], ...rows])}\n`);
  await printLine(
    `The schema in ${keyspace} is ${state} (version ${version} of ${latest}): ${MEANINGS[state]}.`,
  );
}
