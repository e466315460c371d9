import type { LookUpOutcome } from '../../core/actor.ts';
import type { ConversationId, DeviceId, UserId } from '../../core/ids.ts';
import { StoreUnavailable } from '../../core/ports.ts';
import type { DedupHit } from '../../core/rows.ts';
import { i64Cell, uuidCell } from './cells.ts';
import type { ScyllaClient } from './client.ts';
import { slotsOf, takeFromRun } from './dedup-runs.ts';
import type { Statement } from './statements.ts';

const LOOK_UP: Statement = {
  name: 'lookUp',
  kind: 'read',
  cql: 'SELECT hits FROM {ks}.dedup_runs WHERE conv = ? AND user = ? AND device = ? AND slot IN ?',
};

/** Up to 20 KiB each. */
const RUNS_PER_PAGE_MAX = 64;
/** An id may be in either of two slots, and ScyllaDB refuses a statement with more than 100. */
const IDS_PER_READ_MAX = 48;

interface Gathered {
  readonly cmids: string[];
  readonly hits: Promise<ReadonlyMap<string, DedupHit>>;
}

/** What is looked up of one device in one turn is one read: an owner looks up all that a session has sent at once. */
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
    const slots = [...new Set(cmids.flatMap(slotsOf))].map(i64Cell);
    const wanted = new Set(cmids);
    const found = new Map<string, DedupHit>();
    let pageState: string | undefined;
    do {
      const page = await this.#client.page(LOOK_UP, [...device, slots], RUNS_PER_PAGE_MAX, pageState);
      for (const row of page.rows) takeFromRun(row.hits as Buffer, wanted, found);
      pageState = page.pageState;
    } while (pageState !== undefined && wanted.size > 0);
    return found;
  }
}
