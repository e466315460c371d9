import type { HeadRow, OwnerRow } from '../../core/cluster-ports.ts';
import type { ConversationId, Seq } from '../../core/ids.ts';
import type { DedupHit, StoredRow } from '../../core/rows.ts';
import { SERVER_FRAMES } from '../../protocol/frames.ts';
import {
  MESSAGE_HEADER_BYTES,
  messageCmid,
  messageConv,
  messageDevice,
  messageFrom,
  messageKind,
  N_AT,
  readU64,
  SEQ_AT,
  TS_AT,
} from '../../protocol/message-frame.ts';
import type { ClusterFindings } from './check.ts';

/** A message's id, and where the log has it. */
export interface LoggedId {
  readonly user: string;
  readonly device: string;
  readonly cmid: string;
  readonly seq: Seq;
}

/** Follows one conversation through its committed rows: seqs dense, c, m, n and ts as they must be, no id twice. */
export class LogCheck {
  readonly conv: ConversationId;
  /** The last seq before which nothing is missing. */
  head: Seq = 0;
  #n = 0;
  #ts = 0;
  #m: Seq = 0;
  /** The ids of all rows up to it are said to be indexed. */
  #x: Seq = 0;
  #isBroken = false;
  /** As wide as the conversation is long. */
  readonly #ids = new Map<string, LoggedId & { readonly ts: number }>();
  readonly #owner: OwnerRow;
  readonly #headRow: HeadRow | undefined;
  readonly #findings: ClusterFindings;

  constructor(
    conv: ConversationId,
    owner: OwnerRow,
    headRow: HeadRow | undefined,
    findings: ClusterFindings,
  ) {
    this.conv = conv;
    this.#owner = owner;
    this.#headRow = headRow;
    this.#findings = findings;
  }

  /** In the order of seqs. */
  row(row: StoredRow): void {
    const { seq, fence, c, m, x, env } = row;
    if (seq !== this.head + 1 && !this.#isBroken) {
      this.#damage(this.head + 1, `missing: the log goes on at ${seq}`);
      this.#isBroken = true; // what follows is judged on its own
    }
    this.head = seq;
    if (fence > this.#owner.fence)
      this.#damage(seq, `its fence is ${fence}, its owner's ${this.#owner.fence}`);
    if (c >= seq) this.#damage(seq, `it was written when ${c} was committed`);
    if (x >= seq) this.#damage(seq, `it was written when ${x} was indexed`);
    this.#x = Math.max(this.#x, x);
    if (env.length < MESSAGE_HEADER_BYTES || env[0] !== SERVER_FRAMES.message.type)
      return this.#damage(seq, 'no message frame');
    if (readU64(env, SEQ_AT) !== seq) this.#damage(seq, `its frame says seq ${readU64(env, SEQ_AT)}`);
    if (messageConv(env) !== this.conv) this.#damage(seq, `its frame says conversation ${messageConv(env)}`);
    this.#order(seq, m, env);
    this.#id(seq, env);
    if (seq === this.#headRow?.head) this.#compareHead(seq, this.#headRow);
  }

  /** After the last row. */
  finish(): void {
    const { head } = this;
    if (this.#owner.head > head)
      this.#damage(head + 1, `missing: its owner row says head ${this.#owner.head}`);
    if (this.#headRow !== undefined && this.#headRow.head > head)
      this.#damage(head + 1, `missing: conv_head says head ${this.#headRow.head}`);
  }

  /** Those of events since `since` (Unix ms) that the index must have. */
  *indexed(since: number): Generator<LoggedId> {
    for (const id of this.#ids.values()) if (id.seq <= this.#x && id.ts >= since) yield id;
  }

  /** What the index has under such an id. */
  hit({ seq }: LoggedId, hit: DedupHit | undefined): void {
    if (hit === undefined) this.#damage(seq, 'its id is not in the index, and the log says that it is');
    else if (hit.seq !== seq) this.#damage(seq, `under its id the index has seq ${hit.seq}`);
  }

  #order(seq: Seq, m: Seq, env: Uint8Array): void {
    const ts = readU64(env, TS_AT);
    if (ts < this.#ts) this.#damage(seq, `its time ${ts} is before ${this.#ts}, that of the event before it`);
    this.#ts = ts;
    const n = this.#n + (messageKind(env).startsWith('sys.') ? 0 : 1);
    this.#n = readU64(env, N_AT);
    if (this.#n !== n && !this.#isBroken) this.#damage(seq, `n is ${this.#n}, not ${n}`);
    if (m !== this.#m && m !== seq && !this.#isBroken)
      this.#damage(seq, `m is ${m}, neither ${this.#m} as before it nor its own seq`);
    this.#m = m;
  }

  #id(seq: Seq, env: Uint8Array): void {
    const cmid = messageCmid(env);
    if (cmid === '') return;
    const [user, device] = [messageFrom(env), messageDevice(env)];
    const key = `${user} ${device} ${cmid}`;
    const before = this.#ids.get(key);
    if (before !== undefined) this.#damage(seq, `the message ${key} has seq ${before.seq} too`);
    else this.#ids.set(key, { user, device, cmid, seq, ts: this.#ts });
  }

  #compareHead(seq: Seq, { n, ts }: HeadRow): void {
    if (n !== this.#n || ts !== this.#ts)
      this.#damage(seq, `conv_head has n ${n} and time ${ts} for it, not ${this.#n} and ${this.#ts}`);
  }

  #damage(seq: Seq, what: string): void {
    this.#findings.add(this.conv, seq, what);
  }
}
