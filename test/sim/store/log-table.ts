import { commonBucket } from '../../../src/core/buckets.ts';
import type { LookUpOutcome } from '../../../src/core/actor.ts';
import type {
  FloorRow,
  HeadRow,
  LogRow,
  LogTable,
  RowRange,
  WriteOutcome,
} from '../../../src/core/cluster-ports.ts';
import type { ConversationId, DeviceId, Seq, UserId } from '../../../src/core/ids.ts';
import { type ReadLimits, StoreUnavailable } from '../../../src/core/ports.ts';
import type { AppendRow, DedupHit, Establishment, StoredRow } from '../../../src/core/rows.ts';
import { LIMITS } from '../../../src/protocol/limits.ts';
import { readU64, TS_AT } from '../../../src/protocol/message-frame.ts';
import type { Cell } from './cells.ts';
import { combined, type SimProjectionStore } from './projections.ts';
import type { Route } from './route.ts';

/** All appends have one: an erasure, at 2, stays whatever repeated write comes after it. */
const APPEND_TS = 1;
/** Of env bytes in one batch of several rows. */
const APPEND_BYTES_MAX = 50_000;

interface DedupColumns {
  readonly hit: DedupHit;
  /** By the store's clock. */
  readonly writtenAt: number;
}

/** messages, dedup, conv_floor and conv_head as one process sees them. */
export class SimLogTable implements LogTable {
  readonly #route: Route;
  readonly #projections: SimProjectionStore;

  constructor(route: Route, projections: SimProjectionStore) {
    this.#route = route;
    this.#projections = projections;
  }

  async write(conv: ConversationId, rows: readonly LogRow[]): Promise<WriteOutcome> {
    const [first] = rows;
    if (first === undefined) return 'written';
    const bucket = commonBucket(first.seq, (rows.at(-1) as LogRow).seq);
    const bytes = rows.reduce((sum, { env }) => sum + env.length, 0);
    if (bytes > APPEND_BYTES_MAX && rows.length > 1)
      throw new RangeError(`a batch of ${bytes} bytes; the most is ${APPEND_BYTES_MAX}`);
    const cells = rows.map(({ seq, fence, c, m, x, env }): Cell => {
      return {
        key: `${seq} ${fence}`,
        ts: APPEND_TS,
        columns: { seq, fence, c, m, x, env } satisfies StoredRow,
      };
    });
    return this.#route.write('append', { partition: `${logPrefix(conv)}${bucket}`, cells });
  }

  rows(conv: ConversationId, from: Seq, to: Seq, limits: ReadLimits): Promise<RowRange> {
    return this.#range('rows', conv, from, to, limits, 1);
  }
  rowsBackward(conv: ConversationId, from: Seq, to: Seq, limits: ReadLimits): Promise<RowRange> {
    return this.#range('rowsBackward', conv, from, to, limits, -1);
  }

  async writeDedup(conv: ConversationId, rows: readonly AppendRow[]): Promise<WriteOutcome> {
    const partitions = new Map<string, Cell[]>();
    const [ts, writtenAt] = [this.#route.system.now(), this.#route.storeNow];
    for (const { user, device, cmid, seq, env, hash } of rows) {
      if (cmid === '') continue;
      const partition = dedupPartition(conv, user, device);
      const cells = partitions.get(partition) ?? [];
      partitions.set(partition, cells);
      const hit = { seq, ts: readU64(env, TS_AT), hash };
      cells.push({ key: cmid, ts, columns: { hit, writtenAt } satisfies DedupColumns });
    }
    return combined(
      await Promise.all(
        [...partitions].map(([partition, cells]) => this.#route.write('writeDedup', { partition, cells })),
      ),
    );
  }

  async lookUp(conv: ConversationId, user: UserId, device: DeviceId, cmid: string): Promise<LookUpOutcome> {
    try {
      const query = { partition: dedupPartition(conv, user, device), keys: [cmid] };
      const [cell] = await this.#route.read('lookUp', query);
      const found = cell?.columns as DedupColumns | undefined;
      if (found === undefined || found.writtenAt <= this.#route.storeNow - LIMITS.dedupWindowMs)
        return { t: 'none' };
      return { t: 'found', hit: found.hit };
    } catch (error) {
      if (error instanceof StoreUnavailable) return { t: 'unavailable' };
      throw error;
    }
  }

  floor(conv: ConversationId): Promise<FloorRow | undefined> {
    return this.#single<FloorRow>('floor', floorPartition(conv));
  }
  writeFloor(conv: ConversationId, { fence, start }: FloorRow): Promise<WriteOutcome> {
    return this.#put('writeFloor', floorPartition(conv), fence, { fence, start });
  }

  head(conv: ConversationId): Promise<HeadRow | undefined> {
    return this.#single<HeadRow>('head', headPartition(conv));
  }
  writeHead(conv: ConversationId, { head, n, ts }: HeadRow): Promise<WriteOutcome> {
    return this.#put('writeHead', headPartition(conv), head, { head, n, ts });
  }

  establish({ conversation, members }: Establishment): Promise<WriteOutcome> {
    return this.#projections.establish(conversation, members);
  }

  async #range(
    operation: string,
    conv: ConversationId,
    from: Seq,
    to: Seq,
    limits: ReadLimits,
    way: 1 | -1,
  ): Promise<RowRange> {
    const partition = `${logPrefix(conv)}${commonBucket(from, to)}`;
    let more = false;
    const matches = (columns: object): boolean => {
      const { seq } = columns as StoredRow;
      return from <= seq && seq <= to;
    };
    const select = (found: readonly Cell[]): readonly Cell[] => {
      const sorted = [...found].sort((a, b) => inOrder(rowOf(a), rowOf(b), way));
      const end = fitting(sorted, limits);
      more = end < sorted.length;
      return more ? sorted.slice(0, end) : sorted;
    };
    const cells = await this.#route.read(operation, { partition, matches, select });
    return { rows: cells.map(rowOf), more };
  }

  async #single<T>(operation: string, partition: string): Promise<T | undefined> {
    const [cell] = await this.#route.read(operation, { partition });
    return cell?.columns as T | undefined;
  }

  #put(operation: string, partition: string, ts: number, columns: object): Promise<WriteOutcome> {
    return this.#route.write(operation, { partition, cells: [{ key: '', ts, columns }] });
  }
}

/** How the names of a conversation's buckets begin. */
export function logPrefix(conv: ConversationId): string {
  return `messages ${conv} `;
}

export function rowOf(cell: Cell): StoredRow {
  return cell.columns as StoredRow;
}

/** By seq, rising or falling; of a seq, the highest fence first. */
export function inOrder(a: StoredRow, b: StoredRow, way: 1 | -1 = 1): number {
  return a.seq === b.seq ? b.fence - a.fence : way * (a.seq - b.seq);
}

/** How many cells, whole seqs and one of them at least, are within the limits. */
function fitting(sorted: readonly Cell[], { rowsMax, bytesMax }: ReadLimits): number {
  let [end, bytes] = [0, 0];
  for (let next = 0; next < sorted.length; end = next) {
    const { seq } = rowOf(sorted[next] as Cell);
    for (; next < sorted.length && rowOf(sorted[next] as Cell).seq === seq; next++)
      bytes += rowOf(sorted[next] as Cell).env.length;
    if (end > 0 && (next > rowsMax || bytes > bytesMax)) return end;
  }
  return end;
}

function dedupPartition(conv: ConversationId, user: UserId, device: DeviceId): string {
  return `dedup ${conv} ${user} ${device}`;
}
function floorPartition(conv: ConversationId): string {
  return `conv_floor ${conv}`;
}
function headPartition(conv: ConversationId): string {
  return `conv_head ${conv}`;
}
