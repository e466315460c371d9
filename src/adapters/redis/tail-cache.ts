import type { ConversationId } from '../../core/ids.ts';
import {
  denseTail,
  TAIL_EVENTS_MAX,
  TAIL_MS,
  type TailCache,
  type TailEvent,
  type Unknown,
} from '../../core/presence-port.ts';
import { NO_REPLY, type RedisLink, type ScriptCall, scriptForEachKey, type Write } from './link.ts';

const SEQ_BYTES = 8;
/** Roughly what an event costs beside its bytes. */
const EVENT_BYTES = 64;

/** Per conversation a sorted set of events, each its seq (u64) and its bytes, scored by the seq. */
export class RedisTailCache implements TailCache {
  readonly #link: RedisLink;
  readonly #tailMs: number;

  constructor(link: RedisLink, options: { readonly tailMs?: number } = {}) {
    this.#link = link;
    this.#tailMs = options.tailMs ?? TAIL_MS;
  }

  put(conv: ConversationId, events: readonly TailEvent[]): void {
    if (events.length > 0) this.#link.write(`t ${conv}`, new Tail(conv, events, this.#tailMs));
  }

  async get(conv: ConversationId): Promise<readonly TailEvent[] | Unknown> {
    const members = await this.#link.read((pipeline, prefix) =>
      pipeline.zrangeBuffer(keyOf(prefix, conv), 0, '-1'),
    );
    if (members === NO_REPLY) return 'unknown';
    const events: TailEvent[] = [];
    for (const member of members as Buffer[]) {
      if (member.length < SEQ_BYTES) continue; // not of our making
      events.push({ seq: Number(member.readBigUInt64BE(0)), bytes: member.subarray(SEQ_BYTES) });
    }
    return denseTail(events);
  }
}

function keyOf(prefix: string, conv: ConversationId): string {
  return `${prefix}t:${conv}`;
}

const TAIL = scriptForEachKey(`
  local ms, count = take(), tonumber(take())
  for _ = 1, count do
    local seq = take()
    call('ZADD', key, seq, take())
  end
  call('ZREMRANGEBYRANK', key, 0, ${-1 - TAIL_EVENTS_MAX})
  call('PEXPIRE', key, ms)`);

class Tail implements Write {
  readonly script = TAIL;
  readonly bytes: number;
  readonly #conv: ConversationId;
  readonly #events: readonly TailEvent[];
  readonly #tailMs: number;

  constructor(conv: ConversationId, events: readonly TailEvent[], tailMs: number) {
    this.#conv = conv;
    this.#events = events.length > TAIL_EVENTS_MAX ? newest(events) : events;
    this.#tailMs = tailMs;
    this.bytes = this.#events.reduce((sum, event) => sum + event.bytes.length + EVENT_BYTES, 0);
  }

  /** Both, the newest events of them. */
  after(older: Write): Write {
    return older instanceof Tail
      ? new Tail(this.#conv, [...older.#events, ...this.#events], this.#tailMs)
      : this;
  }

  addTo({ keys, args }: ScriptCall, prefix: string): void {
    keys.push(keyOf(prefix, this.#conv));
    args.push(this.#tailMs, this.#events.length);
    for (const { seq, bytes } of this.#events) {
      const member = Buffer.allocUnsafe(SEQ_BYTES + bytes.length);
      member.writeBigUInt64BE(BigInt(seq), 0);
      member.set(bytes, SEQ_BYTES);
      args.push(seq, member);
    }
  }
}

function newest(events: readonly TailEvent[]): TailEvent[] {
  return [...events].sort((a, b) => a.seq - b.seq).slice(-TAIL_EVENTS_MAX);
}
