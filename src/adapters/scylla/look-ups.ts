import type { types } from 'cassandra-driver';
import type { LookUpOutcome } from '../../core/actor.ts';
import type { ConversationId, DeviceId, UserId } from '../../core/ids.ts';
import { StoreUnavailable } from '../../core/ports.ts';
import type { DedupHit } from '../../core/rows.ts';
import { hitOf, uuidCell, uuidOf } from './cells.ts';
import type { ScyllaClient } from './client.ts';
import type { Statement } from './statements.ts';

const LOOK_UP: Statement = {
  name: 'lookUp',
  kind: 'read',
  cql: 'SELECT cmid, hit FROM {ks}.dedup WHERE conv = ? AND user = ? AND device = ? AND cmid IN ?',
};

/** ScyllaDB refuses a statement with more than 100. */
const IDS_PER_READ_MAX = 64;

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
    const rows = await this.#client.read(LOOK_UP, [...device, cmids.map(uuidCell)]);
    return new Map(rows.map((row) => [uuidOf(row.cmid as types.Uuid), hitOf(row.hit as Buffer)]));
  }
}
