import type { CursorNews, Outbox } from '../src/core/actor.ts';
import type { Seq, UserId } from '../src/core/ids.ts';
import type {
  Answer,
  CursorDelivery,
  DeliveredRequest,
  ReadRequest,
  Receipt,
  ReceiptsRequest,
} from '../src/core/requests.ts';
import type { ProjectionWrite, StoredRow } from '../src/core/rows.ts';
import { N_AT, readU64 } from '../src/protocol/message-frame.ts';
import type { Member } from './membership.ts';
import { OUT_OF_TURN_RETRY_MS, refuse, refuseStranger, UNAVAILABLE_RETRY_MS } from './refusals.ts';
import type { SequencerState } from './sequencer-state.ts';

/** Read cursors that wait for the row they point at. */
const FETCHES_MAX = 256;
/** Where a Receipt has which cursor. */
const DELIVERED = 1;
const READ = 2;
/** Those who are gone are forgotten when there are so many of them. */
const GONE_MAX = 256;

/** How far members are: their cursors only move forward, and no further than the head. */
export class Cursors {
  #fetching = 0;
  /** What was told of members in this term, and of it to all. */
  readonly #told = new Map<UserId, { readonly item: Receipt; readonly shown: Receipt }>();

  get fetching(): number {
    return this.#fetching;
  }

  read(state: SequencerState, request: ReadRequest, out: Outbox): void {
    const member = state.members.get(request.user);
    if (member === undefined) {
      refuseStranger(request, out);
      return;
    }
    const seq = Math.min(request.seq, state.head);
    if (seq <= member.read) {
      if (show(member, request.isHidden) || this.#isUntold(member, READ, seq)) out.receipt(request.user);
      return;
    }
    const frame = state.tail.at(seq);
    if (frame !== undefined) move(state, request, seq, readU64(frame, N_AT), out);
    else if (this.#fetching >= FETCHES_MAX)
      refuse(request, 'overloaded', 'Too many cursors wait for their row.', OUT_OF_TURN_RETRY_MS, out);
    else {
      this.#fetching++;
      out.fetch(request, seq);
    }
  }

  delivered(state: SequencerState, request: DeliveredRequest, out: Outbox): void {
    const { user } = request;
    const member = state.members.get(user);
    const seq = Math.min(request.seq, state.head);
    if (member === undefined) {
      refuseStranger(request, out);
      return;
    }
    if (seq > member.delivered) {
      member.delivered = seq;
      member.dirty = true;
    } else if (!this.#isUntold(member, DELIVERED, seq)) return;
    out.receipt(user);
  }

  /** Whoever says a cursor again was not told of it, maybe: it is durable, and the term in which it moved may have ended. */
  #isUntold({ user, dirty }: Member, which: typeof READ | typeof DELIVERED, seq: Seq): boolean {
    return !dirty && seq > (this.#told.get(user)?.item[which] ?? 0);
  }

  /** What of the users' cursors is durable by a write, to be told now: to all, and what is hidden to each alone. */
  receiptsOf(
    { conv, members, audience }: SequencerState,
    users: ReadonlySet<UserId>,
    write: ProjectionWrite,
  ): CursorNews {
    if (users.size === 0) return [];
    const items: Receipt[] = [];
    const own: CursorDelivery[] = [];
    const written = new Map(write.members.map((row) => [row.user, row]));
    for (const user of users) {
      const member = members.get(user);
      const row = member?.dirty === true ? written.get(user) : member;
      if (member === undefined || row === undefined) continue; // another write will have it
      const item: Receipt = [user, row.delivered, row.read];
      const shown = receiptOf(row);
      const isHidden = shown[READ] < row.read;
      const before = this.#told.get(user)?.shown;
      this.#told.set(user, { item, shown });
      // That nothing has changed for the others would tell them when something was read.
      const isNews = before?.[DELIVERED] !== shown[DELIVERED] || before[READ] !== shown[READ];
      if (!isHidden || isNews) items.push(shown);
      if (isHidden) own.push({ t: 'cursor', conv, user, item });
    }
    if (this.#told.size > members.size + GONE_MAX)
      for (const user of this.#told.keys()) if (!members.has(user)) this.#told.delete(user);
    return items.length === 0 ? own : [{ t: 'receipt', conv, audience, items }, ...own];
  }

  /** The row that a cursor waited for; undefined: it could not be read. */
  fetched(state: SequencerState, request: ReadRequest, row: StoredRow | undefined, out: Outbox): void {
    this.#fetching--;
    if (row !== undefined) move(state, request, row.seq, readU64(row.env, N_AT), out);
    else refuse(request, 'unavailable', 'The store cannot be read now.', UNAVAILABLE_RETRY_MS, out);
  }
}

function move(state: SequencerState, request: ReadRequest, seq: Seq, n: number, out: Outbox): void {
  const { user } = request;
  const member = state.members.get(user);
  if (member === undefined) return;
  if (request.isHidden) member.shown ??= member.read;
  const isMoved = state.moveCursor(member, seq, n);
  if (!show(member, request.isHidden) && !isMoved) return;
  if (isMoved) out.project(user);
  out.receipt(user);
}

/** Whoever hides nothing any more shows with the next read all that was hidden. False: nothing was. */
function show(member: Member, isHidden: boolean): boolean {
  if (isHidden || readShown(member) === member.read) return false;
  member.shown = member.read;
  member.dirty = true;
  return true;
}

type Shown = Pick<Member, 'user' | 'delivered' | 'read' | 'shown'>;

function readShown({ read, shown }: Pick<Shown, 'read' | 'shown'>): Seq {
  return Math.min(shown ?? read, read);
}

/** As the others see it. */
function receiptOf(member: Shown): Receipt {
  return [member.user, member.delivered, readShown(member)];
}

/** The others' cursors, by name: all, or of those who have `seq`, and then how many have read it. */
export function receiptsPage(
  { members }: SequencerState,
  { user, seq, before, limit }: ReceiptsRequest,
): Answer {
  const others = [...members.values()].filter((member) => member.user !== user);
  const asked = others.filter((member) => member.delivered >= (seq ?? 0));
  asked.sort((a, b) => (a.user < b.user ? -1 : 1));
  const left = before === undefined ? asked : asked.filter((member) => member.user > before);
  return {
    t: 'receipts',
    items: left.slice(0, limit).map(receiptOf),
    read: seq === undefined ? undefined : others.filter((member) => readShown(member) >= seq).length,
    before: left.length > limit ? left[limit - 1]?.user : undefined,
  };
}
