import type { Outbox } from '../src/core/actor.ts';
import type { Seq, UserId } from '../src/core/ids.ts';
import type {
  Answer,
  DeliveredRequest,
  ReadRequest,
  Receipt,
  ReceiptDelivery,
  ReceiptsRequest,
} from '../src/core/requests.ts';
import type { StoredRow } from '../src/core/rows.ts';
import { N_AT, readU64 } from '../src/protocol/message-frame.ts';
import type { Member } from './membership.ts';
import { OUT_OF_TURN_RETRY_MS, refuse, refuseStranger, UNAVAILABLE_RETRY_MS } from './refusals.ts';
import type { SequencerState } from './sequencer-state.ts';

/** Read cursors that wait for the row they point at. */
const FETCHES_MAX = 256;

/** How far members are: their cursors only move forward, and no further than the head. */
export class Cursors {
  #fetching = 0;

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
    if (seq <= member.read) return;
    const frame = state.tail.at(seq);
    if (frame !== undefined) move(state, request, seq, readU64(frame, N_AT), out);
    else if (this.#fetching >= FETCHES_MAX)
      refuse(request, 'overloaded', 'Too many cursors wait for their row.', OUT_OF_TURN_RETRY_MS, out);
    else {
      this.#fetching++;
      out.fetch(request, seq);
    }
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
  if (!state.moveCursor(state.members.get(user), seq, n)) return;
  out.project(user);
  out.receipt(user);
}

export function deliver(state: SequencerState, request: DeliveredRequest, out: Outbox): void {
  const member = state.members.get(request.user);
  const seq = Math.min(request.seq, state.head);
  if (member === undefined) refuseStranger(request, out);
  else if (seq > member.delivered) {
    member.delivered = seq;
    member.dirty = true;
    out.receipt(request.user);
  }
}

/** The cursors of those who are members still. */
export function receiptsOf(
  { conv, members, audience }: SequencerState,
  users: ReadonlySet<UserId>,
): ReceiptDelivery | undefined {
  const items: Receipt[] = [];
  for (const user of users) {
    const member = members.get(user);
    if (member !== undefined) items.push(receiptOf(member));
  }
  return items.length === 0 ? undefined : { t: 'receipt', conv, audience, items };
}

function receiptOf(member: Member): Receipt {
  return [member.user, member.delivered, member.read];
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
    read: seq === undefined ? undefined : others.filter((member) => member.read >= seq).length,
    before: left.length > limit ? left[limit - 1]?.user : undefined,
  };
}
