import { Client, policies, type QueryOptions, types } from 'cassandra-driver';
import type { Services } from '../../services/stack.ts';
import { sleep } from '../../support/server-process.ts';

const { localQuorum, localSerial } = types.consistencies;
const WRITE_EVERY_MS = 50;
const WRITE_MS_MAX = 1_000;
const LWT_AT_ONCE = 32;
const LWT_ROWS = 2_000;
/** Of the log of one bounded read of all owners. */
const OWNERS_PER_PAGE = 5_000;

/** A client of the store that shares nothing with the nodes: neither links nor code. */
export class StoreClient {
  readonly #client: Client;
  readonly #keyspace: string;

  private constructor(client: Client, keyspace: string) {
    this.#client = client;
    this.#keyspace = keyspace;
  }

  static async connect({ cassandra }: Services, keyspace: string): Promise<StoreClient> {
    const client = new Client({
      contactPoints: [...cassandra.contactPoints],
      localDataCenter: cassandra.localDc,
      policies: { reconnection: new policies.reconnection.ConstantReconnectionPolicy(250) },
    });
    await client.connect();
    const own = new StoreClient(client, keyspace);
    await client.execute(
      `CREATE TABLE IF NOT EXISTS ${keyspace}.chaos_probe (id int PRIMARY KEY, n int)`,
      [],
      {
        readTimeout: 30_000,
      },
    );
    return own;
  }

  /** Who owns each conversation, by the owner table. */
  async owners(): Promise<Map<string, string>> {
    const owners = new Map<string, string>();
    const query = `SELECT conv, owner FROM ${this.#keyspace}.conv_owner`;
    let pageState: string | undefined;
    do {
      const page = await this.#read(query, {
        fetchSize: OWNERS_PER_PAGE,
        ...(pageState !== undefined && { pageState }),
      });
      for (const row of page.rows) owners.set(String(row['conv']), String(row['owner']));
      pageState = page.pageState ?? undefined;
    } while (pageState !== undefined);
    return owners;
  }

  /** Conversations that a node owns. */
  async ownedBy(node: string | undefined): Promise<Set<string>> {
    const owned = [...(await this.owners())].filter(([, owner]) => owner === node);
    return new Set(owned.map(([conv]) => conv));
  }

  /** Terms that the lease table has as dead. */
  async deadTerms(): Promise<number> {
    const { rows } = await this.#read(`SELECT state FROM ${this.#keyspace}.node_lease`);
    return rows.filter((row) => row['state'] === 'dead').length;
  }

  /** Whether the lease table has the term as live. */
  async isLive(id: string | undefined): Promise<boolean> {
    const { rows } = await this.#read(`SELECT node, state FROM ${this.#keyspace}.node_lease`);
    return rows.some((row) => String(row['node']) === id && row['state'] === 'live');
  }

  /** Once more if it fails: a node of the store may have been killed meanwhile. */
  #read(query: string, options: QueryOptions = {}): Promise<types.ResultSet> {
    const read = (): Promise<types.ResultSet> =>
      this.#client.execute(query, [], {
        prepare: true,
        isIdempotent: true,
        consistency: localQuorum,
        readTimeout: 10_000,
        ...options,
      });
    return read().catch(read);
  }

  /** Writes one small row after another at a quorum; resolves with the time at which the first is there. */
  async firstWrite(msMax: number): Promise<number> {
    const end = performance.now() + msMax;
    for (let n = 1; performance.now() < end; n++) {
      try {
        await this.#client.execute(`INSERT INTO ${this.#keyspace}.chaos_probe (id, n) VALUES (1, ?)`, [n], {
          prepare: true,
          consistency: localQuorum,
          readTimeout: WRITE_MS_MAX,
        });
        return performance.now();
      } catch {
        await sleep(WRITE_EVERY_MS); // it is away: that is what we wait for the end of
      }
    }
    throw new Error(`the store took no write at a quorum within ${msMax} ms`);
  }

  /** Conditional writes per second, as the claims of a take-over are: each of a row of its own, many at once. */
  async lwtRate(seconds: number): Promise<number> {
    const query = `UPDATE ${this.#keyspace}.chaos_probe SET n = ? WHERE id = ? IF n = ?`;
    const options = {
      prepare: true,
      consistency: localQuorum,
      serialConsistency: localSerial,
      readTimeout: 5_000,
    };
    const insert = `INSERT INTO ${this.#keyspace}.chaos_probe (id, n) VALUES (?, 0)`;
    for (let id = 10; id < 10 + LWT_ROWS; id += LWT_AT_ONCE) {
      const ids = Array.from({ length: LWT_AT_ONCE }, (_, i) => id + i);
      await Promise.all(ids.map((each) => this.#client.execute(insert, [each], { prepare: true })));
    }
    const from = performance.now();
    let [next, done] = [0, 0];
    const work = async (): Promise<void> => {
      while (performance.now() - from < seconds * 1_000) {
        const [id, round] = [10 + (next % LWT_ROWS), Math.floor(next / LWT_ROWS)];
        next++;
        await this.#client.execute(query, [round + 1, id, round], options);
        done++;
      }
    };
    await Promise.all(Array.from({ length: LWT_AT_ONCE }, work));
    return (done * 1_000) / (performance.now() - from);
  }

  close(): Promise<void> {
    return this.#client.shutdown();
  }
}
