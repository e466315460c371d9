/**
 * How the ids of a device are kept: gathered into runs, since a row per id costs the store as much as a message does. A
 * run is what stands one behind the other in the device's log and belongs to one slot: 10 s by the time within the ids
 * (UUIDv7), or, for an id without a time or with a wrong one, a slot of its own. What a run holds is a function of its key
 * (slot, first seq, count) and of the log: runs that are written again, or late, or overlap, never hide an id.
 */
import { createHash } from 'node:crypto';
import { uuidFromBytes, uuidToBytes, uuidV7Time } from '../../core/ids.ts';
import type { DedupHit } from '../../core/rows.ts';
import { HIT_BYTES, hitOf, writeHit } from './cells.ts';

/** An id, and what was committed under it. */
export interface IdEntry extends DedupHit {
  readonly cmid: string;
}

const SLOT_MS = 10_000;
/**
 * Between the time within an id and that of its commit. So a slot of time has only so many ids as a device sends in some
 * two minutes, whatever times it puts into them.
 */
const ASKEW_MS_MAX = 60_000;
/** 20 KiB. */
const RUN_IDS_MAX = 512;
const ID_BYTES = 16;
const ENTRY_BYTES = ID_BYTES + HIT_BYTES;

export interface Run {
  readonly slot: number;
  /** Seqs rising. */
  readonly entries: readonly IdEntry[];
}

/** Of one device, in the order of its log. */
export function runsOf(entries: readonly IdEntry[]): readonly Run[] {
  const runs: { slot: number; entries: IdEntry[] }[] = [];
  for (const entry of entries) {
    const slot = slotOf(entry);
    const run = runs.at(-1);
    if (run !== undefined && run.slot === slot && run.entries.length < RUN_IDS_MAX) run.entries.push(entry);
    else runs.push({ slot, entries: [entry] });
  }
  return runs;
}

function slotOf({ cmid, ts }: IdEntry): number {
  const time = uuidV7Time(cmid);
  return time === undefined || Math.abs(ts - time) > ASKEW_MS_MAX ? ownSlot(cmid) : timeSlot(time);
}

function timeSlot(time: number): number {
  return Math.floor(time / SLOT_MS);
}

/** Below 0. By a hash that nobody can steer, so that no slot fills up. */
function ownSlot(cmid: string): number {
  return -1 - createHash('sha256').update(cmid).digest().readUIntBE(0, 6);
}

/** Where an id may be: whether its time was right when it was committed, its text does not tell. */
export function slotsOf(cmid: string): readonly number[] {
  const time = uuidV7Time(cmid);
  return time === undefined ? [ownSlot(cmid)] : [timeSlot(time), ownSlot(cmid)];
}

/** One after the other: id, 16 bytes | seq | ts | hash, 8 bytes each. */
export function runCell({ entries }: Run): Buffer {
  const cell = Buffer.allocUnsafe(entries.length * ENTRY_BYTES);
  for (const [i, entry] of entries.entries()) {
    uuidToBytes(entry.cmid, cell, i * ENTRY_BYTES);
    writeHit(cell, i * ENTRY_BYTES + ID_BYTES, entry);
  }
  return cell;
}

/** Moves what a run has of `wanted` to `found`. */
export function takeFromRun(cell: Buffer, wanted: Set<string>, found: Map<string, DedupHit>): void {
  for (let at = 0; at < cell.length; at += ENTRY_BYTES) {
    const cmid = uuidFromBytes(cell, at);
    if (wanted.delete(cmid)) found.set(cmid, hitOf(cell, at + ID_BYTES));
  }
}
