/** The rows that both sides append: the same frames, made in the same way. */
import { randomBytes } from 'node:crypto';
import { lastOfBucket } from '../../src/core/buckets.ts';
import { type ConversationId, uuidToBytes, uuidV7 } from '../../src/core/ids.ts';
import type { AppendRow } from '../../src/core/rows.ts';
import {
  CMID_AT,
  encodeMessage,
  N_AT,
  payloadHash,
  SEQ_AT,
  TS_AT,
  writeU64,
} from '../../src/protocol/message-frame.ts';

const DEVICE = 'bench';
/** The two users of a conversation; names as long as this. */
export const USERS = ['bench-a', 'bench-b'] as const;

/** Bytes of a row's frame. */
export function rowBytesOf(bodyBytes: number): number {
  return new Rows(bodyBytes).rowBytes;
}

/** The rows of one direct conversation, in which its two users take turns. */
export class Rows {
  readonly conv: ConversationId;
  readonly rowBytes: number;
  /** The seq of the last row made. */
  head = 0;
  /** Of all ids: version, variant and what is random. */
  readonly #middle: string;
  readonly #templates: readonly Uint8Array[];
  readonly #hash: number;

  constructor(bodyBytes: number) {
    const body = Buffer.alloc(bodyBytes, 'the quick brown fox jumps over the lazy dog. ');
    this.conv = uuidV7(Date.now(), randomBytes(10));
    const cmid = uuidV7(Date.now(), randomBytes(10));
    this.#middle = cmid.slice('01234567-89ab'.length, -12);
    this.#hash = payloadHash('text', body, true);
    this.#templates = USERS.map((from) =>
      encodeMessage({
        conv: this.conv,
        seq: 0,
        n: 0,
        ts: 0,
        from,
        device: DEVICE,
        cmid,
        kind: 'text',
        body,
        text: true,
      }),
    );
    this.rowBytes = (this.#templates[0] as Uint8Array).length;
  }

  /** The next rows: `count` of them, or as many as the bucket still takes. */
  next(count: number): AppendRow[] {
    const last = Math.min(this.head + count, lastOfBucket(this.head + 1));
    const ts = Date.now();
    // As clients make them: an id's first 6 bytes are the time. The last 6 are the seq.
    const idPrefix = hex(ts).replace(/.{4}$/, '-$&') + this.#middle;
    const rows: AppendRow[] = [];
    while (this.head < last) rows.push(this.#row(++this.head, ts, idPrefix));
    return rows;
  }

  #row(seq: number, ts: number, idPrefix: string): AppendRow {
    const side = seq % USERS.length;
    const env = (this.#templates[side] as Uint8Array).slice();
    writeU64(env, SEQ_AT, seq);
    writeU64(env, N_AT, seq);
    writeU64(env, TS_AT, ts);
    const cmid = idPrefix + hex(seq);
    uuidToBytes(cmid, env, CMID_AT);
    return {
      seq,
      m: 0,
      env,
      user: USERS[side] as string,
      device: DEVICE,
      cmid,
      hash: this.#hash,
    };
  }
}

function hex(number: number): string {
  return number.toString(16).padStart(12, '0');
}
