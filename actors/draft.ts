import { bucketOf } from '../src/core/buckets.ts';
import { hashText } from '../src/core/hash.ts';
import type { Seq, UserId } from '../src/core/ids.ts';
import type { ConversationRequest, CreateRequest, SendRequest } from '../src/core/requests.ts';
import type { AppendBatch, AppendRow, ConversationRow, Establishment, MemberRow } from '../src/core/rows.ts';
import { encodeMessage, MESSAGE_HEADER_BYTES } from '../src/protocol/message-frame.ts';
import type { Member, MembersEvent } from './membership.ts';
import type { SequencerState } from './sequencer-state.ts';

const BATCH_ROWS_MAX = 256;
const BATCH_BYTES_MAX = 48 * 1024;

/** About the largest row that a membership change makes: 256 names of up to 64 bytes. */
export const MEMBERS_ROW_BYTES = 20 * 1024;

/** What a send adds to its batch, at most: a kind need not be ASCII. */
export function rowBytes(request: SendRequest): number {
  const { user, device, kind, body } = request;
  const mentions = request.mentions?.reduce((bytes, each) => bytes + each.length + 2, 16) ?? 0;
  return MESSAGE_HEADER_BYTES + user.length + device.length + 3 * kind.length + body.length + mentions;
}

const encoder = new TextEncoder();

/** A request in the batch, with what is to be said and done about it once the batch is committed. */
export interface DraftEntry {
  readonly request: ConversationRequest;
  /** repeat: the same send came twice within the batch, and gets the first one's seq. */
  readonly op: 'send' | 'repeat' | 'members' | 'create';
  readonly seq: Seq;
  readonly n: number;
  readonly ts: number;
  readonly env: Uint8Array | undefined;
  readonly event: MembersEvent | undefined;
  /** The members from this event on. */
  readonly members: Map<UserId, Member> | undefined;
}

/** The batch in the making: rows with seqs from the committed head on, and the state that they lead to. */
export class Draft {
  readonly entries: DraftEntry[] = [];
  readonly rows: AppendRow[] = [];
  readonly c: Seq;
  n: number;
  ts: number;
  version: Seq;
  /** The seq of the last event that changes member rows. */
  m: Seq;
  members: Map<UserId, Member>;
  establish: Establishment | undefined;
  /** Nothing more goes in; what is next waits for the commit. */
  closed = false;
  #bytes = 0;

  constructor(state: SequencerState | undefined, now: number) {
    this.c = state?.head ?? 0;
    this.n = state?.n ?? 0;
    this.ts = Math.max(now, state?.ts ?? 0);
    this.version = state?.version ?? 0;
    this.m = Math.max(this.version, state?.mentioned ?? 0);
    this.members = state?.members ?? new Map();
  }

  get nextSeq(): Seq {
    return this.c + this.rows.length + 1;
  }

  get isEmpty(): boolean {
    return this.rows.length === 0 && this.establish === undefined;
  }

  /** Whether a row of about `bytes` may join; if not, the draft is closed. */
  admits(bytes: number): boolean {
    if (this.isEmpty) return true;
    const sameBucket = bucketOf(this.nextSeq) === bucketOf(this.c + 1);
    if (!sameBucket || this.rows.length >= BATCH_ROWS_MAX || this.#bytes + bytes > BATCH_BYTES_MAX)
      this.closed = true;
    return !this.closed;
  }

  has(edge: string, session: number): boolean {
    return this.entries.some((entry) => entry.request.edge === edge && entry.request.session === session);
  }

  /** Adds a message; its ts never falls below its predecessors'. */
  addMessage(request: ConversationRequest & { t: 'send' }, hash: number): DraftEntry {
    const { conv, user, device, cmid, kind, body, text } = request;
    const seq = this.nextSeq;
    const n = ++this.n;
    const mentions = this.#mentioned(request);
    if (mentions !== undefined) this.m = seq;
    const { ts, m } = this;
    const env = encodeMessage({ conv, seq, n, ts, from: user, device, cmid, kind, body, text, mentions });
    this.#addRow({ seq, m, env, user, device, cmid, hash });
    return this.#addEntry({
      request,
      op: 'send',
      seq,
      n,
      ts: this.ts,
      env,
      event: undefined,
      members: undefined,
    });
  }

  /** Of those named, the other members, each once; nobody: undefined. */
  #mentioned({ user, mentions }: SendRequest): readonly UserId[] | undefined {
    if (mentions === undefined) return undefined;
    const members = [...new Set(mentions)].filter((each) => each !== user && this.members.has(each));
    return members.length === 0 ? undefined : members;
  }

  /** Adds an event of the server's own, which changes the members to `members`. */
  addEvent(
    request: ConversationRequest,
    kind: string,
    event: object,
    members: Map<UserId, Member>,
  ): DraftEntry {
    const { conv, user, device } = request;
    const { nextSeq: seq, n, ts } = this;
    const body = encoder.encode(JSON.stringify(event));
    const env = encodeMessage({ conv, seq, n, ts, from: user, device, cmid: '', kind, body, text: true });
    this.version = seq;
    this.m = seq;
    this.members = members;
    this.#addRow({ seq, m: seq, env, user, device, cmid: '', hash: 0 });
    const op = kind === 'sys.created' ? 'create' : 'members';
    return this.#addEntry({ request, op, seq, n, ts, env, event, members });
  }

  /** Begins a conversation; a direct has no event, so its batch has no row. */
  addCreate(request: CreateRequest): void {
    const first: Seq = request.kind === 'direct' ? 0 : 1;
    this.establish = establishmentOf(request, first, this.ts);
    if (request.kind === 'direct') {
      const { n, ts } = this;
      this.#addEntry({
        request,
        op: 'create',
        seq: 0,
        n,
        ts,
        env: undefined,
        event: undefined,
        members: undefined,
      });
    } else {
      const members = this.establish.members.map((row): [UserId, string] => [row.user, row.role]);
      this.addEvent(
        request,
        'sys.created',
        { kind: request.kind, title: request.title, members },
        this.members,
      );
    }
    this.closed = true;
  }

  addRepeat(request: ConversationRequest, seq: Seq, ts: number): void {
    const { n } = this;
    this.#addEntry({
      request,
      op: 'repeat',
      seq,
      n,
      ts,
      env: undefined,
      event: undefined,
      members: undefined,
    });
  }

  toBatch(conv: string, fence: number): AppendBatch {
    return { conv, fence, c: this.c, rows: this.rows, establish: this.establish, dirtySlot: 0 };
  }

  #addRow(row: AppendRow): void {
    this.rows.push(row);
    this.#bytes += row.env.length;
  }

  #addEntry(entry: DraftEntry): DraftEntry {
    this.entries.push(entry);
    return entry;
  }
}

function establishmentOf(request: CreateRequest, first: Seq, now: number): Establishment {
  const { conv, kind, title, user } = request;
  const conversation: ConversationRow = {
    conv,
    kind,
    title,
    created: now,
    creator: user,
    originHash: originHash(request),
    version: first,
  };
  const members = request.members.map((member): MemberRow => {
    const role = kind !== 'direct' && member === user ? 'owner' : 'member';
    return { user: member, role, join: first, left: 0, read: first, readN: 0, delivered: first };
  });
  return { conversation, members };
}

/** What a repeated `create` must agree in: kind and members, and for a group the creator. */
export function originHash(request: CreateRequest): number {
  const creator = request.kind === 'direct' ? '' : request.user;
  return hashText(JSON.stringify([request.kind, creator, [...request.members].sort()]));
}
