/**
 * How the ids of a device are kept: gathered into runs of many, since a row per id costs the store as much as a message
 * does. A run is found by the time within its ids (UUIDv7), so it holds ids of a few seconds alone; whatever id does not
 * fit stays by itself. What a run holds is a function of its key (first id, its seq, count) and of the log: runs that are
 * written again, or late, or overlap, never hide an id.
 */
import { uuidFromBytes, uuidToBytes, uuidV7Time } from '../../core/ids.ts';
import type { DedupHit } from '../../core/rows.ts';
import { HIT_BYTES, hitOf, writeHit } from './cells.ts';

/** An id, and what was committed under it. */
export interface IdEntry extends DedupHit {
  readonly cmid: string;
}

/** From the time of its first id to that of its last. */
const RUN_SPAN_MS = 10_000;
/**
 * Between the time within an id and that of its commit. So there are only so many ids within a span as a device sends in
 * about this long, whatever times it puts into them.
 */
const ASKEW_MS_MAX = 60_000;
/** 20 KiB. */
const RUN_IDS_MAX = 512;
const ID_BYTES = 16;
const ENTRY_BYTES = ID_BYTES + HIT_BYTES;

export interface Runs {
  /** Each of two ids or more. */
  readonly runs: readonly (readonly IdEntry[])[];
  readonly single: readonly IdEntry[];
}

/** Of one device, in the order of its log. */
export function runsOf(entries: readonly IdEntry[]): Runs {
  const runs: IdEntry[][] = [];
  const single: IdEntry[] = [];
  let run: IdEntry[] = [];
  const end = (): void => {
    if (run.length > 1) runs.push(run);
    else single.push(...run);
    run = [];
  };
  for (const entry of entries) {
    const time = uuidV7Time(entry.cmid);
    if (time === undefined || Math.abs(entry.ts - time) > ASKEW_MS_MAX) {
      end();
      single.push(entry);
      continue;
    }
    const [first] = run;
    if (first !== undefined && !(run.length < RUN_IDS_MAX && isWithin(first.cmid, entry.cmid, time))) end();
    run.push(entry);
  }
  end();
  return { runs, single };
}

/** Texts of UUIDs are in the order of their bytes. */
function isWithin(first: string, cmid: string, time: number): boolean {
  return cmid >= first && time <= (uuidV7Time(first) as number) + RUN_SPAN_MS;
}

/** One after the other: id, 16 bytes | seq | ts | hash, 8 bytes each. */
export function runCell(run: readonly IdEntry[]): Buffer {
  const cell = Buffer.allocUnsafe(run.length * ENTRY_BYTES);
  for (const [i, entry] of run.entries()) {
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

/** First ids, by their bytes, both included. */
export interface RunRange {
  readonly from: Buffer;
  readonly to: Buffer;
  readonly cmids: readonly string[];
}

/** Where the runs of these ids are: one range for those close to one another. None for ids that are in no run. */
export function runRanges(cmids: readonly string[]): readonly RunRange[] {
  const ranges: { from: Buffer; to: Buffer; cmids: string[] }[] = [];
  let lastTime = Number.NEGATIVE_INFINITY;
  for (const cmid of cmids.filter((each) => uuidV7Time(each) !== undefined).sort()) {
    const time = uuidV7Time(cmid) as number;
    const to = Buffer.allocUnsafe(ID_BYTES);
    uuidToBytes(cmid, to, 0);
    const range = ranges.at(-1);
    if (range !== undefined && time - RUN_SPAN_MS <= lastTime) {
      range.to = to;
      range.cmids.push(cmid);
    } else {
      const from = Buffer.alloc(ID_BYTES);
      from.writeUIntBE(Math.max(0, time - RUN_SPAN_MS), 0, 6);
      ranges.push({ from, to, cmids: [cmid] });
    }
    lastTime = time;
  }
  return ranges;
}
