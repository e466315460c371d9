import { ScyllaClient, type ScyllaSurroundings } from './client.ts';
import { ScyllaLeaseTable } from './lease-table.ts';
import { ScyllaLogTable } from './log-table.ts';
import type { ScyllaOptions } from './options.ts';
import { ScyllaProjectionStore } from './projection-store.ts';

export interface ScyllaStore {
  /** For the schema, and for readiness (`nodesUp`). */
  readonly client: ScyllaClient;
  readonly leases: ScyllaLeaseTable;
  readonly log: ScyllaLogTable;
  readonly projections: ScyllaProjectionStore;
  /** Lets what is under way end, and disconnects. */
  close(): Promise<void>;
}

/** The tables of a keyspace whose schema is applied already. Rejects with StoreUnavailable. */
export async function openScyllaStore(
  options: ScyllaOptions,
  surroundings: ScyllaSurroundings,
): Promise<ScyllaStore> {
  const client = await ScyllaClient.connect(options, surroundings);
  return {
    client,
    leases: new ScyllaLeaseTable(client),
    log: new ScyllaLogTable(client),
    projections: new ScyllaProjectionStore(client),
    close: () => client.close(),
  };
}
