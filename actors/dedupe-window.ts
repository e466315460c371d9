import type { DeviceId, Seq, UserId } from '../src/core/ids.ts';
import { RingBuffer } from '../src/core/ring-buffer.ts';
import type { KnownId } from '../src/core/rows.ts';

/** What was sent under one (device, client message id), from the moment it has a seq. */
export interface Remembered extends KnownId {
  /** Another device's entry under the same cmid. */
  next: Remembered | undefined;
}

/**
 * The client message ids of a conversation's last rows, committed or in the batch in flight. A hit is exact;
 * a miss proves nothing about rows below `coversFrom`.
 */
export class DedupeWindow {
  readonly #byCmid = new Map<string, Remembered>();
  readonly #inOrder: RingBuffer<Remembered>;
  readonly #rowsMax: number;
  #coversFrom: Seq;
  /** Entries of the batch in flight, newest last; they leave again if it fails. */
  readonly #tentative: Remembered[] = [];

  /** Holds ids of at most `rowsMax` rows; all rows from `coversFrom` on will be added. */
  constructor(rowsMax: number, coversFrom: Seq) {
    this.#rowsMax = rowsMax;
    this.#inOrder = new RingBuffer<Remembered>(rowsMax);
    this.#coversFrom = coversFrom;
  }

  /** The lowest seq such that every row from it on is in the window. */
  get coversFrom(): Seq {
    return this.#coversFrom;
  }

  get size(): number {
    return this.#inOrder.length + this.#tentative.length;
  }

  find(user: UserId, device: DeviceId, cmid: string): Remembered | undefined {
    let entry = this.#byCmid.get(cmid);
    while (entry !== undefined && (entry.user !== user || entry.device !== device)) entry = entry.next;
    return entry;
  }

  /** Of committed rows, seqs rising. */
  committed(): KnownId[] {
    return Array.from({ length: this.#inOrder.length }, (_, i) => {
      const { user, device, cmid, seq, ts, hash } = this.#inOrder.at(i) as Remembered;
      return { user, device, cmid, seq, ts, hash };
    });
  }

  /** Whether it knows of fewer than the last `rowsMax` rows up to `head`, though there are so many. */
  isShort(head: Seq): boolean {
    return this.#coversFrom > Math.max(1, head - this.#rowsMax + 1);
  }

  /** Puts the ids of the rows from … to before its own, as many as there is room for; they must adjoin. */
  extend(older: readonly KnownId[], from: Seq, to: Seq): void {
    if (to + 1 < this.#coversFrom || from >= this.#coversFrom) return; // some between have left meanwhile
    const room = this.#rowsMax - this.#inOrder.length;
    const kept = room > 0 ? older.slice(-room) : [];
    const newer = Array.from({ length: this.#inOrder.length }, () => this.#inOrder.shift() as Remembered);
    for (const id of kept) {
      const entry: Remembered = { ...id, next: this.#byCmid.get(id.cmid) };
      this.#byCmid.set(id.cmid, entry);
      this.#inOrder.push(entry);
    }
    for (const entry of newer) this.#inOrder.push(entry);
    if (kept.length === older.length) this.#coversFrom = from;
    else this.#coversFrom = kept[0]?.seq ?? this.#coversFrom;
  }

  /** Adds a row of the batch in the making: found from now on, kept by `commit`, taken back by `rollBack`. */
  addTentative(user: UserId, device: DeviceId, cmid: string, seq: Seq, ts: number, hash: number): void {
    const entry: Remembered = { user, device, cmid, seq, ts, hash, next: this.#byCmid.get(cmid) };
    this.#byCmid.set(cmid, entry);
    this.#tentative.push(entry);
  }

  commit(): void {
    for (const entry of this.#tentative) {
      if (this.#inOrder.isFull) this.#dropOldest();
      this.#inOrder.push(entry);
    }
    this.#tentative.length = 0;
  }

  /** Forgets ids of rows that are more than `rowsMax` below `head`, as a log with many system events has. */
  trim(head: Seq): void {
    while ((this.#inOrder.at(0)?.seq ?? head) <= head - this.#rowsMax) this.#dropOldest();
    this.#coversFrom = Math.max(this.#coversFrom, head - this.#rowsMax + 1);
  }

  rollBack(): void {
    for (let entry = this.#tentative.pop(); entry !== undefined; entry = this.#tentative.pop())
      this.#unlink(entry);
  }

  #dropOldest(): void {
    const oldest = this.#inOrder.shift();
    if (oldest === undefined) return;
    this.#coversFrom = Math.max(this.#coversFrom, oldest.seq + 1);
    this.#unlink(oldest);
  }

  #unlink(entry: Remembered): void {
    const first = this.#byCmid.get(entry.cmid);
    if (first === entry) {
      if (entry.next === undefined) this.#byCmid.delete(entry.cmid);
      else this.#byCmid.set(entry.cmid, entry.next);
      return;
    }
    for (let at = first; at !== undefined; at = at.next) {
      if (at.next === entry) {
        at.next = entry.next;
        return;
      }
    }
  }
}
