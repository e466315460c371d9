import { createHash } from 'node:crypto';
import { errors } from 'cassandra-driver';
import { uuidFromBytes } from '../../core/ids.ts';
import { pause } from '../../core/patience.ts';
import { StoreUnavailable, type System } from '../../core/ports.ts';
import type { Row, ScyllaClient } from './client.ts';
import { failureOf, storeUnavailable } from './failures.ts';
import { type Migration, MIGRATIONS } from './schema.ts';
import type { Params, Statement } from './statements.ts';

/** How the keyspace stands to this program: `ahead` and `different` are for people to settle. */
export type SchemaState = 'missing' | 'behind' | 'current' | 'ahead' | 'different';

export interface SchemaStatus {
  readonly state: SchemaState;
  /** The migration applied last, 0 for none, and the last that this program knows. */
  readonly version: number;
  readonly latest: number;
  /** What `applySchema` would apply. */
  readonly pending: readonly string[];
}

export interface SchemaOptions {
  readonly replicationFactor: number;
  readonly system: Pick<System, 'after' | 'monotonic' | 'random'>;
  /** For tests; the program's own otherwise. */
  readonly migrations?: readonly Migration[];
}

const TRIES_MAX = 5;
const LOCK_TTL_S = 60;
const LOCK_LOOK_MS = 200;
const LOCK_WAIT_MS_MAX = 120_000;
const AGREEMENT_MS_MAX = 30_000;
/** The id of the row that is the lock; migrations count from 1. */
const LOCK = 0;

/**
 * The table's id is a function of its keyspace, so that two that create it at the same time create the same
 * table: before it there is no lock to be had.
 */
function createLog(keyspace: string): string {
  const id = createHash('sha256').update(`carillon/schema_log/${keyspace}`).digest();
  return `CREATE TABLE IF NOT EXISTS {ks}.schema_log (id int PRIMARY KEY, title text, digest text, holder text)
    WITH ID = ${uuidFromBytes(id, 0)}`;
}

const LOG: Statement = {
  name: 'schemaLog',
  kind: 'read',
  cql: 'SELECT id, title, digest FROM {ks}.schema_log',
};
const ENTRY: Statement = {
  name: 'schemaEntry',
  kind: 'serialRead',
  cql: 'SELECT digest, holder FROM {ks}.schema_log WHERE id = ?',
};
const ADD: Statement = {
  name: 'schemaAdd',
  kind: 'conditional',
  cql: 'INSERT INTO {ks}.schema_log (id, title, digest) VALUES (?, ?, ?) IF NOT EXISTS',
};
const TAKE_LOCK: Statement = {
  name: 'schemaLock',
  kind: 'conditional',
  cql: `INSERT INTO {ks}.schema_log (id, holder) VALUES (${LOCK}, ?) IF NOT EXISTS USING TTL ${LOCK_TTL_S}`,
};
const KEEP_LOCK: Statement = {
  name: 'schemaKeepLock',
  kind: 'conditional',
  cql: `UPDATE {ks}.schema_log USING TTL ${LOCK_TTL_S} SET holder = ? WHERE id = ${LOCK} IF holder = ?`,
};
const RELEASE_LOCK: Statement = {
  name: 'schemaUnlock',
  kind: 'conditional',
  cql: `DELETE FROM {ks}.schema_log WHERE id = ${LOCK} IF holder = ?`,
};

/** What is applied of what this program knows. Rejects with StoreUnavailable. */
export async function schemaStatus(
  client: ScyllaClient,
  migrations: readonly Migration[] = MIGRATIONS,
): Promise<SchemaStatus> {
  const latest = migrations.length;
  const titles = (from: number): string[] => migrations.slice(from).map(({ title }) => title);
  if (!(await hasTable(client, client.keyspace, 'schema_log')))
    return { state: 'missing', version: 0, latest, pending: titles(0) };
  const applied = new Map<number, string>();
  for (const row of await client.read(LOG, [])) {
    if (row.id !== LOCK) applied.set(row.id as number, row.digest as string);
  }
  const version = Math.max(0, ...applied.keys());
  const same = migrations.slice(0, version).every((each) => applied.get(each.version) === digestOf(each));
  const known: SchemaState = version === latest ? 'current' : version > latest ? 'ahead' : 'behind';
  return { state: same ? known : 'different', version, latest, pending: titles(version) };
}

/**
 * Brings the keyspace up to this program: creates it where it is missing, and runs what is pending, one applier
 * at a time. Any number may be called at once; each returns when the schema is current. Rejects with
 * StoreUnavailable, and with an Error where the schema is `different`.
 */
export async function applySchema(client: ScyllaClient, options: SchemaOptions): Promise<SchemaStatus> {
  const { migrations = MIGRATIONS, system, replicationFactor } = options;
  if (!Number.isInteger(replicationFactor) || replicationFactor < 1)
    throw new RangeError(`the replication factor must be an integer from 1, not ${replicationFactor}`);
  if ((await schemaStatus(client, migrations)).state === 'missing') {
    await change(client, await keyspaceStatement(client, replicationFactor), system);
    await change(client, createLog(client.keyspace), system);
  }
  const holder = Buffer.from(system.random(16)).toString('hex');
  const deadline = system.monotonic() + LOCK_WAIT_MS_MAX;
  for (;;) {
    const status = await schemaStatus(client, migrations);
    if (status.state === 'different')
      throw new Error(
        `the keyspace ${client.keyspace} was made by other migrations than this program's up to ${status.version}`,
      );
    if (status.state === 'current' || status.state === 'ahead') return status;
    if (await applied(client, TAKE_LOCK, [holder], LOCK, (row) => row?.holder === holder)) break;
    if (system.monotonic() > deadline) throw new StoreUnavailable('another applier holds the schema lock');
    await pause(system, LOCK_LOOK_MS);
  }
  try {
    const { version } = await schemaStatus(client, migrations);
    for (const migration of migrations.slice(version)) await applyOne(client, migration, holder, system);
  } finally {
    await applied(client, RELEASE_LOCK, [holder], LOCK, (row) => row?.holder !== holder);
  }
  return schemaStatus(client, migrations);
}

async function applyOne(
  client: ScyllaClient,
  migration: Migration,
  holder: string,
  system: SchemaOptions['system'],
): Promise<void> {
  const isOurs = (row: Row | undefined): boolean => row?.holder === holder;
  for (const statement of migration.statements) {
    if (!(await applied(client, KEEP_LOCK, [holder, holder], LOCK, isOurs)))
      throw new StoreUnavailable('another applier has taken over: apply the schema again');
    await change(client, statement, system);
  }
  const { version, title } = migration;
  const digest = digestOf(migration);
  if (!(await applied(client, ADD, [version, title, digest], version, (row) => row?.digest === digest)))
    throw new Error(`another applier applied another migration ${version}`);
}

/**
 * Whether a conditional write to a row of the log has the effect wanted, by its own word or by the row: the
 * outcome of one that met others, or was not answered, is to be read. Rejects with StoreUnavailable.
 */
async function applied(
  client: ScyllaClient,
  statement: Statement,
  params: Params,
  id: number,
  holds: (row: Row | undefined) => boolean,
): Promise<boolean> {
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const result = await client.conditional(statement, params);
    if (result === true || holds(await client.first(ENTRY, [id]))) return true;
    if (result === false) return false;
  }
  return false;
}

/** Runs a statement that changes the schema, and waits until all nodes that are up agree on it. */
async function change(client: ScyllaClient, cql: string, system: SchemaOptions['system']): Promise<void> {
  const { driver, keyspace } = client;
  // The driver's types lack it.
  const metadata = driver.metadata as unknown as { checkSchemaAgreement(): Promise<boolean> };
  try {
    const deadline = system.monotonic() + AGREEMENT_MS_MAX;
    // A node that was not counted as up may not have heard of the last change yet, its keyspace for instance.
    while (!(await ran(driver, cql.replaceAll('{ks}', keyspace)))) {
      if (system.monotonic() > deadline) throw new StoreUnavailable('a node lags behind with the schema');
      await pause(system, LOCK_LOOK_MS);
    }
    while (!(await metadata.checkSchemaAgreement())) {
      if (system.monotonic() > deadline) throw new StoreUnavailable('the nodes do not agree on the schema');
      await pause(system, LOCK_LOOK_MS);
    }
  } catch (error) {
    if (error instanceof StoreUnavailable) throw error;
    throw storeUnavailable(failureOf(error, false));
  }
}

/** False: the node that was asked does not know yet what the statement builds on. */
async function ran(driver: ScyllaClient['driver'], cql: string): Promise<boolean> {
  try {
    await driver.execute(cql, [], { readTimeout: AGREEMENT_MS_MAX });
    return true;
  } catch (error) {
    if (!(error instanceof errors.ResponseError)) throw error;
    // ADD knows no IF NOT EXISTS everywhere: an applier before this one came so far.
    if (/^ALTER TABLE .* ADD /.test(cql) && /already exists|existing column/i.test(error.message))
      return true;
    if (/doesn't exist|not found/i.test(error.message)) return false;
    throw error;
  }
}

/** ScyllaDB's tablets took no conditional writes for long; where they exist, the keyspace does without. */
async function keyspaceStatement(client: ScyllaClient, replicationFactor: number): Promise<string> {
  const tablets = (await hasTable(client, 'system', 'tablets')) ? ` AND tablets = {'enabled': false}` : '';
  return `CREATE KEYSPACE IF NOT EXISTS {ks} WITH replication =
    {'class': 'NetworkTopologyStrategy', '${client.localDc}': ${replicationFactor}}${tablets}`;
}

const TABLE: Statement = {
  name: 'schemaTable',
  kind: 'read',
  cql: 'SELECT table_name FROM system_schema.tables WHERE keyspace_name = ? AND table_name = ?',
};

async function hasTable(client: ScyllaClient, keyspace: string, table: string): Promise<boolean> {
  return (await client.first(TABLE, [keyspace, table])) !== undefined;
}

function digestOf({ statements }: Migration): string {
  return createHash('sha256').update(statements.join('\n')).digest('hex').slice(0, 16);
}
