import type { Activation } from '../../../src/core/actor.ts';
import type { Seq, UserId } from '../../../src/core/ids.ts';
import type { AppendBatch, AppendRow, Establishment, HandOver } from '../../../src/core/rows.ts';
import {
  encodeMessage,
  messageCmid,
  payloadHash,
  readU64,
  TS_AT,
} from '../../../src/protocol/message-frame.ts';

/** A message of a writer, who sends it until it is acknowledged. */
export interface Message {
  readonly conv: string;
  readonly user: UserId;
  readonly cmid: string;
  readonly body: string;
  /** The how-manieth of its writer's. */
  readonly nth: number;
  tries: number;
}

export interface Place {
  readonly seq: Seq;
  readonly ts: number;
}

/** The slot under which a conversation is marked dirty: which one does not matter here. */
const DIRTY_SLOT = 1;
const encoder = new TextEncoder();

/**
 * What an actor is to the protocol, and no more: where a conversation stands in one term, and the ids of what was
 * committed in it or is in the tail that it starts from; those from before are all in the index.
 */
export class Tenure {
  readonly fence: number;
  head: Seq;
  sealed = false;
  /** Whether no batch is in flight and nothing is being looked up. */
  idle = true;
  readonly #conv: string;
  readonly #users: readonly UserId[];
  readonly #ids = new Map<string, Place>();
  #conversation: Activation['conversation'];
  #lastTs = 0;
  #isMarked = false;

  constructor({ conv, fence, head, conversation, tail }: Activation, users: readonly UserId[]) {
    this.fence = fence;
    this.head = head;
    this.#conv = conv;
    this.#users = users;
    this.#conversation = conversation;
    for (const { seq, env } of tail) this.#ids.set(messageCmid(env), { seq, ts: readU64(env, TS_AT) });
  }

  get exists(): boolean {
    return this.#conversation !== undefined;
  }

  placeOf(cmid: string): Place | undefined {
    return this.#ids.get(cmid);
  }

  batch(messages: readonly Message[], now: number): AppendBatch {
    this.#lastTs = Math.max(this.#lastTs, now);
    const rows = messages.map((message, i) => toRow(message, this.head + 1 + i, this.#lastTs));
    const establish = this.exists ? undefined : this.#establishment(now);
    const dirtySlot = this.#isMarked ? 0 : DIRTY_SLOT;
    return { conv: this.#conv, fence: this.fence, c: this.head, rows, establish, dirtySlot };
  }

  committed({ rows, establish }: AppendBatch): void {
    this.#conversation ??= establish?.conversation;
    this.#isMarked = true;
    this.head += rows.length;
    for (const { cmid, seq } of rows) this.#ids.set(cmid, { seq, ts: this.#lastTs });
  }

  /** Without a tail and without ids: what a successor is asked for, it looks up. */
  handOver(): HandOver {
    if (this.#conversation === undefined) throw new Error(`${this.#conv}: handed over, and there is none`);
    return {
      conversation: this.#conversation,
      members: this.#establishment(0).members,
      head: this.head,
      tail: [],
      lastMessage: undefined,
      ids: [],
      coversFrom: this.head + 1,
    };
  }

  #establishment(created: number): Establishment {
    const members = this.#users.map((user) => {
      return { user, role: 'member', join: 0, left: 0, read: 0, readN: 0, delivered: 0 } as const;
    });
    const [creator = ''] = this.#users;
    const version = { title: undefined, created, creator, originHash: 1, version: 0 };
    return { conversation: { conv: this.#conv, kind: 'direct', ...version }, members };
  }
}

function toRow({ conv, user, cmid, body: text }: Message, seq: Seq, ts: number): AppendRow {
  const body = encoder.encode(text);
  const fields = { conv, seq, n: seq, ts, from: user, device: user, cmid, kind: 'text', body, text: true };
  const hash = payloadHash('text', body, true);
  return { seq, m: 0, env: encodeMessage(fields), user, device: user, cmid, hash };
}
