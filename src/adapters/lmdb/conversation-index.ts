import type { ConversationId, Seq } from '../../core/ids.ts';
import { readU64, writeU64 } from '../../protocol/message-frame.ts';
import { type FrozenPart, NOTHING, RankedOrder } from './bulk.ts';
import type { Environment } from './environment.ts';
import { CONV_BYTES, conversationKey, indexEnd, indexKey, uuidRank } from './keys.ts';
import {
  BLOCK_LOCATIONS,
  LOCATION_BYTES,
  type Location,
  readLocation,
  writeLocation,
} from './location-block.ts';

/** A batch that the tables may not know yet. */
interface Group extends Location {
  readonly first: Seq;
  /** The number of the bulk that takes it to the tables. */
  readonly bulk: number;
  /** The group before it, unless the tables have that. */
  older: Group | undefined;
}

/** A conversation's end. */
export class ConversationTail {
  readonly key: Uint8Array;
  /** The highest committed seq. */
  head: Seq;
  /** Whether a batch is on its way to disk. */
  writing = false;
  newest: Group | undefined = undefined;

  constructor(key: Uint8Array, head: Seq) {
    this.key = key;
    this.head = head;
  }

  get retained(): boolean {
    return this.writing || this.newest !== undefined;
  }
}

/** Of a row of `heads`, before its locations. */
export const HEAD_BYTES = 8;

/**
 * Finds rows by (conv, seq). A conversation's last batches are listed in its row of the table `heads`: its
 * head, then up to 15 locations; each 16 that are full go to the table `index` as one row. So a bulk writes to
 * one place per conversation, all of them close together, and to `index` for one batch in 16: with a row per
 * batch it would copy a page for nearly each. In front of the tables is what a bulk has yet to bring there.
 */
export class ConversationIndex {
  readonly #env: Environment;
  readonly #tailsMax: number;
  /** Tails used of late, and those before them: when the first fill half the bound, the second are dropped. */
  #recent = new Map<ConversationId, ConversationTail>();
  #older = new Map<ConversationId, ConversationTail>();
  #bulk = 1;
  /** Tails with groups of the present bulk, and how many groups. */
  #fresh: ConversationTail[] = [];
  #freshGroups = 0;

  constructor(env: Environment, tailsMax: number) {
    this.#env = env;
    this.#tailsMax = tailsMax;
  }

  /** The number of batches that no bulk has taken yet. */
  get freshCount(): number {
    return this.#freshGroups;
  }
  get tailCount(): number {
    return this.#recent.size + this.#older.size;
  }

  /** The conversation's tail, kept from now on; its head is looked up if need be. */
  tail(conv: ConversationId): ConversationTail {
    const recent = this.#recent.get(conv);
    if (recent !== undefined) return recent;
    let tail = this.#older.get(conv);
    if (tail === undefined) {
      const key = conversationKey(conv);
      tail = new ConversationTail(key, this.#headInTable(key));
    } else this.#older.delete(conv);
    this.#recent.set(conv, tail);
    if (this.#recent.size * 2 > this.#tailsMax) this.#age();
    return tail;
  }

  head(conv: ConversationId): Seq {
    return this.#known(conv)?.head ?? this.#headInTable(conversationKey(conv));
  }

  add(tail: ConversationTail, first: Seq, last: Seq, chunk: number, position: number): void {
    const { newest } = tail;
    if (newest === undefined || newest.bulk !== this.#bulk) this.#fresh.push(tail);
    tail.newest = { first, last, chunk, position, bulk: this.#bulk, older: newest };
    tail.head = last;
    this.#freshGroups++;
  }

  /** Where the batches lie that hold seqs `from` … `to`, in rising order. */
  locate(conv: ConversationId, from: Seq, to: Seq): Location[] {
    const overlay: Location[] = [];
    let group = this.#known(conv)?.newest;
    let overlayFirst = Number.POSITIVE_INFINITY;
    for (; group !== undefined && group.last >= from; group = group.older) {
      overlayFirst = group.first;
      if (group.first <= to) overlay.push(group);
    }
    const locations: Location[] = [];
    if (from < overlayFirst) this.locateInTables(conv, from, Math.min(to, overlayFirst - 1), locations);
    return locations.concat(overlay.reverse());
  }

  /** Adds what the tables alone know. */
  locateInTables(conv: ConversationId, from: Seq, to: Seq, locations: Location[]): void {
    for (const { value } of this.#env.index.getRange({ start: indexKey(conv, from), end: indexEnd(conv) })) {
      if (addLocations(value, 0, value.length, from, to, locations)) return;
    }
    const row = this.#env.heads.getBinaryFast(conversationKey(conv));
    if (row !== undefined) addLocations(row, HEAD_BYTES, row.length, from, to, locations);
  }

  #headInTable(key: Uint8Array): Seq {
    const row = this.#env.heads.getBinaryFast(key);
    return row === undefined ? 0 : readU64(row, 0);
  }

  #known(conv: ConversationId): ConversationTail | undefined {
    return this.#recent.get(conv) ?? this.#older.get(conv);
  }

  #age(): void {
    for (const [conv, tail] of this.#older) if (tail.retained) this.#recent.set(conv, tail);
    this.#older = this.#recent;
    this.#recent = new Map();
  }

  /** Takes all fresh groups for a bulk; until it is `written` they are found as before. */
  freeze(): FrozenPart {
    const tails = this.#fresh;
    const bulk = this.#bulk;
    if (tails.length === 0) return NOTHING;
    this.#bulk++;
    this.#fresh = [];
    this.#freshGroups = 0;
    const order = new RankedOrder(tails.length, (i) => uuidRank((tails[i] as ConversationTail).key, 0));
    return {
      count: tails.length,
      write: (index: number) => this.#writeTail(tails[order.at(index)] as ConversationTail, bulk),
      written: () => {
        for (const tail of tails) cutOff(tail, bulk);
      },
    };
  }

  /** Adds the tail's groups up to `bulk` to the conversation's last block, moving what is full to the index. */
  #writeTail({ key, newest }: ConversationTail, bulk: number): void {
    const row = this.#env.heads.getBinaryFast(key);
    const block: Location[] = [];
    if (row !== undefined) addLocations(row, HEAD_BYTES, row.length, 0, Number.POSITIVE_INFINITY, block);
    // A bulk that was cut off by a crash may have brought some already.
    const known = row === undefined ? 0 : readU64(row, 0);
    const groups: Location[] = [];
    for (let group = newest; group !== undefined && group.last > known; group = group.older) {
      if (group.bulk <= bulk) groups.push(group);
    }
    if (groups.length === 0) return;
    block.push(...groups.reverse());
    let start = 0;
    for (; block.length - start >= BLOCK_LOCATIONS; start += BLOCK_LOCATIONS) {
      const indexRow = new Uint8Array(CONV_BYTES + 8);
      indexRow.set(key);
      writeU64(indexRow, CONV_BYTES, (block[start + BLOCK_LOCATIONS - 1] as Location).last);
      void this.#env.index.put(indexRow, blockBytes(block, start, start + BLOCK_LOCATIONS, 0));
    }
    const value = blockBytes(block, start, block.length, HEAD_BYTES);
    writeU64(value, 0, (block.at(-1) as Location).last);
    void this.#env.heads.put(key, value);
  }
}

/** Forgets the groups of bulks up to `bulk`. */
function cutOff(tail: ConversationTail, bulk: number): void {
  if (tail.newest === undefined || tail.newest.bulk <= bulk) {
    tail.newest = undefined;
    return;
  }
  let oldest = tail.newest;
  while (oldest.older !== undefined && oldest.older.bulk > bulk) oldest = oldest.older;
  oldest.older = undefined;
}

/** Adds those of a block's locations that hold seqs of `from` … `to`; whether `to` was reached. */
function addLocations(
  bytes: Uint8Array,
  start: number,
  end: number,
  from: Seq,
  to: Seq,
  locations: Location[],
): boolean {
  for (let at = start; at < end; at += LOCATION_BYTES) {
    const location = readLocation(bytes, at);
    if (location.last >= from) locations.push(location);
    if (location.last >= to) return true;
  }
  return false;
}

/** `room` bytes, then the locations from `start` up to `end`; off the heap, as LMDB needs values to be. */
function blockBytes(block: readonly Location[], start: number, end: number, room: number): Uint8Array {
  const bytes = Buffer.allocUnsafe(room + (end - start) * LOCATION_BYTES);
  for (let i = start; i < end; i++)
    writeLocation(bytes, room + (i - start) * LOCATION_BYTES, block[i] as Location);
  return bytes;
}
