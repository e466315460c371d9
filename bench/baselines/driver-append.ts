/**
 * The bare driver: the same rows as unlogged batches of prepared statements in one partition, at LOCAL_QUORUM, as
 * many in flight, by the driver's public interface and types. No fence that means anything, no barrier, no index.
 */
import { Client, types } from 'cassandra-driver';
import { bucketOf } from '../../src/core/buckets.ts';
import type { ConversationId } from '../../src/core/ids.ts';
import type { AppendRow } from '../../src/core/rows.ts';
import { type Appender, type Outcome, pump } from '../append/pump.ts';
import type { Rows } from '../append/rows.ts';
import { carryOutPlan, tellProgress } from '../channel.ts';
import type { FromGenerator, Plan } from '../plan.ts';

const { Long, Uuid, consistencies } = types;
/** So that one page holds a bucket. */
const BUCKET_ROWS_MAX = 5_000;
const FENCE = Long.fromNumber(1);
const OPTIONS = {
  prepare: true,
  logged: false,
  consistency: consistencies.localQuorum,
  isIdempotent: true,
  fetchSize: BUCKET_ROWS_MAX,
};

class DriverAppender implements Appender {
  readonly #client: Client;
  readonly #insert: string;
  readonly #select: string;
  readonly #convs = new Map<ConversationId, types.Uuid>();

  constructor(client: Client, keyspace: string) {
    this.#client = client;
    this.#insert = `INSERT INTO ${keyspace}.messages (conv, bucket, seq, fence, c, m, x, env)
      VALUES (?, ?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP 1`;
    this.#select = `SELECT seq, env FROM ${keyspace}.messages WHERE conv = ? AND bucket = ?`;
  }

  async begin(lines: readonly Rows[]): Promise<void> {
    for (const { conv } of lines) this.#convs.set(conv, Uuid.fromString(conv));
    await this.#client.connect();
  }

  append({ conv }: Rows, rows: readonly AppendRow[], done: (outcome: Outcome) => void): void {
    const query = this.#insert;
    const id = this.#convs.get(conv);
    const first = (rows[0] as AppendRow).seq;
    const bucket = bucketOf(first);
    const c = Long.fromNumber(first - 1);
    const queries = rows.map(({ seq, m, env }) => {
      const blob = Buffer.from(env.buffer, env.byteOffset, env.length);
      return { query, params: [id, bucket, Long.fromNumber(seq), FENCE, c, Long.fromNumber(m), c, blob] };
    });
    void this.#send(queries, done);
  }

  async #send(queries: Parameters<Client['batch']>[0], done: (outcome: Outcome) => void): Promise<void> {
    let outcome: Outcome = { t: 'committed' };
    try {
      await this.#client.batch(queries, OPTIONS);
    } catch (error) {
      outcome = { t: 'fault', text: String(error) };
    }
    done(outcome);
  }

  async check({ conv, head, rowBytes }: Rows): Promise<{ rows: number; problems: string[] }> {
    const problems: string[] = [];
    let seen = 0;
    for (let bucket = 0; bucket <= bucketOf(head); bucket++) {
      const { rows } = await this.#client.execute(this.#select, [this.#convs.get(conv), bucket], OPTIONS);
      for (const { seq, env } of rows as unknown as { seq: types.Long; env: Buffer }[]) {
        if (seq.toNumber() !== ++seen || env.length !== rowBytes)
          problems.push(`${conv}: seq ${seq} of ${env.length} bytes where ${seen} is due`);
      }
    }
    if (seen !== head) problems.push(`${conv}: ${seen} rows, not ${head}`);
    return { rows: seen, problems };
  }
}

async function run(plan: Plan): Promise<FromGenerator> {
  if (plan.job !== 'append') throw new Error(`${plan.job} is the job of another program`);
  const { contactPoints, localDc, keyspace } = plan.store;
  const client = new Client({ contactPoints: [...contactPoints], localDataCenter: localDc });
  try {
    return { t: 'append', result: await pump(plan, new DriverAppender(client, keyspace), tellProgress) };
  } finally {
    await client.shutdown();
  }
}

carryOutPlan(run);
