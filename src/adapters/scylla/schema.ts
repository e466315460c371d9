/**
 * The tables of DESIGN section 6, as numbered migrations. Rules for the next one: only ever append; a statement
 * can be run again (IF NOT EXISTS; a column that is there already is taken for added); a column once dropped is never added again under its name, since the servers
 * hide its cells by comparing their timestamps, here small, with the time of the drop.
 */
export interface Migration {
  readonly version: number;
  readonly title: string;
  /** With `{ks}` for the keyspace. */
  readonly statements: readonly string[];
}

/** Rows that are written over and over: few SSTables per read. Known to Cassandra and ScyllaDB alike. */
const LEVELED = `compaction = {'class': 'LeveledCompactionStrategy'}`;

/** Rows that expire: whole SSTables are dropped, if their rows are of one time and carry real timestamps. */
const windows = (unit: 'HOURS' | 'DAYS', size: number): string =>
  `compaction = {'class': 'TimeWindowCompactionStrategy', 'compaction_window_unit': '${unit}', ` +
  `'compaction_window_size': '${size}'} AND gc_grace_seconds = 86400`;

export const MIGRATIONS: readonly Migration[] = [
  {
    version: 1,
    title: 'leases, owners, the log, deduplication, conversations, members and inboxes',
    statements: [
      `CREATE TABLE IF NOT EXISTS {ks}.node_lease (node uuid PRIMARY KEY, state text, hb bigint, bus boolean,
        addr text, roles text, dirty_from bigint, walked boolean)`,
      `CREATE TABLE IF NOT EXISTS {ks}.node_dirty (node uuid, slot bigint, conv uuid, fence bigint,
        PRIMARY KEY ((node, slot), conv)) WITH ${windows('DAYS', 1)}`,
      `CREATE TABLE IF NOT EXISTS {ks}.conv_owner (conv uuid PRIMARY KEY, owner uuid, fence bigint, head bigint)`,
      `CREATE TABLE IF NOT EXISTS {ks}.conv_floor (conv uuid PRIMARY KEY, fence bigint, start bigint)`,
      `CREATE TABLE IF NOT EXISTS {ks}.messages (conv uuid, bucket int, seq bigint, fence bigint, c bigint,
        m bigint, x bigint, env blob, PRIMARY KEY ((conv, bucket), seq, fence))
        WITH CLUSTERING ORDER BY (seq ASC, fence DESC) AND ${LEVELED}`,
      `CREATE TABLE IF NOT EXISTS {ks}.dedup (conv uuid, user text, device text, cmid uuid, hit blob,
        PRIMARY KEY ((conv, user, device), cmid)) WITH ${windows('DAYS', 2)}`,
      `CREATE TABLE IF NOT EXISTS {ks}.conv_head (conv uuid PRIMARY KEY, head bigint, n bigint, ts bigint)`,
      `CREATE TABLE IF NOT EXISTS {ks}.conversations (conv uuid PRIMARY KEY, kind text, title text, created bigint,
        creator text, origin_hash bigint, version bigint) WITH ${LEVELED}`,
      `CREATE TABLE IF NOT EXISTS {ks}.members (conv uuid, shard int, user text, role text, join_seq bigint,
        left_seq bigint, read_seq bigint, read_n bigint, PRIMARY KEY ((conv, shard), user)) WITH ${LEVELED}`,
      `CREATE TABLE IF NOT EXISTS {ks}.inbox (user text, conv uuid, kind text, title text, peer text, role text,
        ts bigint, head_seq bigint, head_n bigint, read_seq bigint, read_n bigint, left_seq bigint, deleted bigint,
        preview text,
        PRIMARY KEY (user, conv)) WITH ${LEVELED}`,
    ],
  },
  {
    version: 2,
    title: 'what nodes say of their hand-overs',
    statements: ['draining boolean', 'owned int', 'moving int', 'lag int'].map(
      (column) => `ALTER TABLE {ks}.node_lease ADD ${column}`,
    ),
  },
  {
    version: 3,
    title: 'what reached the devices of members',
    statements: ['ALTER TABLE {ks}.members ADD delivered_seq bigint'],
  },
  {
    version: 4,
    title: 'how members want their conversations shown',
    statements: ['members', 'inbox'].map((table) => `ALTER TABLE {ks}.${table} ADD prefs text`),
  },
  {
    version: 5,
    title: 'what users have set, when they were online, what others see of their reading, and mentions',
    statements: [
      'ALTER TABLE {ks}.inbox ADD settings text STATIC',
      'ALTER TABLE {ks}.inbox ADD seen bigint STATIC',
      'ALTER TABLE {ks}.members ADD shown_seq bigint',
      'ALTER TABLE {ks}.members ADD mentions text',
      'ALTER TABLE {ks}.inbox ADD mentions text',
      'ALTER TABLE {ks}.conversations ADD mentioned bigint',
    ],
  },
  {
    version: 6,
    title: 'deduplication by runs of ids',
    statements: [
      `CREATE TABLE IF NOT EXISTS {ks}.dedup_runs (conv uuid, user text, device text, slot bigint, seq bigint,
        n int, hits blob, PRIMARY KEY ((conv, user, device), slot, seq, n)) WITH ${windows('DAYS', 2)}`,
      'DROP TABLE IF EXISTS {ks}.dedup',
    ],
  },
];

export const SCHEMA_VERSION = MIGRATIONS.length;
