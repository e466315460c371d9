import type { ClusterStore } from '../../../src/core/cluster-ports.ts';

/** Told of what sequencers ask of the store, as it happens. */
export interface Probe {
  sent(slot: string, operation: string): void;
  answered(slot: string, operation: string, outcome: unknown): void;
}

const OPERATIONS = {
  leases: [
    'insertNode',
    'heartbeat',
    'markDead',
    'insertDead',
    'markWalked',
    'nodes',
    'node',
    'barrier',
    'owner',
    'ownerOnce',
    'insertOwner',
    'claim',
    'release',
    'markDirty',
    'dirty',
  ],
  log: [
    'write',
    'rows',
    'rowsBackward',
    'writeDedup',
    'lookUp',
    'floor',
    'writeFloor',
    'head',
    'writeHead',
    'establish',
  ],
  projections: [
    'conversation',
    'members',
    'inbox',
    'inboxRow',
    'write',
    'user',
    'writeSeen',
    'settings',
    'changeSettings',
  ],
} as const;

/** The store, with a probe at every operation: `log.write`, `leases.barrier` … */
export function probed(store: ClusterStore, slot: string, probe: Probe): ClusterStore {
  const tables: Record<string, object> = {};
  for (const [table, names] of Object.entries(OPERATIONS)) {
    const inner = store[table as keyof ClusterStore] as unknown as Record<
      string,
      (...args: unknown[]) => unknown
    >;
    tables[table] = Object.fromEntries(
      names.map((name) => {
        const operation = `${table}.${name}`;
        const call = (...args: unknown[]): unknown => {
          probe.sent(slot, operation);
          const answer = (inner[name] as (...args: unknown[]) => Promise<unknown>)(...args);
          return answer.then((outcome) => {
            probe.answered(slot, operation, outcome);
            return outcome;
          });
        };
        return [name, call];
      }),
    );
  }
  return tables as unknown as ClusterStore;
}
