import { commonBucket } from '../../core/buckets.ts';
import type { LookUpOutcome } from '../../core/actor.ts';
import {
  type FloorRow,
  type HeadRow,
  type LogRow,
  type LogTable,
  type RowRange,
  type WriteOutcome,
} from '../../core/cluster-ports.ts';
import type { ConversationId, DeviceId, Seq, UserId } from '../../core/ids.ts';
import type { ReadLimits } from '../../core/ports.ts';
import type { AppendRow, Establishment } from '../../core/rows.ts';
import { intCell, numbersOf, u64Cell, uuidCell } from './cells.ts';
import type { ScyllaClient } from './client.ts';
import { dedupWrites } from './dedup-writes.ts';
import { LookUps } from './look-ups.ts';
import { combined, writeOutcome } from './outcomes.ts';
import type { BatchRow } from './packed-batches.ts';
import { PartitionBatches } from './partition-batches.ts';
import { conversationWrite, memberWrites } from './projection-rows.ts';
import { readRange } from './row-range.ts';
import type { Statement } from './statements.ts';

/** TIMESTAMP 1, always: an erasure, at 2, stays whatever repeated write comes after it. */
const APPEND: Statement = {
  name: 'append',
  kind: 'write',
  cql: `INSERT INTO {ks}.messages (conv, bucket, seq, fence, c, m, x, env) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
    USING TIMESTAMP 1`,
};

const ROWS_OF = 'SELECT seq, fence, c, m, x, env FROM {ks}.messages WHERE conv = ? AND bucket = ?';
const ROWS: Statement = {
  name: 'rows',
  kind: 'read',
  cql: `${ROWS_OF} AND seq >= ? AND seq <= ?`,
};
const ROWS_BACKWARD: Statement = {
  name: 'rowsBackward',
  kind: 'read',
  cql: `${ROWS_OF} AND seq >= ? AND seq <= ? ORDER BY seq DESC, fence ASC`,
};

const FLOOR: Statement = {
  name: 'floor',
  kind: 'read',
  cql: 'SELECT fence, start FROM {ks}.conv_floor WHERE conv = ?',
};
/** TIMESTAMP = fence: the floor of an older term, however late, changes nothing. One fence writes one floor. */
const WRITE_FLOOR: Statement = {
  name: 'writeFloor',
  kind: 'write',
  cql: 'INSERT INTO {ks}.conv_floor (conv, fence, start) VALUES (?, ?, ?) USING TIMESTAMP ?',
};
const HEAD: Statement = {
  name: 'head',
  kind: 'read',
  cql: 'SELECT head, n, ts FROM {ks}.conv_head WHERE conv = ?',
};
/** TIMESTAMP = head: n and ts are functions of the log up to it, so equal writes are the same write. */
const WRITE_HEAD: Statement = {
  name: 'writeHead',
  kind: 'write',
  cql: 'INSERT INTO {ks}.conv_head (conv, head, n, ts) VALUES (?, ?, ?, ?) USING TIMESTAMP ?',
};

/** Of env bytes; what an AppendBatch may hold, 48 KiB, is below it. */
const APPEND_BYTES_MAX = 50_000;

/** messages, dedup_runs, conv_floor and conv_head; and what establishes a conversation. */
export class ScyllaLogTable implements LogTable {
  readonly #client: ScyllaClient;
  readonly #lookUps: LookUps;

  constructor(client: ScyllaClient) {
    this.#client = client;
    this.#lookUps = new LookUps(client);
  }

  async write(conv: ConversationId, rows: readonly LogRow[]): Promise<WriteOutcome> {
    const [first] = rows;
    if (first === undefined) return 'written';
    const bucket = commonBucket(first.seq, (rows.at(-1) as LogRow).seq);
    const bytes = envBytes(rows);
    if (bytes > APPEND_BYTES_MAX && rows.length > 1)
      throw new RangeError(`a batch of ${bytes} bytes; the most is ${APPEND_BYTES_MAX}`);
    return writeOutcome(await this.#client.batch(appendBatch(conv, bucket, rows), bytes));
  }

  async rows(conv: ConversationId, from: Seq, to: Seq, limits: ReadLimits): Promise<RowRange> {
    return readRange(this.#client, ROWS, rangeParams(conv, from, to), limits);
  }

  async rowsBackward(conv: ConversationId, from: Seq, to: Seq, limits: ReadLimits): Promise<RowRange> {
    return readRange(this.#client, ROWS_BACKWARD, rangeParams(conv, from, to), limits);
  }

  async writeDedup(conv: ConversationId, rows: readonly AppendRow[]): Promise<WriteOutcome> {
    const batches = new PartitionBatches();
    dedupWrites(conv, rows, batches);
    return batches.write(this.#client);
  }

  lookUp(conv: ConversationId, user: UserId, device: DeviceId, cmid: string): Promise<LookUpOutcome> {
    return this.#lookUps.lookUp(conv, user, device, cmid);
  }

  async floor(conv: ConversationId): Promise<FloorRow | undefined> {
    const row = await this.#client.first(FLOOR, [uuidCell(conv)]);
    return row && numbersOf(row, 'fence', 'start');
  }

  async writeFloor(conv: ConversationId, { fence, start }: FloorRow): Promise<WriteOutcome> {
    const fenceCell = u64Cell(fence);
    const params = [uuidCell(conv), fenceCell, u64Cell(start), fenceCell];
    return writeOutcome(await this.#client.write(WRITE_FLOOR, params));
  }

  async head(conv: ConversationId): Promise<HeadRow | undefined> {
    const row = await this.#client.first(HEAD, [uuidCell(conv)]);
    return row && numbersOf(row, 'head', 'n', 'ts');
  }

  async writeHead(conv: ConversationId, { head, n, ts }: HeadRow): Promise<WriteOutcome> {
    const headCell = u64Cell(head);
    const params = [uuidCell(conv), headCell, u64Cell(n), u64Cell(ts), headCell];
    return writeOutcome(await this.#client.write(WRITE_HEAD, params));
  }

  /** Members first: a conversation that is seen has them. */
  async establish({ conversation, members }: Establishment): Promise<WriteOutcome> {
    const batches = new PartitionBatches();
    memberWrites(conversation.conv, conversation.version, members, batches);
    const first = await batches.write(this.#client);
    if (first !== 'written') return first;
    const { statement, params } = conversationWrite(conversation);
    const second = writeOutcome(await this.#client.write(statement, params));
    return members.length === 0 ? second : combined([first, second]);
  }
}

function appendBatch(conv: ConversationId, bucket: number, rows: readonly LogRow[]): BatchRow[] {
  const [convCell, bucketCell] = [uuidCell(conv), intCell(bucket)];
  return rows.map(({ seq, fence, c, m, x, env }) => {
    return { statement: APPEND, params: [convCell, bucketCell, seq, fence, c, m, x, env] };
  });
}

function envBytes(rows: readonly LogRow[]): number {
  let bytes = 0;
  for (const row of rows) bytes += row.env.length;
  return bytes;
}

function rangeParams(conv: ConversationId, from: Seq, to: Seq): Buffer[] {
  return [uuidCell(conv), intCell(commonBucket(from, to)), u64Cell(from), u64Cell(to)];
}
