import type { ConversationId, DeviceId, Seq, UserId } from '../../core/ids.ts';
import type { DedupHit } from '../../core/rows.ts';
import { LIMITS } from '../../protocol/limits.ts';
import { readU64 } from '../../protocol/message-frame.ts';
import { type FrozenPart, NOTHING, RankedOrder } from './bulk.ts';
import { DEDUP_VALUE_BYTES, DedupRows, dedupHit } from './dedup-rows.ts';
import type { Environment } from './environment.ts';
import { dedupKey, uuidRank } from './keys.ts';

const TS_AT = 8;
const FIRST_KEY = Uint8Array.of(0);

/** Finds what was committed under a client message id: the table, and what a bulk has yet to bring there. */
export class DedupIndex {
  readonly #env: Environment;
  readonly #seed: number;
  #fresh: DedupRows;
  #frozen: DedupRows | undefined;
  /** Where the next slice of the sweep begins. */
  #sweepFrom = FIRST_KEY;

  constructor(env: Environment, seed: number) {
    this.#env = env;
    this.#seed = seed;
    this.#fresh = new DedupRows(seed, 0);
  }

  get freshCount(): number {
    return this.#fresh.count;
  }

  /** A committed `message` frame with a cmid, at `at` of `bytes`: it has all that the row needs but the hash. */
  add(bytes: Uint8Array, at: number, seq: Seq, hash: number): void {
    this.#fresh.add(bytes, at, seq, hash);
  }

  /** undefined for what was never committed, or over 30 days ago. */
  find(
    conv: ConversationId,
    user: UserId,
    device: DeviceId,
    cmid: string,
    now: number,
  ): DedupHit | undefined {
    const key = dedupKey(conv, user, device, cmid);
    const hit = this.#fresh.find(key) ?? this.#frozen?.find(key) ?? this.#findInTable(key);
    return hit === undefined || isExpired(hit.ts, now) ? undefined : hit;
  }

  #findInTable(key: Uint8Array): DedupHit | undefined {
    const bytes = this.#env.dedup.getBinaryFast(key);
    return bytes && dedupHit(bytes, 0);
  }

  freeze(): FrozenPart {
    const rows = this.#fresh;
    if (rows.count === 0) return NOTHING;
    this.#frozen = rows;
    this.#fresh = new DedupRows(this.#seed, rows.count);
    const { bytes } = rows;
    const order = new RankedOrder(rows.count, (row) => uuidRank(bytes, rows.keyStart(row)));
    return {
      count: rows.count,
      write: (index: number) => {
        const row = order.at(index);
        const valueAt = rows.valueStart(row);
        const value = bytes.subarray(valueAt, valueAt + DEDUP_VALUE_BYTES);
        void this.#env.dedup.put(bytes.subarray(rows.keyStart(row), valueAt), value);
      },
      written: () => {
        this.#frozen = undefined;
      },
    };
  }

  /**
   * Looks at the next `rowsMax` rows of the table, around and around; returns the keys of those expired. The
   * caller removes them with `remove`.
   */
  sweep(now: number, rowsMax: number): Uint8Array[] {
    const expired: Uint8Array[] = [];
    let seen = 0;
    for (const { key, value } of this.#env.dedup.getRange({ start: this.#sweepFrom, limit: rowsMax })) {
      seen++;
      this.#sweepFrom = key as Uint8Array<ArrayBuffer>;
      if (isExpired(readU64(value, TS_AT), now)) expired.push(key);
    }
    if (seen < rowsMax) this.#sweepFrom = FIRST_KEY;
    return expired;
  }

  /** Part of a transaction. */
  remove(keys: readonly Uint8Array[]): void {
    for (const key of keys) void this.#env.dedup.remove(key);
  }
}

function isExpired(ts: number, now: number): boolean {
  return ts < now - LIMITS.dedupWindowMs;
}
