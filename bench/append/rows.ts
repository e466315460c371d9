/** The rows that both sides append: the same frames, made in the same way. */
import { randomBytes } from 'node:crypto';
import { lastOfBucket } from '../../src/core/buckets.ts';
import { type ConversationId, uuidV7 } from '../../src/core/ids.ts';
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

export const DEVICE = 'bench';
/** The two users of a conversation; names as long as this. */
export const USERS = ['bench-a', 'bench-b'] as const;

const CMID_DIGITS = 12;

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
  readonly #prefix: string;
  readonly #templates: readonly Uint8Array[];
  readonly #hash: number;

  constructor(bodyBytes: number) {
    const body = Buffer.alloc(bodyBytes, 'the quick brown fox jumps over the lazy dog. ');
    this.conv = uuidV7(Date.now(), randomBytes(10));
    const cmid = uuidV7(Date.now(), randomBytes(10));
    this.#prefix = cmid.slice(0, -CMID_DIGITS);
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
    const rows: AppendRow[] = [];
    while (this.head < last) rows.push(this.#row(++this.head, ts));
    return rows;
  }

  #row(seq: number, ts: number): AppendRow {
    const side = seq % USERS.length;
    const env = (this.#templates[side] as Uint8Array).slice();
    writeU64(env, SEQ_AT, seq);
    writeU64(env, N_AT, seq);
    writeU64(env, TS_AT, ts);
    // The id's last 6 bytes are the seq.
    env[CMID_AT + 10] = 0;
    env[CMID_AT + 11] = 0;
    for (let i = 0; i < 4; i++) env[CMID_AT + 12 + i] = seq >>> (24 - 8 * i);
    return {
      seq,
      m: 0,
      env,
      user: USERS[side] as string,
      device: DEVICE,
      cmid: this.cmid(seq),
      hash: this.#hash,
    };
  }

  /** The client message id of a row. */
  readonly cmid = (seq: number): string => {
    return this.#prefix + seq.toString(16).padStart(CMID_DIGITS, '0');
  };
}
