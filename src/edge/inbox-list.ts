/** A user's conversations as lists: their order, where a page goes on, and how much goes into one frame. */
import { Buffer } from 'node:buffer';
import type { Entry } from '../core/entry.ts';
import { hashText } from '../core/hash.ts';
import { type ConversationId, uuidFromBytes, uuidToBytes } from '../core/ids.ts';
import type { Subprotocol } from './socket.ts';

/** A place in the order. */
interface Place {
  readonly ts: number;
  readonly conv: ConversationId;
}

export interface Listed {
  readonly entries: readonly Entry[];
  readonly more: boolean;
  /** Where to go on, if there is more. */
  readonly before: string | undefined;
}

/** Most recently active first. Whoever becomes active moves to the front, never behind a place once told. */
export function byActivity(a: Place, b: Place): number {
  return b.ts - a.ts || (a.conv < b.conv ? -1 : a.conv > b.conv ? 1 : 0);
}

/** The first of `sorted`, as many as the bounds allow, and one at least. */
export function listFirst(
  sorted: readonly Entry[],
  entriesMax: number,
  bytesMax: number,
  subprotocol: Subprotocol,
): Listed {
  let count = 0;
  let bytes = 0;
  while (count < sorted.length && count < entriesMax) {
    bytes += entryBytesMax(sorted[count] as Entry, subprotocol);
    if (count > 0 && bytes > bytesMax) break;
    count++;
  }
  const more = count < sorted.length;
  return {
    entries: sorted.slice(0, count),
    more,
    before: more ? placeText(sorted[count - 1] as Entry) : undefined,
  };
}

/** The entries behind a place told before, in order; undefined: it is none of ours. */
export function listBehind(entries: readonly Entry[], before: string | undefined): Entry[] | undefined {
  const sorted = [...entries].sort(byActivity);
  if (before === undefined) return sorted;
  const place = placeOf(before);
  if (place === undefined) return undefined;
  return sorted.filter((entry) => byActivity(place, entry) < 0);
}

/** All fields but the texts, at their longest. */
const FIXED_BYTES = { json: 420, binary: 200 } as const;

/** What an entry takes in a frame, at most. */
function entryBytesMax(entry: Entry, subprotocol: Subprotocol): number {
  let bytes: number = FIXED_BYTES[subprotocol] + 3 * 64;
  for (const text of [entry.title, entry.preview?.kind, entry.preview?.text]) {
    if (text !== undefined) bytes += Buffer.byteLength(subprotocol === 'json' ? JSON.stringify(text) : text);
  }
  return bytes;
}

const PLACE_BYTES = 8 + 16 + 4;

function placeText({ ts, conv }: Place): string {
  const bytes = Buffer.alloc(PLACE_BYTES);
  bytes.writeDoubleBE(ts, 0);
  uuidToBytes(conv, bytes, 8);
  bytes.writeUInt32BE(hashText(`${ts}/${conv}`), 24);
  return bytes.toString('base64url');
}

function placeOf(text: string): Place | undefined {
  const bytes = Buffer.from(text, 'base64url');
  if (bytes.length !== PLACE_BYTES) return undefined;
  const place = { ts: bytes.readDoubleBE(0), conv: uuidFromBytes(bytes, 8) };
  return placeText(place) === text ? place : undefined;
}
