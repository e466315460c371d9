import type { LeaseRow, LeaseTable } from '../src/core/cluster-ports.ts';
import type { NodeId } from '../src/core/ids.ts';
import type { Logger, System, Timer } from '../src/core/ports.ts';

/** Reads per lease timeout, and one just when a node has been silent for all of it: all see its death at once. */
const READS_PER_TIMEOUT = 16;
/** A silence counts only when seen by so many successful reads, none failed between. */
const READS_MIN = 3;
/** A node beats every second: after so many ms without, it is called silent. */
const SILENT_MS_MIN = 2_500;

interface Seen {
  row: LeaseRow;
  /** Monotonic ms of the first successful read, since the last failed one, that saw this heartbeat; or of news of it. */
  since: number;
  /** Monotonic ms of the start of the last one. */
  until: number;
  reads: number;
  /** News of a heartbeat, and when it came. */
  heard: { readonly hb: number; readonly at: number } | undefined;
}

/**
 * Watches the leases of all nodes. It suspects a node only of a heartbeat that it read unchanged, over and over,
 * for a whole lease timeout: while the store is away nobody is suspected.
 */
export class Watcher {
  readonly #table: LeaseTable;
  readonly #system: System;
  readonly #logger: Logger;
  readonly #timeoutMs: number;
  readonly #seen = new Map<NodeId, Seen>();
  #timer: Timer | undefined;
  #inTime: Timer | undefined;
  #reading = false;
  #listeners: (() => void)[] = [];
  #waiting: (() => void)[] = [];

  constructor(table: LeaseTable, timeoutMs: number, system: System, logger: Logger) {
    this.#table = table;
    this.#timeoutMs = timeoutMs;
    this.#system = system;
    this.#logger = logger;
  }

  async start(): Promise<void> {
    await this.look();
    this.#timer = this.#system.every(this.#timeoutMs / READS_PER_TIMEOUT, () => void this.look());
  }

  stop(): void {
    this.#timer?.cancel();
    this.#timer = undefined;
    this.#inTime?.cancel();
  }

  /** Called after each successful read. */
  onLook(listener: () => void): void {
    this.#listeners.push(listener);
  }

  get(node: NodeId): LeaseRow | undefined {
    return this.#seen.get(node)?.row;
  }

  get rows(): LeaseRow[] {
    return [...this.#seen.values()].map(({ row }) => row);
  }

  /**
   * The node says that this heartbeat was applied. Its silence counts from now on, not from when it is read: a node that
   * dies right behind it is not known to be silent a quarter of a second later.
   */
  heard(node: NodeId, hb: number): void {
    const seen = this.#seen.get(node);
    if (seen !== undefined && hb > seen.row.hb) seen.heard = { hb, at: this.#system.monotonic() };
  }

  /** Nodes that are live as far as can be seen, of which `isSuspect` is true for none. */
  get live(): LeaseRow[] {
    return this.rows.filter((row) => row.state === 'live' && !this.isSuspect(row.node));
  }

  /** Whether the node has been silent for a lease timeout; the heartbeat seen is in its row. */
  isSuspect(node: NodeId): boolean {
    const seen = this.#seen.get(node);
    if (seen === undefined || seen.row.state !== 'live') return false;
    return seen.reads >= READS_MIN && seen.until - seen.since >= this.#timeoutMs;
  }

  /** Ms for which the node's heartbeat has been seen unchanged; since the last failed read, at most. */
  beatAgeMs(node: NodeId): number {
    const seen = this.#seen.get(node);
    return seen === undefined ? 0 : Math.round(seen.until - seen.since);
  }

  /** Whether it has missed a heartbeat or two: it may be about to be suspected. Not of what a failed read left open. */
  isSilent(node: NodeId, forMs = SILENT_MS_MIN): boolean {
    return this.#seen.get(node)?.reads !== 0 && this.beatAgeMs(node) >= forMs;
  }

  /** Resolves after the next look that begins, and after one that failed. */
  nextLook(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** One read of all leases. */
  async look(): Promise<void> {
    if (this.#reading) return;
    this.#reading = true;
    const waiting = this.#waiting.splice(0);
    const started = this.#system.monotonic();
    try {
      for (const row of await this.#table.nodes()) this.#note(row, started);
      for (const listener of this.#listeners) listener();
    } catch (error) {
      for (const seen of this.#seen.values()) seen.reads = 0; // each silence must be seen anew
      this.#logger.warn({ err: error }, 'the leases could not be read');
    }
    this.#reading = false;
    for (const resolve of waiting) resolve();
    this.#lookInTime();
  }

  /** Looks when a silence becomes that of a dead node, if that is before the next look. */
  #lookInTime(): void {
    this.#inTime?.cancel();
    this.#inTime = undefined;
    if (this.#timer === undefined) return;
    const now = this.#system.monotonic();
    let soonest = Number.POSITIVE_INFINITY;
    for (const { row, reads, since, until } of this.#seen.values())
      if (row.state === 'live' && reads > 0 && until - since < this.#timeoutMs)
        soonest = Math.min(soonest, since + this.#timeoutMs - now);
    if (soonest < this.#timeoutMs / READS_PER_TIMEOUT)
      this.#inTime = this.#system.after(Math.max(1, Math.ceil(soonest)), () => void this.look());
  }

  #note(row: LeaseRow, started: number): void {
    const seen = this.#seen.get(row.node);
    if (seen === undefined || seen.reads === 0 || seen.row.hb !== row.hb || seen.row.state !== row.state) {
      const since = seen === undefined ? started : heardBetween(seen, row, started);
      this.#seen.set(row.node, { row, since, until: started, reads: 1, heard: undefined });
      return;
    }
    seen.row = row;
    seen.until = started;
    seen.reads++;
  }
}

/** When there was news of a heartbeat that is now read, if that was since the read before; else when it is read. */
function heardBetween({ heard, reads, until }: Seen, row: LeaseRow, started: number): number {
  if (heard?.hb !== row.hb || reads === 0) return started;
  return Math.min(started, Math.max(until, heard.at));
}
