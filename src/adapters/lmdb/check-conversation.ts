import type { ConversationId, Seq, UserId } from '../../core/ids.ts';
import {
  MESSAGE_HEADER_BYTES,
  messageConv,
  messageKind,
  messageText,
  N_AT,
  readU64,
  SEQ_AT,
  TS_AT,
} from '../../protocol/message-frame.ts';
import type { Findings } from './check.ts';
import type { ChunkReader } from './record-codec.ts';

/** Follows one conversation through the log: seqs dense, c, m, n and ts as they must be, and who is a member. */
export class ConversationCheck {
  readonly conv: ConversationId;
  head: Seq = 0;
  n = 0;
  ts = 0;
  m: Seq = 0;
  /** After the event `membersAt`; undefined if no event told of members, as in a direct conversation. */
  members: Set<UserId> | undefined;
  membersAt: Seq = 0;
  #fence = 0;
  readonly #findings: Findings;

  constructor(conv: ConversationId, findings: Findings) {
    this.conv = conv;
    this.#findings = findings;
  }

  /** Before its rows. */
  batch({ c, rows, fence }: ChunkReader): void {
    if (rows === 0) return;
    if (fence < this.#fence) this.#damage(c + 1, `its fence is ${fence}, after ${this.#fence}`);
    this.#fence = fence;
    if (c > this.head) this.#damage(this.head + 1, `missing: the log goes on at ${c + 1}`);
    if (c < this.head) this.#damage(c + 1, `twice in the log, which had reached ${this.head}`);
  }

  row(reader: ChunkReader): void {
    const { seq, m } = reader;
    const env = reader.chunk.subarray(reader.envAt, reader.envAt + reader.envBytes);
    this.head = seq;
    if (env.length < MESSAGE_HEADER_BYTES || env[0] !== 0x51) return this.#damage(seq, 'no message frame');
    if (readU64(env, SEQ_AT) !== seq) this.#damage(seq, `its frame says seq ${readU64(env, SEQ_AT)}`);
    if (messageConv(env) !== this.conv) this.#damage(seq, `its frame says conversation ${messageConv(env)}`);
    const ts = readU64(env, TS_AT);
    if (ts < this.ts) this.#damage(seq, `its time ${ts} is before ${this.ts}, that of the event before it`);
    this.ts = ts;
    const kind = messageKind(env);
    this.n += kind.startsWith('sys.') ? 0 : 1;
    if (readU64(env, N_AT) !== this.n) this.#damage(seq, `n is ${readU64(env, N_AT)}, not ${this.n}`);
    this.n = readU64(env, N_AT);
    if (m !== this.m && m !== seq)
      this.#damage(seq, `m is ${m}, neither ${this.m} as before it nor its own seq`);
    this.m = m;
    if (kind === 'sys.created' || kind === 'sys.members') this.#follow(seq, env);
  }

  #follow(seq: Seq, env: Uint8Array): void {
    try {
      const event = JSON.parse(messageText(env)) as MembershipBody;
      const members = this.members ?? new Set();
      for (const [user] of event.members ?? []) members.add(user);
      for (const user of event.add ?? []) members.add(user);
      for (const user of event.remove ?? []) members.delete(user);
      if (event.leave !== undefined) members.delete(event.leave);
      this.members = members;
      this.membersAt = seq;
    } catch (error) {
      this.#damage(seq, `its body can't be read: ${(error as Error).message}`);
    }
  }

  #damage(seq: Seq, what: string): void {
    this.#findings.add(this.conv, seq, what);
  }
}

/** Of `sys.created` (members) and `sys.members` (the rest). */
interface MembershipBody {
  readonly members?: readonly (readonly [UserId, string])[];
  readonly add?: readonly UserId[];
  readonly remove?: readonly UserId[];
  readonly leave?: UserId;
}
