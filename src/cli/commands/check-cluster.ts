import { loadScylla, scyllaFlags } from '../../config.ts';
import { type Logger, StoreUnavailable } from '../../core/ports.ts';
import type { Flags, FlagValues } from '../args.ts';
import { note, printable, printLine, progress, table } from '../output.ts';

/** The flags of `carillon check` that say where a cluster's store is. */
export const STORE_FLAGS: Flags = Object.fromEntries(
  scyllaFlags().map(({ name, value, help }) => [name, { type: 'string', value, help }]),
);

/** What fails is thrown too. */
const silent: Logger = { info: () => undefined, warn: () => undefined, error: () => undefined };

/** Walks a cluster's store. Resolves with the exit code. */
export async function checkClusterStore(
  flags: FlagValues<typeof STORE_FLAGS>,
  json: boolean,
): Promise<number> {
  const args = Object.keys(STORE_FLAGS).flatMap((name) =>
    flags[name] === undefined ? [] : [`--${name}=${flags[name]}`],
  );
  const loaded = loadScylla(args, process.env);
  for (const warning of loaded.warnings) note(`carillon: ${warning}`);
  if (!loaded.ok) {
    for (const problem of loaded.problems) note(`carillon: ${problem}`);
    return 2;
  }
  const { ScyllaClient } = await import('../../adapters/scylla/client.ts');
  const { checkCluster } = await import('../../adapters/scylla/check.ts');
  const { realSystem } = await import('../../adapters/system.ts');
  const system = realSystem();
  try {
    const client = await ScyllaClient.connect(loaded.config, { system, logger: silent });
    try {
      return await report(client.keyspace, await checkCluster(client, system.now(), progress), json);
    } finally {
      await client.close();
    }
  } catch (error) {
    progress('');
    if (!(error instanceof StoreUnavailable)) throw error;
    note(`carillon: ${error.message.split('\n', 1)[0]}`); // the driver's has a stack in it
    return 2;
  }
}

export interface Report {
  readonly conversations: number;
  readonly rows: number;
  readonly damages: readonly { readonly conv: string; readonly seq?: number; readonly what: string }[];
  readonly damageCount: number;
}

/** Prints what a check of the store `name` found; resolves with the exit code. */
export async function report(name: string, found: Report, json: boolean): Promise<number> {
  const { conversations, rows, damages, damageCount } = found;
  progress('');
  if (json) {
    for (const damage of damages) await printLine(JSON.stringify(damage));
    await printLine(JSON.stringify({ conversations, rows, damages: damageCount }));
    return damageCount === 0 ? 0 : 1;
  }
  if (damages.length > 0) {
    const lines = damages.map(({ conv, seq, what }) => [
      conv,
      seq === undefined ? '' : String(seq),
      printable(what),
    ]);
    await printLine(`${table([['conversation', 'seq', 'damage'], ...lines])}\n`);
  }
  const unshown = damageCount > damages.length ? ` (the first ${damages.length} are shown)` : '';
  await printLine(
    `${name}: ${conversations} conversations, ${rows} events, ${damageCount} damages${unshown}`,
  );
  return damageCount === 0 ? 0 : 1;
}
