import type { Client, types } from 'cassandra-driver';
import { writeU64 } from '../../protocol/message-frame.ts';
import type { Execution, Statement } from './statements.ts';

/** A parameter of a batch: a text, a bigint of 0 … 2^53 - 1, or bytes as they go over the wire. */
export type Cell = string | number | Uint8Array;

export interface BatchRow {
  readonly statement: Statement;
  /** Those of the partition key are Buffers or texts: the driver routes by them. */
  readonly params: readonly Cell[];
}

/** What the driver does for `batch`, up to the request's bytes; its types don't show it. */
interface Batching {
  _createBatchRequest(items: readonly BatchItem[], options: ExecutionOptions): Promise<BatchRequest>;
}

interface BatchItem {
  readonly queryId: Buffer;
  readonly params: readonly Cell[];
}

interface ExecutionOptions {
  getConsistency(): number;
}

interface BatchRequest {
  /** Of the body, for the driver's request trackers. */
  length: number;
  write(encoder: { readonly protocolVersion: number }, streamId: number): Buffer;
  /** Called before a request is sent again that met a server where a statement was not prepared. */
  clone(): BatchRequest;
}

/** A batch on its way through the driver. */
interface Pending {
  readonly rows: readonly BatchRow[];
  /** Each once, in the order in which the driver is given them. */
  readonly statements: readonly Statement[];
  encoded: boolean;
}

/**
 * Batches whose rows are encoded here, into one buffer. The driver would await a promise per row, and make two
 * buffers per value: that is twice the work. It is given one row per statement, for all that it does beside: it
 * prepares them, routes by the first row, sends, waits and sorts errors.
 */
export class PackedBatches {
  readonly #driver: Client;
  /** By the params of the first row, which come back with its item; gone when the driver is done with them. */
  readonly #pending = new WeakMap<readonly Cell[], Pending>();

  /** Only for batches of `send`: others of the same driver are left as they are. */
  constructor(driver: Client) {
    this.#driver = driver;
    const batching = driver as unknown as Batching;
    const create = batching._createBatchRequest.bind(driver);
    batching._createBatchRequest = async (items, options) => {
      const request = await create(items, options);
      const pending = this.#pending.get(items[0]?.params ?? []);
      if (pending !== undefined) {
        const ids = pending.statements.map((_, i) => (items[i] as BatchItem).queryId);
        request.clone = () => request; // the driver's own would have the rows that it was given alone
        request.write = ({ protocolVersion }, streamId) => {
          pending.encoded = true;
          const frame = encode(pending, ids, options.getConsistency(), protocolVersion, streamId);
          request.length = frame.length - HEADER_BYTES;
          return frame;
        };
      }
      return request;
    };
  }

  /** All `rows` in one unlogged batch; `query` tells a statement's text. */
  async send(
    rows: readonly BatchRow[],
    query: (statement: Statement) => string,
    execution: Execution,
  ): Promise<types.ResultSet> {
    const items: { query: string; params: readonly Cell[] }[] = [];
    const statements: Statement[] = [];
    for (const { statement, params } of rows) {
      if (statements.includes(statement)) continue;
      statements.push(statement);
      items.push({ query: query(statement), params });
    }
    const [first] = rows;
    if (first === undefined) throw new RangeError('a batch needs a row');
    const pending = { rows, statements, encoded: false };
    this.#pending.set(first.params, pending);
    const result = await this.#driver.batch(items as Parameters<Client['batch']>[0], execution);
    if (!pending.encoded) throw new Error('the driver sent a batch that was not encoded here');
    return result;
  }
}

const HEADER_BYTES = 9;
const OPCODE_BATCH = 0x0d;
const UNLOGGED = 1;
const PREPARED = 1;
/** type and count before the rows, consistency and flags behind them. */
const BODY_BYTES = 3 + 3;
/** Kind, length of the id, number of values. */
const ROW_BYTES = 5;
const CELL_BYTES = 4;
const BIGINT_BYTES = 8;

/**
 * A BATCH request of CQL's binary protocol, versions 3 and 4 (what the driver speaks with Cassandra and ScyllaDB):
 * header (version, flags, stream, opcode, body length) | type u8 | n u16 | n times (kind u8 | id | values u16 |
 * values, each with its length as i32) | consistency u16 | flags u8. Each statement says its own timestamp.
 */
function encode(
  { rows, statements }: Pending,
  ids: readonly Buffer[],
  consistency: number,
  version: number,
  streamId: number,
): Buffer {
  if (version !== 3 && version !== 4) throw new RangeError(`protocol version ${version}: 3 or 4 is expected`);
  const frame = Buffer.allocUnsafe(frameBytes(rows, statements, ids));
  frame[0] = version;
  frame[1] = 0;
  frame.writeInt16BE(streamId, 2);
  frame[4] = OPCODE_BATCH;
  frame.writeUInt32BE(frame.length - HEADER_BYTES, 5);
  frame[9] = UNLOGGED;
  let at = frame.writeUInt16BE(rows.length, 10);
  for (const { statement, params } of rows) {
    const id = ids[statements.indexOf(statement)] as Buffer;
    frame[at] = PREPARED;
    at = frame.writeUInt16BE(id.length, at + 1);
    at += id.copy(frame, at);
    at = frame.writeUInt16BE(params.length, at);
    for (const cell of params) {
      const begin = at + CELL_BYTES;
      const bytes = writeCell(frame, begin, cell);
      frame.writeInt32BE(bytes, at);
      at = begin + bytes;
    }
  }
  at = frame.writeUInt16BE(consistency, at);
  frame[at] = 0;
  return frame;
}

function frameBytes(
  rows: readonly BatchRow[],
  statements: readonly Statement[],
  ids: readonly Buffer[],
): number {
  let bytes = HEADER_BYTES + BODY_BYTES;
  for (const { statement, params } of rows) {
    bytes += ROW_BYTES + (ids[statements.indexOf(statement)] as Buffer).length;
    for (const cell of params) bytes += CELL_BYTES + cellBytes(cell);
  }
  return bytes;
}

function cellBytes(cell: Cell): number {
  if (typeof cell === 'number') return BIGINT_BYTES;
  return typeof cell === 'string' ? Buffer.byteLength(cell) : cell.length;
}

/** How many bytes it took. */
function writeCell(frame: Buffer, at: number, cell: Cell): number {
  if (typeof cell === 'string') return frame.write(cell, at);
  if (typeof cell === 'number') writeU64(frame, at, cell);
  else frame.set(cell, at);
  return cellBytes(cell);
}
