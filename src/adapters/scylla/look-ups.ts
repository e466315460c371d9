import type { types } from 'cassandra-driver';
import type { LookUpOutcome } from '../../core/actor.ts';
import type { ConversationId, DeviceId, UserId } from '../../core/ids.ts';
import { StoreUnavailable } from '../../core/ports.ts';
import type { DedupHit } from '../../core/rows.ts';
import { hitOf, uuidCell, uuidOf } from './cells.ts';
import type { ScyllaClient } from './client.ts';
import { type RunRange, runRanges, takeFromRun } from './dedup-runs.ts';
import type { Statement } from './statements.ts';

const LOOK_UP: Statement = {
  name: 'lookUp',
  kind: 'read',
  cql: 'SELECT cmid, hit FROM {ks}.dedup WHERE conv = ? AND user = ? AND device = ? AND cmid IN ?',
};

const LOOK_UP_RUNS: Statement = {
  name: 'lookUpRuns',
  kind: 'read',
  cql: `SELECT hits FROM {ks}.dedup_runs WHERE conv = ? AND user = ? AND device = ? AND first >= ? AND first <= ?`,
};
/** Up to 20 KiB each. */
const RUNS_PER_PAGE_MAX = 64;

/** ScyllaDB refuses a statement with more than 100. */
const IDS_PER_READ_MAX = 64;

interface Gathered {
  readonly cmids: string[];
  readonly hits: Promise<ReadonlyMap<string, DedupHit>>;
}

/**
 * What is looked up of one device in one turn is read together, ids by themselves and runs side by side: an owner looks
 * up all that a session has sent at once.
 */
export class LookUps {
  readonly #client: ScyllaClient;
  /** Of this turn. */
  readonly #gathered = new Map<string, Gathered>();

  constructor(client: ScyllaClient) {
    this.#client = client;
  }

  async lookUp(conv: ConversationId, user: UserId, device: DeviceId, cmid: string): Promise<LookUpOutcome> {
    try {
      const hit = (await this.#gather(conv, user, device, cmid)).get(cmid);
      return hit === undefined ? { t: 'none' } : { t: 'found', hit };
    } catch (error) {
      if (error instanceof StoreUnavailable) return { t: 'unavailable' };
      throw error;
    }
  }

  #gather(
    conv: ConversationId,
    user: UserId,
    device: DeviceId,
    cmid: string,
  ): Promise<ReadonlyMap<string, DedupHit>> {
    const key = `${conv} ${user} ${device}`;
    let gathered = this.#gathered.get(key);
    if (gathered === undefined || gathered.cmids.length >= IDS_PER_READ_MAX) {
      const cmids: string[] = [];
      gathered = { cmids, hits: this.#read(key, [uuidCell(conv), user, device], cmids) };
      this.#gathered.set(key, gathered);
    }
    gathered.cmids.push(cmid);
    return gathered.hits;
  }

  /** What `cmids` has when the turn ends. */
  async #read(
    key: string,
    device: readonly unknown[],
    cmids: readonly string[],
  ): Promise<ReadonlyMap<string, DedupHit>> {
    await Promise.resolve();
    if (this.#gathered.get(key)?.cmids === cmids) this.#gathered.delete(key);
    const found = new Map<string, DedupHit>();
    const ranges = runRanges(cmids).map((range) => this.#readRuns(device, range, found));
    await Promise.all([this.#readSingle(device, cmids, found), ...ranges]);
    return found;
  }

  async #readSingle(
    device: readonly unknown[],
    cmids: readonly string[],
    found: Map<string, DedupHit>,
  ): Promise<void> {
    const rows = await this.#client.read(LOOK_UP, [...device, cmids.map(uuidCell)]);
    for (const row of rows) found.set(uuidOf(row.cmid as types.Uuid), hitOf(row.hit as Buffer, 0));
  }

  async #readRuns(
    device: readonly unknown[],
    { from, to, cmids }: RunRange,
    found: Map<string, DedupHit>,
  ): Promise<void> {
    const wanted = new Set(cmids);
    let pageState: string | undefined;
    do {
      const page = await this.#client.page(LOOK_UP_RUNS, [...device, from, to], RUNS_PER_PAGE_MAX, pageState);
      for (const row of page.rows) takeFromRun(row.hits as Buffer, wanted, found);
      pageState = page.pageState;
    } while (pageState !== undefined && wanted.size > 0);
  }
}
