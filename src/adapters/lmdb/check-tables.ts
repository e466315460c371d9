import { type ConversationId, uuidFromBytes } from '../../core/ids.ts';
import { LIMITS } from '../../protocol/limits.ts';
import { messageCmid, messageDevice, messageFrom, readU64, TS_AT } from '../../protocol/message-frame.ts';
import type { Findings } from './check.ts';
import type { ConversationCheck } from './check-conversation.ts';
import { dedupHit } from './dedup-rows.ts';
import { type ConversationIndex, HEAD_BYTES } from './conversation-index.ts';
import type { Environment } from './environment.ts';
import { CONV_BYTES, dedupKey } from './keys.ts';
import { LOCATION_BYTES, type Location } from './location-block.ts';
import type { ChunkReader } from './record-codec.ts';

/** The index tables know where every batch is, and know no others. */
export class IndexCheck {
  readonly #env: Environment;
  readonly #index: ConversationIndex;
  readonly #findings: Findings;
  #found = 0;

  constructor(env: Environment, index: ConversationIndex, findings: Findings) {
    this.#env = env;
    this.#index = index;
    this.#findings = findings;
  }

  /** `required`: a bulk has passed it. Beyond, one that was cut off may have brought some rows already. */
  batch(conv: ConversationId, { c, rows, position }: ChunkReader, chunk: number, required: boolean): void {
    const last = c + rows;
    const locations: Location[] = [];
    this.#index.locateInTables(conv, last, last, locations);
    const found = locations[0];
    if (found?.last === last && found.chunk === chunk && found.position === position) this.#found++;
    else if (found?.last === last)
      this.#findings.add(conv, last, `the index has it in chunk ${found.chunk}, not ${chunk}`);
    else if (required) this.#findings.add(conv, last, 'missing in the index');
  }

  finish(states: ReadonlyMap<ConversationId, ConversationCheck>): void {
    let count = 0;
    for (const { value } of this.#env.index.getRange({ snapshot: true }))
      count += value.length / LOCATION_BYTES;
    for (const { key, value } of this.#env.heads.getRange({ snapshot: true })) {
      count += (value.length - HEAD_BYTES) / LOCATION_BYTES;
      const conv = uuidFromBytes(key, 0);
      const head = readU64(value, 0);
      if (head > (states.get(conv)?.head ?? 0))
        this.#findings.add(conv, head, 'the head in the index, beyond the log');
    }
    if (count > this.#found) {
      this.#findings.add(
        '',
        undefined,
        `the index has ${count - this.#found} places where the log has no such batch`,
      );
    }
  }
}

/** Every message of the last 30 days has its deduplication row, and no row names a seq that there isn't. */
export class DedupCheck {
  readonly #env: Environment;
  readonly #findings: Findings;
  readonly #expired: number;

  constructor(env: Environment, findings: Findings, now: number) {
    this.#env = env;
    this.#findings = findings;
    this.#expired = now - LIMITS.dedupWindowMs;
  }

  row(conv: ConversationId, reader: ChunkReader): void {
    const { seq, hash } = reader;
    const env = reader.chunk.subarray(reader.envAt, reader.envAt + reader.envBytes);
    const cmid = messageCmid(env);
    const ts = readU64(env, TS_AT);
    if (cmid === '' || ts < this.#expired) return;
    const key = dedupKey(conv, messageFrom(env), messageDevice(env), cmid);
    const value = this.#env.dedup.getBinaryFast(key);
    if (value === undefined) return this.#findings.add(conv, seq, 'missing among the deduplication rows');
    const hit = dedupHit(value, 0);
    if (hit.seq !== seq || hit.ts !== ts || hit.hash !== hash) {
      this.#findings.add(
        conv,
        seq,
        `its deduplication row says seq ${hit.seq}, ts ${hit.ts}, hash ${hit.hash}`,
      );
    }
  }

  finish(states: ReadonlyMap<ConversationId, ConversationCheck>): void {
    for (const { key, value } of this.#env.dedup.getRange({ snapshot: true })) {
      const conv = uuidFromBytes(key, CONV_BYTES);
      const { seq } = dedupHit(value, 0);
      if (seq <= (states.get(conv)?.head ?? 0)) continue;
      this.#findings.add(conv, seq, 'a deduplication row names it, and the log has no such event');
    }
  }
}
